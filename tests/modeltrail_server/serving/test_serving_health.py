"""Readiness is judged from what was seen: red with the reason, green by itself."""

from modeltrail.log.protocol import Position
from modeltrail_server.serving.health import STALE_S, STUCK_S, reasons_not_ready
from modeltrail_server.serving.watching import Observation, Progress


def judged(observation: Observation, *roles: str, now_s: float = 100.0, **progress: Progress) -> dict[str, str]:
    known = {"projected": Progress(), "indexed": Progress(), "audited": Progress()} | progress
    return reasons_not_ready(observation, roles=roles, now_s=now_s, **known)


def test_nothing_is_ready_before_the_first_look():
    assert judged(Observation(), "projector") == {"start": "nothing was looked at yet"}


def test_a_fault_matters_to_the_roles_that_need_the_part():
    seen = Observation(taken_s=99, faults={"database": "it is down", "spool": "gone"})
    assert judged(seen, "projector") == {"database": "it is down"}
    assert judged(seen, "api") == {"database": "it is down"}
    assert judged(seen, "auditor") == {}


def test_a_watch_that_hangs_is_not_ready():
    assert list(judged(Observation(taken_s=1), "auditor", now_s=2 + STALE_S)) == ["watch"]


def test_a_partition_is_stuck_when_it_is_behind_and_does_not_move():
    progress, end = Progress(), Position((10, 10))
    progress.note(end, lambda partition: 10, 0.0)
    later = Position((20, 10))
    progress.note(later, [10, 10].__getitem__, 5.0)
    assert progress.behind_s(0, 8.0) == 3.0
    assert progress.behind_s(1, 8.0) == 0.0
    assert progress.stuck(STUCK_S, STUCK_S - 1) == []
    assert progress.stuck(STUCK_S, STUCK_S + 6) == [0]
    seen = Observation(taken_s=STUCK_S + 6)
    assert "partition 0" in judged(seen, "projector", now_s=STUCK_S + 6, projected=progress)["projector"]
    assert "partition 0" in judged(seen, "indexer", now_s=STUCK_S + 6, indexed=progress)["indexer"]
    assert "partition 0" in judged(seen, "auditor", now_s=STUCK_S + 6, audited=progress)["auditor"]
    progress.note(later, [11, 10].__getitem__, STUCK_S + 7)
    assert progress.stuck(STUCK_S, STUCK_S + 8) == []
    progress.note(later, [20, 10].__getitem__, 10 * STUCK_S)
    assert progress.behind_s(0, 20 * STUCK_S) == 0.0
