"""What the doctor makes of what it sees: rights, clocks, and how bad all of it is together."""

import pytest
from modeltrail.doctor.findings import Finding, Level, judge_rights, judge_skew, worst


@pytest.mark.parametrize(
    ("operations", "level", "says"),
    [
        (("READ", "WRITE", "DESCRIBE"), Level.OK, "may write t and read"),
        (("WRITE", "DESCRIBE"), Level.OK, "not read"),
        (("READ", "DESCRIBE"), Level.WARNING, "nothing can be recorded"),
        (("DESCRIBE",), Level.ERROR, "neither write nor read"),
        ((), Level.ERROR, "neither write nor read"),
        (None, Level.OK, "do not tell"),
    ],
)
def test_rights_are_judged_by_what_can_be_done_with_them(
    operations: tuple[str, ...] | None, level: Level, says: str
) -> None:
    finding = judge_rights(operations, "t")
    assert (finding.level, says in finding.what) == (level, True)
    assert bool(finding.remedy) is (level is not Level.OK)


@pytest.mark.parametrize(
    ("ahead_s", "level", "says"),
    [
        (0.0, Level.OK, ""),
        (5.0, Level.OK, ""),
        (-5.0, Level.OK, ""),
        (7200.0, Level.WARNING, "7,200 s ahead of the log's"),
        (-7200.0, Level.WARNING, "7,200 s behind the log's"),
    ],
)
def test_clocks_are_judged_by_how_far_they_are_apart(ahead_s: float, level: Level, says: str) -> None:
    finding = judge_skew(ahead_s, "the log's", 5.0)
    assert (finding.level, says in finding.what) == (level, True)


def test_the_worst_of_findings_counts() -> None:
    levels = [Level.OK, Level.ERROR, Level.WARNING]
    assert worst(Finding(level, "a", "b") for level in levels) is Level.ERROR
    assert worst([]) is Level.OK
