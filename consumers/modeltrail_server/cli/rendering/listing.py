"""Lists of runs, models, datasets and jobs, one thing a line. Pure."""

from rich.text import Text

from modeltrail_server.cli.rendering.style import Part, name, printable, short_run, state, table, telling_apart, when
from modeltrail_server.queries.display import display
from modeltrail_server.queries.listing import DatasetLine, JobLine, ModelLine, Page
from modeltrail_server.queries.records import RunLine

# The millisecond in which a run began and what follows: a beginning of the id that hardly another run shares.
NAMING_CHARACTERS = 18


def render_runs(page: Page[RunLine], *, width: int) -> list[Text]:
    """Return runs as lines; as much of the id stays as names the run."""
    characters = max(NAMING_CHARACTERS, telling_apart(run.run_id for run in page.items))
    rows = [
        (
            short_run(run.run_id, characters),
            state(run.state),
            (when(run.started_ns), "dim"),
            name(run.job) if run.job.name else "",
        )
        for run in page.items
    ]
    return _with_next(table(rows, header=("run", "state", "began", "job"), width=width), page.next) if rows else []


def render_models(page: Page[ModelLine], *, width: int) -> list[Text]:
    """Return models as lines, each with its latest version and what its aliases mean."""
    rows: list[tuple[Part, ...]] = []
    for model in page.items:
        standing = [f"{printable(step.value)} → {printable(step.subject.version)}" for step in model.aliases]
        standing += [f"{printable(step.subject.version)} on {printable(step.value)}" for step in model.deployed]
        version = printable(model.latest.version) if model.latest else "no version"
        shown = Text(display(model.model), style="bold")
        rows.append((shown, version, (when(model.latest_ns), "dim"), ", ".join(standing)))
    return (
        _with_next(table(rows, header=("model", "latest", "since", "aliases, deployed"), width=width), page.next)
        if rows
        else []
    )


def render_datasets(page: Page[DatasetLine], *, width: int) -> list[Text]:
    """Return datasets as lines."""
    rows: list[tuple[Part, ...]] = []
    for dataset in page.items:
        version = name(dataset.latest).partition("@")[2] if dataset.latest else "no version"
        retracted = Text(f"{len(dataset.retracted)} RETRACTED" if dataset.retracted else "", style="bold red")
        rows.append(
            (Text(display(dataset.dataset), style="bold"), version, (when(dataset.latest_ns), "dim"), retracted)
        )
    return _with_next(table(rows, header=("dataset", "latest", "since", ""), width=width), page.next) if rows else []


def render_jobs(page: Page[JobLine], *, width: int) -> list[Text]:
    """Return jobs as lines, each with its last run."""
    rows: list[tuple[Part, ...]] = []
    characters = telling_apart(job.last_run.run_id for job in page.items if job.last_run)
    for job in page.items:
        run, shown = job.last_run, Text(display(job.job), style="bold")
        rows.append(
            (
                shown,
                *(
                    (state(run.state), (when(run.started_ns), "dim"), short_run(run.run_id, characters))
                    if run
                    else ("", "", "")
                ),
            )
        )
    return _with_next(table(rows, header=("job", "last run", "began", "run"), width=width), page.next) if rows else []


def _with_next(lines: list[Text], token: str | None) -> list[Text]:
    return [*lines, Text(f"more: --page {token}", style="dim", no_wrap=True)] if token else lines
