"""The commands that judge a record: check, inventory, whatis. Each asks, renders, sets the exit code."""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.options import EXIT_NO, AsJson, AsOfTime, AtTime, PageToken
from modeltrail_server.cli.printing import quiet_pipe
from modeltrail_server.cli.rendering.check import render_report
from modeltrail_server.cli.rendering.inventory import (
    inventory_csv,
    render_identified,
    render_inventory,
    render_reports,
)
from modeltrail_server.cli.times import parse_bounds
from modeltrail_server.queries.as_of import AsOf
from modeltrail_server.queries.checking import check_subject
from modeltrail_server.queries.checking import inventory as take_inventory
from modeltrail_server.queries.contents import identify
from modeltrail_server.queries.errors import EmptyDatabaseError
from modeltrail_server.queries.listing import PAGE_ROWS
from modeltrail_server.queries.names import latest_version, resolve
from modeltrail_server.queries.policy import DEFAULT_POLICY, Policy, parse_pieces, parse_policy

app = typer.Typer()

Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many models at most.")]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="A TOML file: its [check] table decides.")
]
NO_MODELS = "no models yet: record one with run.log_model(…), or bring events in with modeltrail events import"


@app.command()
def check(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="model:NS/NAME@VERSION|ALIAS, run:ID, or a name")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Check every model: latest and deployed.")] = False,
    require: Annotated[
        str | None, typer.Option(metavar="PIECE,…", help="Only these decide: data,code,params,metrics,env,…")
    ] = None,
    strict: Annotated[str | None, typer.Option(metavar="PIECE,…", help="These must not even be weak.")] = None,
    fail_under: Annotated[int | None, typer.Option(min=0, max=100, help="Fail under this many points.")] = None,
    policy: PolicyFile = None,
    limit: Limit = PAGE_ROWS,
    page: PageToken = None,
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """Say what is missing or weak in the record of a model version or run. Exit 1 when something is missing."""
    if everything == (name is not None):
        raise typer.BadParameter("name a model version or a run, or ask for --all")
    command, bounds = command_context(context), parse_bounds(as_of, at)
    judged_by = _policy(policy, require, strict, fail_under)
    if name is None:
        with command.snapshot(bounds) as snapshot:
            found = take_inventory(snapshot, judged_by, limit=limit, page=page)
        lines = render_reports(found, width=command.width) if found.items else [_no_models(bounds)]
        command.print_answer(found, lines, as_json=as_json)
        passed = all(entry.passed for entry in found.items)
    else:
        with command.snapshot(bounds) as snapshot:
            subject = latest_version(snapshot, resolve(snapshot, name, kinds=("model", "run")))
            report = check_subject(snapshot, subject, judged_by)
        assert report is not None
        command.print_answer(report, render_report(report, width=command.width), as_json=as_json)
        passed = report.passed
    if not passed:
        raise typer.Exit(EXIT_NO)


@app.command()
def inventory(
    context: typer.Context,
    policy: PolicyFile = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead.")] = False,
    limit: Limit = PAGE_ROWS,
    page: PageToken = None,
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """List models: owner, purpose, risk class, where versions are deployed, and whether their records pass."""
    command, bounds = command_context(context), parse_bounds(as_of, at)
    with command.snapshot(bounds) as snapshot:
        found = take_inventory(snapshot, _policy(policy, None, None, None), limit=limit, page=page)
    if as_csv:
        with quiet_pipe():
            sys.stdout.write(inventory_csv(found.items))
            sys.stdout.flush()
        return
    lines = render_inventory(found, width=command.width) or [_no_models(bounds)]
    command.print_answer(found, lines, as_json=as_json)


@app.command()
def whatis(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, help="A file or folder.")],
    as_of: AsOfTime = None,
    at: AtTime = None,
    as_json: AsJson = False,
) -> None:
    """Tell which recorded version a file or folder is, by its content. Exit 1 when it is none."""
    from modeltrail.datasets.files import DigestCache, identify_path

    command = command_context(context)
    if not command.anything_there:
        raise EmptyDatabaseError(str(command.config.home))
    identity = identify_path(file, DigestCache(command.config.home / "cache"), now_ns=time.time_ns())
    with command.snapshot(parse_bounds(as_of, at)) as snapshot:
        found = identify(snapshot, identity.digest, path=str(file), size_bytes=identity.bytes)
    command.print_answer(found, render_identified(found, width=command.width), as_json=as_json)
    if not found.known:
        raise typer.Exit(EXIT_NO)


def _no_models(bounds: AsOf | None) -> Text:
    return Text(NO_MODELS if bounds is None else "no models then")


def _policy(file: Path | None, require: str | None, strict: str | None, fail_under: int | None) -> Policy:
    """Return the policy of the file with what the options say instead. Raises PolicyError."""
    policy = parse_policy(file.read_text(encoding="utf-8"), source=str(file)) if file else DEFAULT_POLICY
    if require is not None:
        policy = replace(policy, require=parse_pieces(require, source="--require"))
    if strict is not None:
        policy = replace(policy, strict=parse_pieces(strict, source="--strict"))
    return policy if fail_under is None else replace(policy, fail_under=fail_under)
