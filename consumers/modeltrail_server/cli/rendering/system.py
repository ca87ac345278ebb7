"""Where everything stands, and digests, in lines. Pure."""

from modeltrail_schemas.counting import counted
from rich.text import Text

from modeltrail_server.cli.rendering.auditing import short_root
from modeltrail_server.cli.rendering.style import duration, labelled, line, size
from modeltrail_server.projection.digest import Digest
from modeltrail_server.serving.status import LogStatus, ReadModelStatus, SpoolTotals, Status, Unseen

COUNTED = {
    "run": ("run", "runs"),
    "job": ("job", "jobs"),
    "model": ("model", "models and versions"),
    "dataset": ("dataset", "datasets and versions"),
}


def render_digest(found: Digest) -> list[Text]:
    """Return the digest and what it is of."""
    counts = "  ".join(f"{name} {number:,}" for name, number in found.counts.items())
    return [
        line((f"sha256:{found.hex}", "bold")),
        line(f"at {found.position.format()}, projection version {found.projection_version}"),
        line((counts, "dim")),
    ]


def render_status(status: Status, *, width: int) -> list[Text]:
    """Return a line or two for the log, the read model, its search index, the audit log and the spool."""
    end = status.log.end if isinstance(status.log, LogStatus) else None
    lines = labelled("log", _log_parts(status.log), width=width)
    lines += labelled("model", _read_model_parts(status, end is not None), width=width)
    if isinstance(status.read_model, ReadModelStatus):
        lines += labelled("", _count_parts(status.read_model), width=width)
        lines += labelled("search", [_index_part(status.read_model)], width=width)
    lines += labelled("audit", _audit_parts(status), width=width)
    return lines + labelled("spool", _spool_parts(status.spool), width=width)


def _log_parts(log: LogStatus | Unseen) -> list[str | tuple[str, str]]:
    return _unseen(log) if isinstance(log, Unseen) else [log.address, f"ends at {log.end.format()}"]


def _read_model_parts(status: Status, end_known: bool) -> list[str | tuple[str, str]]:
    model = status.read_model
    if isinstance(model, Unseen):
        return _unseen(model)
    parts: list[str | tuple[str, str]] = [f"at {model.position.format()}", f"generation {model.generation}"]
    if end_known and isinstance(status.log, LogStatus):
        behind = model.records_behind(status.log.end)
        late = f"{counted(behind, 'record')} behind, {duration(model.seconds_behind(status.log.end))}"
        parts.append((late, "yellow") if behind else ("up to date", "green"))
    return parts


def _count_parts(model: ReadModelStatus) -> list[str | tuple[str, str]]:
    counts = {"run": model.counts.runs, **model.counts.named}
    at_least = {what.removesuffix("s") for what in model.counts.bounded}
    parts: list[str | tuple[str, str]] = [
        f"{count:,}{'+' if what in at_least else ''} {COUNTED[what][count != 1]}" for what, count in counts.items()
    ]
    if model.dead_letters:
        letters = counted(model.dead_letters, "dead letter")
        parts.append((f"{letters} (modeltrail dead-letters list)", "red"))
    if model.conflicts:
        parts.append((counted(model.conflicts, "conflicting payload"), "red"))
    return parts


def _index_part(model: ReadModelStatus) -> str | tuple[str, str]:
    if model.indexed is None:
        return ("no index yet: the first search makes it", "dim")
    behind = model.indexed.records_behind(model.position)
    if not behind:
        return "index up to date", "green"
    return f"index {counted(behind, 'record')} behind: the next search catches up", "yellow"


def _audit_parts(status: Status) -> list[str | tuple[str, str]]:
    if status.audit is None:
        return [("not kept here: modeltrail audit init", "dim")]
    if isinstance(status.audit, Unseen):
        return _unseen(status.audit)
    parts: list[str | tuple[str, str]] = []
    for one in status.audit.partitions:
        behind = f", {one.behind:,} behind" if one.behind else ""
        parts.append(f"partition {one.partition}: {one.head.size:,} signed, root {short_root(one.head)}{behind}")
    return parts or ["nothing audited yet"]


def _spool_parts(spool: SpoolTotals | Unseen) -> list[str | tuple[str, str]]:
    if isinstance(spool, Unseen):
        return _unseen(spool)
    if not spool.waiting_notes and not spool.waiting_events:
        return ["nothing waits"]
    notes, events = counted(spool.waiting_notes, "note"), counted(spool.waiting_events, "event")
    return [(f"{notes}, {events} wait ({size(spool.waiting_bytes)})", "yellow")]


def _unseen(part: Unseen) -> list[str | tuple[str, str]]:
    remedy = f"→ {' '.join(part.remedy.split())}" if part.remedy else ""
    return [(part.reason, "bold red" if part.is_down else "yellow"), remedy]
