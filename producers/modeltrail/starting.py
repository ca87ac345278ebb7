"""How runs start: their id, their first note, and what is captured around them while training already goes on."""

import os
import time
import uuid
from typing import Any

from modeltrail_schemas.event import Environment, RunState, SourceCode
from modeltrail_schemas.identity import canonical_run_id, new_event_id
from modeltrail_schemas.names import JobName
from modeltrail_schemas.records import dumper

from modeltrail.capture.command import capture_command
from modeltrail.capture.seeds import capture_seeds
from modeltrail.guard import warn_once
from modeltrail.launch import derive_run_id
from modeltrail.notes import PRESENCE
from modeltrail.recorder import Recorder
from modeltrail.run import Run


def new_run_id() -> str:
    """Return a UUIDv7."""
    return str(uuid.UUID(bytes=new_event_id(time.time_ns(), os.urandom(8))))


def place_run(recorder: Recorder, job: JobName, *, run_id: str, parent: Run | None) -> tuple[str, bool]:
    """Return the id of the next run of ``job`` in this process, and whether this process owns it.

    Given outright, it is that. In a joined launch, root and nested runs alike are derived from what all ranks share
    and from how many runs of the job came before, so that ranks which run the same code agree; rank 0 owns them.
    """
    launch = recorder.surroundings.launch
    owned = launch.rank == 0
    if run_id:
        return canonical_run_id(run_id), owned or not launch.is_joined
    if parent is not None and launch.is_joined and launch.world_size > 1:
        ordinal = recorder.next_ordinal(parent.id, job.format())
        return derive_run_id(parent.id, job.format(), ordinal), owned
    if launch.run_id and parent is None:
        given = canonical_run_id(launch.run_id)
        ordinal = recorder.next_ordinal(given, "")
        return derive_run_id(given, job.format(), ordinal) if ordinal else given, owned
    if launch.is_joined and parent is None:
        ordinal = recorder.next_ordinal(launch.shared, job.format())
        return derive_run_id(launch.shared, job.format(), ordinal), owned
    if launch.world_size > 1 and not launch.is_joined:
        warn_once(
            f"{launch.world_size} processes were launched, and nothing tells that they belong together: each records "
            "a run of its own; set MODELTRAIL_RUN_ID, or torchrun --rdzv-id"
        )
    return new_run_id(), True


def announce(run: Run, recorder: Recorder) -> None:
    """Write the run's first note: START where it is owned; otherwise that this process has joined it."""
    first: dict[str, Any] = {"seeds": capture_seeds(recorder.surroundings.environ)}
    if run.owned:
        command, redactions = capture_command(recorder.surroundings.arguments)
        first |= {"type": RunState.START.value, "parent_run_id": run.parent_run_id}
        first |= {"command": command, "redactions": redactions}
    run.emit(first | ({} if run.owned else {PRESENCE: True}))


def capture_around(run: Run, recorder: Recorder, parent: Run | None) -> None:
    """Capture code and environment in the background; they are added to the run when they are known.

    A nested run stands on what its parent stands on.
    """
    outer = parent.captured if parent is not None else None

    def capture_and_add() -> dict[str, Any]:
        note = outer.value if outer is not None and outer.value is not None else capture(recorder)
        if run.emit(note):
            recorder.described_environments.mark_described(note["environment_digest"])
        return {name: value for name, value in note.items() if name not in ("environment", "redactions")}

    run.captured = recorder.capturing.submit(capture_and_add)
    run.follow(run.captured)


def capture(recorder: Recorder) -> dict[str, Any]:
    """Return what surrounds this process now, as a run's note: its code, its environment, in full if that is new."""
    from modeltrail.capture.git import capture_code

    around = recorder.surroundings
    folders = (around.script.parent, around.folder) if around.script else (around.folder,)
    code, in_code = capture_code(folders, around.script, around.environ)
    environment, in_environment = recorder.environment()
    note: dict[str, Any] = {"environment_digest": environment.digest, "redactions": in_code + in_environment}
    if code != SourceCode():
        note |= {"code": dumper(SourceCode)(code), "commit": code.commit}
    if not recorder.described_environments.is_described(environment.digest):
        note["environment"] = dumper(Environment)(environment)
    return note
