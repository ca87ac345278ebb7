"""Java artefacts of a POM, brought by Maven at the first call on this machine and cached beside each other."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from services.server_process import ServiceUnavailableError

MAVEN_TIMEOUT_S = 600


def bring(pom: Path, name: str) -> Path:
    """Return the folder of the jars that ``pom`` needs. Raises ServiceUnavailableError when they cannot be had."""
    cache = cache_folder()
    jars = cache / f"{name}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if jars.is_dir():
        return jars
    if shutil.which("mvn") is None:
        raise ServiceUnavailableError(f"{name} is not cached and there is no `mvn` to bring it: install Maven")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as unfinished:
        brought = Path(unfinished) / "jars"
        copying = ["dependency:copy-dependencies", f"-DoutputDirectory={brought}"]
        maven = subprocess.run(
            ["mvn", "-q", "-B", "-f", str(pom), *copying],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=MAVEN_TIMEOUT_S,
        )
        if maven.returncode != 0:
            raise ServiceUnavailableError(f"Maven could not bring {name}: {maven.stdout[-1000:]}")
        keep(brought, jars)
    return jars


def cache_folder() -> Path:
    """Return where what was brought is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modeltrail"


def keep(finished: Path, folder: Path) -> None:
    """Make ``finished`` to ``folder``; where another test run was quicker, its content is the same."""
    try:
        finished.rename(folder)
    except OSError:
        assert folder.is_dir()
