"""Named cursors: how far a subscriber got, in a file that survives it, held by one subscriber at a time."""

import fcntl
import json
import os
import re
from pathlib import Path
from typing import Self

from modeltrail.errors import ConfigurationError, LogIdentityError
from modeltrail.log.protocol import LogIdentity, Position
from modeltrail.spool.ownership import sync_folder

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")


class StoredCursor:
    """The cursor of one name in ``<home>/subscriptions``, locked while open; ``position`` is None for a new one."""

    def __init__(self, home: Path, name: str, identity: LogIdentity) -> None:
        """Lock and read the cursor.

        Raises ConfigurationError (no name, in use, cannot be written), LogIdentityError (it follows another log).
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} cannot name a subscription", remedy="1 to 200 of a-z A-Z 0-9 . _ -, no dot first"
            )
        self._path = home / "subscriptions" / f"{name}.json"
        self._identity = identity
        self._lock = _lock(self._path.with_suffix(".lock"), name)
        try:
            self.position = self._read()
        except BaseException:
            self.close()
            raise

    def store(self, position: Position) -> None:
        """Record ``position``; it survives a power cut on return. Raises ConfigurationError."""
        text = json.dumps(
            {"log": self._identity.name, "topic_id": self._identity.topic_id, "position": position.format()}
        )
        making = self._path.with_suffix(".new")
        try:
            with making.open("w", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            making.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be written: {error.strerror}") from error
        self.position = position

    def close(self) -> None:
        """Let the name go; may be called twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        """Return itself; closed on leaving."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close."""
        self.close()

    def _read(self) -> Position | None:
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            topic_id, position = stored["topic_id"], Position.parse(stored["position"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"{self._path} is no cursor: {error}", remedy="remove the file to begin this subscription anew"
            ) from error
        if topic_id != self._identity.topic_id:
            raise LogIdentityError(
                f"the subscription {self._path.stem} follows another log ({stored.get('log', '')}) "
                f"than {self._identity.name}, or that one was made anew",
                remedy=f"subscribe under another name, or remove {self._path} to begin anew",
            )
        return position


def _lock(path: Path, name: str) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}",
            remedy="set MODELTRAIL_HOME to a folder that this user can write",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ConfigurationError(
            f"the subscription {name} is in use by another subscriber",
            remedy="end that one, or subscribe under another name: each name gets every event",
        ) from error
    return descriptor
