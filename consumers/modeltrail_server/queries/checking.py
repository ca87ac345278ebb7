"""The report on a model version or a run with its whole lineage; and on all models at once, an inventory of them.

Fetches, and judges by completeness.py. Bounded: retractions.py says how far up what was retracted is looked for.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from modeltrail_schemas.counting import counted
from modeltrail_schemas.event import Declaration
from modeltrail_schemas.identity import ref_key, run_key
from modeltrail_schemas.names import EntityRef

from modeltrail_server.queries.answering import answer, view_runs
from modeltrail_server.queries.completeness import (
    Finding,
    InventoryLine,
    Level,
    Report,
    check_metrics,
    check_view,
    sort_findings,
)
from modeltrail_server.queries.declarations import NOTHING_DECLARED, timelines_about
from modeltrail_server.queries.display import display
from modeltrail_server.queries.inference import used_by_word
from modeltrail_server.queries.listing import PAGE_ROWS, ModelLine, Page, list_models
from modeltrail_server.queries.names import Subject
from modeltrail_server.queries.policy import DEFAULT_POLICY, Policy
from modeltrail_server.queries.records import Answer, ModelVersionView, RunView
from modeltrail_server.queries.retractions import RetractedAbove, Retractions
from modeltrail_server.queries.snapshot import Snapshot

RISK_TAG = "risk"
MAX_EVALUATIONS = 20
_RISK_LINE = re.compile(r"^\s*risk(?:\s+class)?\s*:\s*(\S.*?)\s*$", re.IGNORECASE | re.MULTILINE)


def check_subject(
    snapshot: Snapshot,
    subject: Subject,
    policy: Policy = DEFAULT_POLICY,
    *,
    view: Answer | None = None,
    retractions: Retractions | None = None,
) -> Report | None:
    """Return the report on a model version or run, by ``policy``; None for anything else.

    What was retracted anywhere up its lineage counts as if the run itself had used it. ``view``, if at hand, is what
    is recorded of ``subject``; ``retractions`` is given where many are asked about.
    """
    view = answer(snapshot, subject) if view is None else view
    report = check_view(view)
    if report is None:
        return None
    if isinstance(view, ModelVersionView):
        report = _with_evaluations(snapshot, subject, report)
    direct = {use.entity for run in _runs_of(view) for use in run.inputs}
    above = (retractions or Retractions(snapshot)).above(subject)
    return replace(report.with_findings(_further_up(snapshot, above, direct)), policy=policy)


def inventory(
    snapshot: Snapshot, policy: Policy = DEFAULT_POLICY, *, limit: int = PAGE_ROWS, page: str | None = None
) -> Page[InventoryLine]:
    """Return, of each model by name, its latest version and every version deployed, each with its report.

    ``limit`` counts models.
    """
    listed = list_models(snapshot, limit=limit, page=page)
    versions = [version for model in listed.items for version in _versions_of(model)]
    retractions = Retractions(snapshot, [ref_key(version) for version in versions])
    lines = (line for model in listed.items for line in _inventory_lines(snapshot, model, policy, retractions))
    return Page(tuple(lines), listed.next)


def risk_of(description: str) -> str:
    """Return the risk class that a description states in a line of its own, ``risk: high``."""
    found = _RISK_LINE.search(description)
    return found[1] if found else ""


def _versions_of(line: ModelLine) -> list[EntityRef]:
    """Return what an inventory lists of a model: every version deployed, and the latest."""
    latest = () if line.latest is None else (line.latest,)
    return list(dict.fromkeys((*(step.subject for step in line.deployed), *latest)))


def _inventory_lines(
    snapshot: Snapshot, line: ModelLine, policy: Policy, retractions: Retractions
) -> Iterator[InventoryLine]:
    versions = _versions_of(line)
    if not versions:
        yield InventoryLine(line.model, line.owners)
    for version in versions:
        subject = Subject("model", ref_key(version), version)
        view = answer(snapshot, subject)
        assert isinstance(view, ModelVersionView)
        tags = (run.tags.get(RISK_TAG, "") for run in reversed(view.made_by))
        yield InventoryLine(
            model=version,
            owners=view.words.owners,
            purpose=_RISK_LINE.sub("", view.words.text).strip(),
            risk=risk_of(view.words.text) or next(filter(None, tags), ""),
            deployed=tuple(step for step in line.deployed if step.subject == version),
            latest=version == line.latest,
            report=check_subject(snapshot, subject, policy, view=view, retractions=retractions),
        )


def _runs_of(view: Answer) -> tuple[RunView, ...]:
    if isinstance(view, RunView):
        return (view,)
    return view.made_by if isinstance(view, ModelVersionView) else ()


def _with_evaluations(snapshot: Snapshot, subject: Subject, report: Report) -> Report:
    """Return ``report`` with the metrics of the last run that evaluated a version, where none that made it has any.

    A run that reads a model, by its version or by a word that meant it then, and makes none evaluates it.
    """
    missing = [finding for finding in report.findings if (finding.piece, finding.level) == ("metrics", Level.MISSING)]
    if not missing:
        return report
    readers = _readers(snapshot, subject)
    evaluations = [
        run
        for run in view_runs(snapshot, readers)
        if run.metrics and not any(use.entity.kind == "model" for use in run.outputs)
    ]
    if not evaluations:
        return report
    last = evaluations[-1]
    word = readers[run_key(last.run_id)]
    by = f"by run {last.run_id}, which read it" + (f" as {word}" if word else "")
    told = [replace(finding, what=f"{finding.what}, {by}") for finding in check_metrics(last)]
    kept = [finding for finding in report.findings if finding not in missing]
    return replace(report, findings=sort_findings([*kept, *told]))


def _readers(snapshot: Snapshot, subject: Subject) -> dict[bytes, str]:
    """Return the last runs that read a version, each with the alias or stage it was read by, if any."""
    users = snapshot.last_activities(subject.key, "input", limit=MAX_EVALUATIONS)
    by_word = used_by_word(snapshot, {subject.key: subject.ref}, limit=MAX_EVALUATIONS)
    found = [(guess.target.version, link) for guess in by_word for link in guess.links]
    found += [("", link) for link in users]
    return {link.link.activity_key: word for word, link in found if link.link.activity_key and link.run_id}


def _further_up(snapshot: Snapshot, above: RetractedAbove, direct: set[EntityRef]) -> Iterator[Finding]:
    """Yield what is retracted up the lineage, but for what is ``direct``: that is found already."""
    refs = [ref for ref in above.refs if ref not in direct]
    timelines = timelines_about(snapshot, refs, only=(Declaration.RETRACTED,)) if refs else {}
    for ref in refs:
        step = timelines.get(ref.unversioned, NOTHING_DECLARED).retraction_of(ref)
        if step is None:
            continue  # that was taken back
        by = f" by {step.by}" if step.by else ""
        piece = "model" if ref.kind == "model" else "data"
        what = f"{display(ref)}, further up the lineage, was retracted{by}"
        yield Finding(Level.RETRACTED, piece, what, step.why or "no reason is given")
    if not above.complete:
        what = f"the lineage is larger than the {counted(above.seen, 'thing')} looked at"
        yield Finding(Level.WEAK, "data", what, "a retracted input may lie beyond")
