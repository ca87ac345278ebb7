"""Lists of runs, models, datasets and jobs, one thing a line. Pure."""

from rich.text import Text

from modeltrail_server.cli.rendering.style import Part, line, name, printable, state, table, when
from modeltrail_server.queries.display import display
from modeltrail_server.queries.listing import DatasetLine, JobLine, ModelLine, Page
from modeltrail_server.queries.records import RunLine


def render_runs(page: Page[RunLine]) -> list[Text]:
    """Return runs as lines; the id stays whole, to be copied."""
    rows = [
        (
            printable(run.run_id),
            state(run.state),
            (when(run.started_ns), "dim"),
            name(run.job) if run.job.name else "",
        )
        for run in page.items
    ]
    return _with_next(table(rows, header=("run", "state", "began", "job")), page.next) if rows else []


def render_models(page: Page[ModelLine]) -> list[Text]:
    """Return models as lines, each with its latest version and what its aliases mean."""
    rows: list[tuple[Part, ...]] = []
    for model in page.items:
        standing = [f"{printable(step.value)} → {printable(step.subject.version)}" for step in model.aliases]
        standing += [f"{printable(step.subject.version)} on {printable(step.value)}" for step in model.deployed]
        version = printable(model.latest.version) if model.latest else "no version"
        shown = Text(display(model.model), style="bold")
        rows.append((shown, version, (when(model.latest_ns), "dim"), ", ".join(standing)))
    return (
        _with_next(table(rows, header=("model", "latest", "since", "aliases, deployed")), page.next) if rows else []
    )


def render_datasets(page: Page[DatasetLine]) -> list[Text]:
    """Return datasets as lines."""
    rows: list[tuple[Part, ...]] = []
    for dataset in page.items:
        version = name(dataset.latest).partition("@")[2] if dataset.latest else "no version recorded"
        retracted = Text(f"{len(dataset.retracted)} RETRACTED" if dataset.retracted else "", style="bold red")
        rows.append(
            (Text(display(dataset.dataset), style="bold"), version, (when(dataset.latest_ns), "dim"), retracted)
        )
    return _with_next(table(rows, header=("dataset", "latest", "since", "")), page.next) if rows else []


def render_jobs(page: Page[JobLine]) -> list[Text]:
    """Return jobs as lines, each with its last run."""
    rows: list[tuple[Part, ...]] = []
    for job in page.items:
        run, shown = job.last_run, Text(display(job.job), style="bold")
        rows.append(
            (
                shown,
                *((state(run.state), (when(run.started_ns), "dim"), printable(run.run_id)) if run else ("", "", "")),
            )
        )
    return _with_next(table(rows, header=("job", "last run", "began", "run")), page.next) if rows else []


def _with_next(lines: list[Text], token: str | None) -> list[Text]:
    return [*lines, line((f"more: --page {token}", "dim"))] if token else lines
