"""What became of an import from another system, in lines. Pure."""

from modeltrail.redaction import redact_text
from modeltrail_schemas.counting import counted
from rich.text import Text

from modeltrail_server.mlflow.importing import MlflowImport

MAX_FAILURES_SHOWN = 20


def render_mlflow_import(source: str, result: MlflowImport, *, dry_run: bool) -> list[Text]:
    """Return what was new, what the log had already, and each failure by name."""
    verb = "would be imported" if dry_run else "imported"
    imported = {"run": result.runs, "logged model": result.models, "registered version": result.versions}
    counts = [counted(count, what) for what, count in imported.items() if count]
    lines = [
        Text(f"{redact_text(source)[0]}: {', '.join(counts) or 'nothing new'} {verb if counts else ''}".rstrip())
    ]
    about = [counted(result.experiments, "experiment"), counted(result.events, "event")]
    about += [f"{result.unchanged:,} unchanged since the last import"] if result.unchanged else []
    lines.append(Text(f"  {', '.join(about)}", style="dim"))
    lines += [
        Text.assemble((f"  {failure.what}", "red"), f": {failure.reason}")
        for failure in result.failures[:MAX_FAILURES_SHOWN]
    ]
    if len(result.failures) > MAX_FAILURES_SHOWN:
        lines.append(Text(f"  and {len(result.failures) - MAX_FAILURES_SHOWN:,} more: --json names them all"))
    return lines
