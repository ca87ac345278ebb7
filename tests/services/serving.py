"""``modeltrail serve`` as a process of its own, as a container or a unit of systemd would run it."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_TIMEOUT_S = 60


class Serving:
    """One process that runs ``roles`` with MODELTRAIL_… of ``settings``; what it says is in ``folder/NAME.log``."""

    def __init__(self, folder: Path, name: str, roles: list[str], settings: Mapping[str, str], *options: str) -> None:
        self.log = folder / f"{name}.log"
        environ = {f"MODELTRAIL_{setting.upper()}": value for setting, value in settings.items()}
        environ.setdefault("MODELTRAIL_HOME", str(folder / name))
        arguments = [word for role in roles for word in ("--role", role)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "modeltrail.command", "serve", *arguments, *options],
                env=os.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """Return what it said so far."""
        return self.log.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """Return whether it runs."""
        return self._process.poll() is None

    def stop(self) -> int:
        """Ask it to stop, as a supervisor does, and return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
