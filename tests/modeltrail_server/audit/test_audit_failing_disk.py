"""Promise 3 in the audit log on a disk that fails: a real auditor, and every step it takes on its files, one by one.

The C library's calls are refused (EIO, ENOSPC) or are the last before the power goes, and what was not synced is
really lost: bytes, names, renames. No leaf may then be missing, doubled or moved, no checkpoint sign what is lost.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from audit_logs import files_of, lasting_files, quick_folder
from failing_disk import Disk, Fault, Laboratory, Left, Mode, compile_failing_disk, laboratory
from failing_disk_process import RECORDS, REFUSED
from modeltrail_server import audit
from modeltrail_server.audit import layout

pytestmark = pytest.mark.fault

SEED = 20260301


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    library = compile_failing_disk(tmp_path_factory.mktemp("failing-disk"))
    if library is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no C compiler, and CI=true: install gcc and libc6-dev")
        pytest.skip("no C compiler: a disk that fails cannot be made")
    with laboratory(library) as made:
        yield made


class Bench:
    """A folder to audit into, its journal, and what is to come out of it."""

    def __init__(self, lab: Laboratory, place: Path) -> None:
        self.lab, self.place = lab, place
        self.folder, self.journal = place / "audit", place / "journal"
        self.clear()
        assert lab.audit(self.folder, self.journal).exit_code == 0
        self.expected = lasting_files(self.folder)
        self.steps = self.disk().steps

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.journal.unlink(missing_ok=True)

    def disk(self) -> Disk:
        return Disk(self.folder, self.journal)

    def check_heads(self, folder: Path, when: str, *, at_least: int = 0) -> None:
        """Check that whatever is signed is there, and that it is not less than what was reported to be."""
        if (folder / "0" / layout.CHECKPOINT).exists() and (folder / layout.VERIFIER_KEY).exists():
            report = audit.verify(folder)
            assert report.ok, f"{when}: {report}"
            size = audit.status(folder).partitions[0].head.size
        else:
            size = 0
        assert size >= at_least, f"{when}: {size} signed, {at_least} reported"

    def check_restart(self, folder: Path, when: str) -> None:
        """Check that an auditor that starts now makes it the same log as one that was never disturbed."""
        ended = self.lab.audit(folder, self.place / "journal of the restart")
        assert ended.exit_code == 0, f"{when}: {ended}"
        report = audit.verify(folder)
        assert report.ok, f"{when}: {report}"
        assert lasting_files(folder) == self.expected, when


@pytest.fixture
def bench(lab: Laboratory) -> Iterator[Bench]:
    with quick_folder() as place:
        yield Bench(lab, place)


def test_the_journal_tells_all_that_is_done_to_the_folder(bench: Bench) -> None:
    """Else a test below could pass because it does not see what it is to lose."""
    assert len(bench.steps) > 150
    assert {step.split()[0] for step in bench.steps} == {
        "create", "write", "truncate", "sync", "link", "rename", "unlink", "mkdir",
    }  # fmt: skip
    bench.disk().lay_out(bench.place / "told", None, Random(SEED))
    assert files_of(bench.place / "told") == files_of(bench.folder)
    assert {"0/tile/0/000", "0/tile/entries/000", "0/segments/000.gz", "0/segments/001"} <= set(bench.expected)
    assert list(audit.read_records(bench.folder)) == RECORDS


def test_a_power_cut_at_any_step_leaves_nothing_signed_that_is_lost(bench: Bench) -> None:
    chance = Random(SEED)
    for at, step in enumerate(bench.steps, 1):
        bench.clear()
        ended = bench.lab.audit(bench.folder, bench.journal, Fault(Mode.DIE, at))
        assert ended.exit_code == -9, (step, ended)
        disk = bench.disk()
        for left in Left:
            when = f"power cut at step {at}, {step}; of what was not synced it left {left}"
            disk.lay_out(bench.place / "left", left, chance)
            bench.check_heads(bench.place / "left", when, at_least=ended.signed)
            bench.check_restart(bench.place / "left", when)


@pytest.mark.parametrize(
    ("mode", "refusal"),
    [(Mode.FAIL_ONCE, errno.EIO), (Mode.FAIL_FROM_THERE_ON, errno.ENOSPC)],
    ids=["EIO once", "ENOSPC from there on"],
)
def test_a_refused_step_is_told_and_neither_it_nor_a_power_cut_after_it_leaves_a_lie(
    bench: Bench, mode: Mode, refusal: int
) -> None:
    chance = Random(SEED)
    for at, step in enumerate(bench.steps, 1):
        when = f"{errno.errorcode[refusal]} at step {at}, {step}"
        bench.clear()
        ended = bench.lab.audit(bench.folder, bench.journal, Fault(mode, at, refusal))
        assert ended.exit_code == REFUSED, f"{when}: {ended}"
        assert "AuditWriteError" in ended.said, f"{when}: {ended.said}"
        assert os.strerror(refusal) in ended.said, f"{when}: {ended.said}"
        bench.check_heads(bench.folder, when, at_least=ended.signed)
        disk = bench.disk()
        disk.lay_out(bench.place / "left", Left.NOTHING, chance)
        bench.check_heads(bench.place / "left", f"{when}, then a power cut", at_least=ended.signed)
        # The next auditor finds what is in the memory of the kernel, lost pages among it, and goes on with that.
        again = bench.lab.audit(bench.folder, bench.journal)
        assert again.exit_code == 0, f"{when}, and again: {again}"
        assert lasting_files(bench.folder) == bench.expected, when
        bench.disk().lay_out(bench.place / "left", Left.NOTHING, chance)
        bench.check_heads(bench.place / "left", f"{when}, again, then a power cut", at_least=again.signed)


@pytest.mark.parametrize("forgotten", ["bytes", "names"])
def test_a_power_cut_finds_a_sync_that_is_left_out(bench: Bench, forgotten: str) -> None:
    """The tests above would fail without the auditor's syncs of files, or of folders."""
    lying = 0
    renamed = [at for at, step in enumerate(bench.steps, 1) if step == f"rename 0/{layout.CHECKPOINT}"]
    for at in [at + after for at in renamed for after in (1, 2)]:
        bench.clear()
        bench.lab.audit(bench.folder, bench.journal, Fault(Mode.DIE, at))
        lines = bench.journal.read_text(encoding="utf-8").splitlines()
        tiles = {line.split("\t")[1] for line in lines if line.startswith("mkdir") and f"/{layout.TILES}" in line}
        files = {line.split("\t")[1] for line in lines if line.startswith("create")}
        omitted = {f"sync\t{inode}" for inode in (files if forgotten == "bytes" else tiles)}
        bench.journal.write_text("".join(f"{line}\n" for line in lines if line not in omitted), encoding="utf-8")
        bench.disk().lay_out(bench.place / "left", Left.NOTHING, Random(SEED))
        left = bench.place / "left"
        if (left / "0" / layout.CHECKPOINT).exists() and (left / layout.VERIFIER_KEY).exists():
            try:
                lying += not audit.verify(left).ok
            except audit.AuditError:
                lying += 1
    assert lying
