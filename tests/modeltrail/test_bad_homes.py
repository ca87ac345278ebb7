"""Promise 1, the disk: one that takes no more, or only a part of a note, and a home where nothing may be recorded."""

from collections.abc import Callable
from pathlib import Path

import pytest
from modeltrail.config import Config
from modeltrail.emitter import Emitter
from modeltrail.log import filesystem

MakeNote = Callable[..., dict[str, object]]


@pytest.mark.fault
def test_a_disk_that_takes_no_more_costs_what_it_did_not_take_and_training_nothing(workshop) -> None:
    """A limit on the size of files stands for the full disk: write(2) takes a part of a note, then none.

    What was kept is there, what was not is counted by a gap, and recording goes on when there is space.
    """
    script = """
        import modeltrail, resource
        with modeltrail.start_run(job="train", capture=False) as run:
            assert modeltrail.flush(60_000)  # the sender is there, without the limit
            spool = modeltrail.active.PROCESS.recorder().notes
            size = max(path.stat().st_size for path in spool._session.writer.ownership.folder.glob("*.notes"))
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4_000, hard))
            for step in range(1_000):
                run.log_metric("loss", 1.0, step=step)
            dropped = spool.dropped_notes
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            for step in range(1_000, 1_010):
                run.log_metric("loss", 1.0, step=step)
        print(dropped, spool.dropped_notes)
    """
    done = workshop.train(script)
    assert done.returncode == 0
    dropped, in_all = map(int, done.stdout.split())
    assert 0 < dropped == in_all < 1_000
    assert done.stderr.count("a note could not be kept") == 1
    events = workshop.events()
    steps = [metric.step for event in events for metric in event.metrics]
    assert steps == [*range(1_000 - dropped), *range(1_000, 1_010)]
    (gap,) = [event for event in events if event.gap]
    assert gap.gap.lost_events == dropped
    assert gap.run_id == events[0].run_id
    assert workshop.states() == ["START", "COMPLETE"]


def test_a_home_on_nfs_is_told_once_with_the_remedy_and_nothing_is_written_there(
    tmp_path: Path,
    config: Config,
    metric_note: MakeNote,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 0:52 / {tmp_path.resolve()} rw,relatime shared:1 - nfs4 server:/home rw,vers=4.2\n")
    monkeypatch.setattr(filesystem, "MOUNTS", mounts)
    emitter = Emitter(config)
    for step in range(100):
        emitter.emit(metric_note(step))
    assert not emitter.flush(1_000)
    emitter.close()
    assert emitter.dropped_notes == 100
    (told,) = [record.getMessage() for record in caplog.records if record.name == "modeltrail"]
    assert "nfs4" in told
    assert "MODELTRAIL_HOME" in told
    assert not config.home.exists()


IN_NO_FOLDER = """
    import modeltrail, os, tempfile
    os.chdir(tempfile.mkdtemp())
    os.rmdir(os.getcwd())
    for _ in range(2):
        with modeltrail.start_run(job="train") as run:
            run.log_metric("loss", 1.0)
    print("trained")
"""


@pytest.mark.fault
def test_a_working_directory_that_was_removed_stops_neither_training_nor_a_record_whose_home_is_known(
    workshop, complaints
) -> None:
    done = workshop.train(IN_NO_FOLDER)
    assert (done.returncode, done.stdout, complaints(done)) == (0, "trained\n", [])
    assert workshop.states() == ["START", "COMPLETE"] * 2
    lost = workshop.train(IN_NO_FOLDER, MODELTRAIL_HOME="")
    assert (lost.returncode, lost.stdout) == (0, "trained\n")
    (told,) = complaints(lost)
    assert "the working directory was removed" in told
    assert "MODELTRAIL_HOME" in told
