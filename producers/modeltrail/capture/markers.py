"""Which environments a log has already been told of in full, remembered in the home."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EnvironmentMarkers:
    """Which environments have been described in full to the log at ``log``: an empty file each in ``folder``."""

    folder: Path
    log: str

    def is_described(self, digest: str) -> bool:
        """Return whether the full list under ``digest`` has been sent to this log."""
        return self._marker(digest).exists()

    def mark_described(self, digest: str) -> None:
        """Remember that it has been sent. Where that cannot be written, it is sent again next time."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._marker(digest).touch()
        except OSError:
            return

    def _marker(self, digest: str) -> Path:
        log = hashlib.sha256(self.log.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return self.folder / f"{log}-{digest.replace(':', '-')}"
