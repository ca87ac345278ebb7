"""One process's recorder: where its runs write to, and what they share (environment, caches, background threads).

It is made once per process from the configuration, by ``active``; nothing here reads the environment variables again.
"""

import os
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from modeltrail_schemas.event import Environment

from modeltrail.background import Background
from modeltrail.capture.markers import EnvironmentMarkers
from modeltrail.config import ROOT, Config, working_folder_if_there
from modeltrail.datasets.files import DigestCache
from modeltrail.launch import Launch, read_launch

MAX_HASHING_THREADS = 4


class NoteTaker(Protocol):
    """What takes notes: ``modeltrail.emitter.Emitter``, or ``Silence``."""

    def emit(self, note: Mapping[str, Any], *, durable: bool = False, rank: int = 0) -> bool:
        """Keep a note; return whether that went well."""

    def flush(self, timeout_ms: int, *, patient: bool = True) -> bool:
        """Wait until what was kept is in the log; return whether it is. Not ``patient``: not for a dead log."""


class Silence:
    """Takes no notes: what a run writes to when nothing can be recorded. Training goes on."""

    def emit(self, note: Mapping[str, Any], *, durable: bool = False, rank: int = 0) -> bool:  # noqa: ARG002
        """Drop the note."""
        return False

    def flush(self, timeout_ms: int, *, patient: bool = True) -> bool:  # noqa: ARG002 - the protocol's signature
        """Return False: nothing is in the log."""
        return False


@dataclass(frozen=True)
class Surroundings:
    """What of its process a run records, read once at the edge. ``script`` is the program; None in a notebook."""

    environ: Mapping[str, str]
    arguments: tuple[str, ...]
    folder: Path
    script: Path | None
    launch: Launch

    @classmethod
    def of_this_process(cls) -> "Surroundings":
        """Read them from this process."""
        script = getattr(sys.modules.get("__main__"), "__file__", None)
        environ = dict(os.environ)
        return cls(
            environ=environ,
            arguments=tuple(sys.orig_argv if sys.orig_argv else sys.argv),
            folder=working_folder_if_there() or ROOT,  # a removed one is no reason to stop training
            script=Path(script).absolute() if script else None,
            launch=read_launch(environ, parent=_parent_process()),
        )


@dataclass
class Recorder:
    """What the runs of this process share. ``is_silent`` when nothing can be recorded."""

    config: Config
    notes: NoteTaker
    surroundings: Surroundings
    hashing: Background = field(default_factory=lambda: Background(MAX_HASHING_THREADS))
    capturing: Background = field(default_factory=lambda: Background(1))
    _ordinals: dict[tuple[str, str], "count[int]"] = field(default_factory=dict)
    _environment: tuple[Environment, int] | None = None

    @property
    def is_silent(self) -> bool:
        """Return whether notes lead nowhere."""
        return isinstance(self.notes, Silence)

    @property
    def digests(self) -> DigestCache:
        """Return the cache of file digests in the home."""
        return DigestCache(self.config.home / "cache")

    @property
    def described_environments(self) -> EnvironmentMarkers:
        """Return what this log has already been told of environments."""
        return EnvironmentMarkers(self.config.home / "environments", self.config.log)

    def next_ordinal(self, base: str, job: str) -> int:
        """Return how many runs of ``job`` under ``base`` were started before, and count one more."""
        return next(self._ordinals.setdefault((base, job), count()))  # atomic, and no lock for a fork to inherit

    def emit(self, note: Mapping[str, Any], *, durable: bool = False) -> bool:
        """Keep a note; return whether that went well."""
        return self.notes.emit(note, durable=durable, rank=self.surroundings.launch.rank)

    def environment(self) -> tuple[Environment, int]:
        """Return the environment and how many values in it were redacted; it is captured once per process."""
        if self._environment is None:
            from modeltrail.capture.environment import capture_environment  # 70 ms, here in the background

            self._environment = capture_environment(self.surroundings.environ)
        return self._environment


def time_left_s(deadline_s: float) -> float:
    """Return the seconds until ``deadline_s`` of the monotonic clock, none below zero."""
    return max(deadline_s - time.monotonic(), 0.0)


def _parent_process() -> str:
    """Return what names the parent process once and for all: host, id and start; empty where it cannot be learnt."""
    parent = os.getppid()
    try:
        started = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{socket.gethostname()}:{parent}:{started}"
