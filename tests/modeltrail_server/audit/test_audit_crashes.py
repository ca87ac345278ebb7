"""Promise 3 in the audit log: killed at any write step, no leaf is missing, doubled or moved, and no head lies."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from audit_logs import IDENTITY, NAME, ListLog, history, lasting_files
from crashing import CountingFiles, Crash, CrashingFiles, FullFiles, PowerLossFiles
from modeltrail_server import audit
from modeltrail_server.audit import layout
from modeltrail_server.audit.files import Files

# Three rounds: within a tile, over the ends of a tile and of a segment, in the new segment.
GAP_AT, GAP = 258, 9000
RECORDS = [replace(each, offset=each.offset + (GAP if at >= GAP_AT else 0)) for at, each in enumerate(history(390))]
PACE = audit.Pace(max_records=130, wait_ms=0)


def run(folder: Path, files: Files) -> None:
    if not (folder / layout.KEY).exists():
        audit.init(folder, NAME, IDENTITY, files=files)
    audit.follow(folder, ListLog(RECORDS), once=True, compress=True, pace=PACE, files=files, schemas={})


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    files = CountingFiles()
    run(tmp_path_factory.mktemp("counted"), files)
    return files.steps


@pytest.mark.fault
@pytest.mark.parametrize(
    ("make_files", "torn"),
    [
        (CrashingFiles, False),
        (lambda at: CrashingFiles(at, torn=True), True),
        (PowerLossFiles, False),
        (lambda at: FullFiles(at, torn=True), True),
    ],
    ids=["killed", "killed while writing", "power lost", "disk full"],
)
def test_after_a_crash_at_any_step_the_log_is_whole(
    make_files: Callable[[int], CrashingFiles], torn: bool, steps: list[str], quick_path: Path
) -> None:
    assert len(steps) > 100
    run(quick_path / "reference", CountingFiles())
    expected = lasting_files(quick_path / "reference")
    assert {"0/tile/0/000", "0/tile/entries/000", "0/segments/000.gz", "0/segments/001"} <= set(expected)
    for at, step in enumerate(steps):
        if torn and not step.startswith(("create", "extend")):
            continue
        folder = quick_path / str(at)
        with pytest.raises((Crash, audit.AuditWriteError)):
            run(folder, make_files(at))
        if (folder / "0" / layout.CHECKPOINT).exists() and (folder / layout.VERIFIER_KEY).exists():
            report = audit.verify(folder)
            assert report.ok, f"after a crash at {steps[at]}: {report.faults}"
        run(folder, CountingFiles())
        report = audit.verify(folder)
        assert report.ok, f"restarted after a crash at {steps[at]}: {report.faults}"
        assert lasting_files(folder) == expected, steps[at]
        shutil.rmtree(folder)
    assert list(audit.read_records(quick_path / "reference")) == RECORDS


@pytest.mark.fault
@pytest.mark.parametrize("skipped", ["bytes of files", "names of tiles"])
def test_losing_power_is_noticed_when_a_sync_is_left_out(skipped: str, steps: list[str], quick_path: Path) -> None:
    """The test above would fail without the auditor's syncs: at some step a head names what the disk has lost."""

    class Careless(PowerLossFiles):
        def sync(self, path: Path) -> None:
            self._step("sync", path)
            careless = layout.TILES in path.parts if skipped == "names of tiles" else path.is_file()
            if not careless:
                self._lasting(path)

    lying = 0
    for at in range(len(steps)):
        folder = quick_path / str(at)
        with pytest.raises(Crash):
            run(folder, Careless(at))
        if (folder / "0" / layout.CHECKPOINT).exists() and (folder / layout.VERIFIER_KEY).exists():
            lying += not audit.verify(folder).ok
        shutil.rmtree(folder, ignore_errors=True)
    assert lying
