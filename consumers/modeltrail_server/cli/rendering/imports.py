"""What became of an import from another system, in lines. Pure."""

from modeltrail.redaction import redact_text
from rich.text import Text

from modeltrail_server.mlflow.importing import MlflowImport

MAX_FAILURES_SHOWN = 20


def render_mlflow_import(source: str, result: MlflowImport, *, dry_run: bool) -> list[Text]:
    """Return what was new, what the log had already, and each failure by name."""
    verb = "would be imported" if dry_run else "imported"
    counts = [
        f"{count:,} {one if count == 1 else several}"
        for count, one, several in (
            (result.runs, "run", "runs"),
            (result.models, "logged model", "logged models"),
            (result.versions, "registered version", "registered versions"),
        )
        if count
    ]
    lines = [
        Text(f"{redact_text(source)[0]}: {', '.join(counts) or 'nothing new'} {verb if counts else ''}".rstrip())
    ]
    about = [_counted(result.experiments, "experiment"), _counted(result.events, "event")]
    about += [f"{result.unchanged:,} unchanged since the last import"] if result.unchanged else []
    lines.append(Text(f"  {', '.join(about)}", style="dim"))
    lines += [
        Text.assemble((f"  {failure.what}", "red"), f": {failure.reason}")
        for failure in result.failures[:MAX_FAILURES_SHOWN]
    ]
    if len(result.failures) > MAX_FAILURES_SHOWN:
        lines.append(Text(f"  and {len(result.failures) - MAX_FAILURES_SHOWN:,} more: --json names them all"))
    return lines


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
