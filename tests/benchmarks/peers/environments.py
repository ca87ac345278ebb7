"""What peers run in, under build/peers, made when it is first asked for: a virtual environment for each.

And a PostgreSQL with its contributed extensions, where the one of the tests has none.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

INSTALL_TIMEOUT_S = 900
POSTGRESQL_PACKAGE = "postgresql-15"
POSTGRESQL_BINARIES = "usr/lib/postgresql/*/bin"


class NotInstallableError(Exception):
    """The peer cannot be installed here; the message says why."""


@dataclass(frozen=True)
class Peer:
    """What to install, and for which Python: the newest that the peer has wheels for, or any (empty)."""

    name: str
    requirements: tuple[str, ...]
    python: str = ""


MLFLOW = Peer("mlflow", ("mlflow>=3,<4", "psycopg2-binary"))
MLMD = Peer("mlmd", ("ml-metadata>=1.14,<2",), "3.10")
OPENLINEAGE = Peer("openlineage", ("openlineage-python>=1.30,<2",))
RENTGEN = Peer("rentgen", ("data-rentgen[consumer,postgres,server]>=0.7,<0.8",), "3.12")


def interpreter_of(peer: Peer, folder: Path) -> Path:
    """Return the peer's Python. Raises NotInstallableError."""
    python = folder / peer.name / "bin" / "python"
    done, wanted = folder / peer.name / "installed", "\n".join(peer.requirements)
    if done.exists() and done.read_text() == wanted:
        return python
    base = _find_python(peer.python)
    shutil.rmtree(folder / peer.name, ignore_errors=True)
    for command in (
        [base, "-m", "venv", str(folder / peer.name)],
        [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-q", *peer.requirements],
    ):
        try:
            made = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotInstallableError(str(error)) from error
        if made.returncode:
            raise NotInstallableError(made.stderr.strip().splitlines()[-1])
    done.write_text(wanted)
    return python


def installed_version(python: Path, distribution: str) -> str:
    """Return the version of what is installed there."""
    ask = f"from importlib.metadata import version; print(version({distribution!r}))"
    return subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


def contributed_postgresql(folder: Path) -> Path:
    """Return the binaries of Debian's PostgreSQL, unpacked and not installed. Raises NotInstallableError."""
    place = folder / "postgresql"
    if not list(place.glob(POSTGRESQL_BINARIES)):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for command in (["apt-get", "download", "-q", POSTGRESQL_PACKAGE], ["sh", "-c", "dpkg -x *.deb ."]):
            try:
                made = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S)
            except OSError as error:
                raise NotInstallableError(str(error)) from error
            if made.returncode:
                raise NotInstallableError(f"{POSTGRESQL_PACKAGE} cannot be brought: {made.stderr.strip()}")
    return next(iter(place.glob(POSTGRESQL_BINARIES)))


def _find_python(version: str) -> str:
    """Return a Python of ``version``: from PATH, where it must run, or of pyenv."""
    if not version or sys.version.startswith(version):
        return sys.executable
    candidates = [shutil.which(f"python{version}")]
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates += [str(path) for path in sorted((root / "versions").glob(f"{version}.*/bin/python"), reverse=True)]
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "--version"], capture_output=True).returncode == 0:
            return candidate
    raise NotInstallableError(f"it needs Python {version}, which is not on PATH nor in pyenv")
