"""Whether a server can do its work: a pure judgement over what was observed."""

from collections.abc import Collection

from modeltrail_server.serving.watching import WATCH_INTERVAL_S, Observation, Progress

STUCK_S = 60.0
# A look may wait for a broker and a database, each for as long as its connection may take.
STALE_S = WATCH_INTERVAL_S + 60.0
PROJECTOR, INDEXER, AUDITOR, API = "projector", "indexer", "auditor", "api"
_NEEDED = {
    PROJECTOR: ("log", "database"),
    INDEXER: ("log", "database"),
    AUDITOR: ("log", "audit"),
    API: ("log", "database"),
}


def reasons_not_ready(
    observation: Observation,
    *,
    roles: Collection[str],
    projected: Progress,
    indexed: Progress,
    audited: Progress,
    now_s: float,
) -> dict[str, str]:
    """Return by part why ``roles`` cannot do their work at ``now_s`` (monotonic); empty when they can."""
    if not observation.taken_s:
        return {"start": "nothing was looked at yet"}
    if now_s - observation.taken_s > STALE_S:
        return {"watch": f"nothing was seen for {now_s - observation.taken_s:.0f} s: the log or the database hangs"}
    needed = {part for role in roles for part in _NEEDED[role]}
    reasons = {part: why for part, why in observation.faults.items() if part in needed}
    if PROJECTOR in roles and (stuck := projected.stuck(STUCK_S, now_s)):
        reasons["projector"] = _stuck("projected", stuck)
    if INDEXER in roles and (stuck := indexed.stuck(STUCK_S, now_s)):
        reasons["indexer"] = _stuck("indexed", stuck)
    if AUDITOR in roles and (stuck := audited.stuck(STUCK_S, now_s)):
        reasons["auditor"] = _stuck("audited", stuck)
    return reasons


def _stuck(what: str, partitions: list[int]) -> str:
    return (
        f"nothing was {what} for {STUCK_S:.0f} s though records wait in partition {', '.join(map(str, partitions))}"
    )
