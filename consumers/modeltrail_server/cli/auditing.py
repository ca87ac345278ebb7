"""The commands of the audit log: init, follow, status, verify, prove, export, pin."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer
from modeltrail.errors import LogNotFoundError, LogUnavailableError
from modeltrail_schemas.counting import counted
from modeltrail_schemas.errors import ModeltrailError
from modeltrail_schemas.versions import schema_texts
from rich.text import Text

from modeltrail_server import audit
from modeltrail_server.audit.checkpoint import Checkpoint
from modeltrail_server.cli.context import command_context
from modeltrail_server.cli.options import EXIT_NO, AsJson
from modeltrail_server.cli.printing import ProgressLine, print_lines, say
from modeltrail_server.cli.rendering.auditing import render_report, render_status, short_root
from modeltrail_server.cli.stopping import stop_on_signals
from modeltrail_server.cli.trust import TrustedKey, read_trusted_key

app = typer.Typer()
auditing = typer.Typer(no_args_is_help=True, help="Keep and check the signed, append-only audit log.")
app.add_typer(auditing, name="audit")

Partition = Annotated[int, typer.Option(min=0, help="Which partition's log.")]


@auditing.command()
def init(
    context: typer.Context,
    name: Annotated[str, typer.Option(help="Who signs; part of the key [default: modeltrail.HOSTNAME].")] = "",
    as_json: AsJson = False,
) -> None:
    """Start an audit log: make its signing key.

    The key has mode 0600, and one that is there is never overwritten.
    """
    command = command_context(context)
    name = name or f"modeltrail.{socket.gethostname()}"
    identity, partitions = None, 1
    try:
        with command.log() as log:
            identity, partitions = log.identity, log.partitions()
    except (LogNotFoundError, LogUnavailableError) as error:
        say(f"{error}: its audit log begins with the first follow")
    status = audit.init(command.config.audit, name, identity, partitions=partitions)
    lines = [
        Text(f"audit log started in {status.folder}"),
        Text(f"verifier key {status.verifier_key}"),
        Text("keep a copy of this key elsewhere: it checks every later signature", style="dim"),
    ]
    command.print_answer(status, lines, as_json=as_json)


@auditing.command()
def follow(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="End when everything in the log now is audited.")] = False,
    compress: Annotated[bool, typer.Option("--compress", help="Compress the payloads (gzip).")] = False,
) -> None:
    """Append what the log holds, sign the head, and go on until Ctrl-C."""
    command = command_context(context)
    folder = command.config.audit
    with command.log() as log, stop_on_signals() as stop, ProgressLine("records audited") as line:

        def published(partition: int, head: Checkpoint) -> None:
            line.update(head.size)
            if not once:
                print_lines(
                    [Text(f"partition {partition}: {counted(head.size, 'record')} signed, root {short_root(head)}")]
                )

        heads = audit.follow(
            folder, log, once=once, schemas=schema_texts(), compress=compress, stop=stop, on_publish=published
        )
    if once:
        print_lines(
            [
                Text(f"partition {p}: {counted(head.size, 'record')} signed, root {short_root(head)}")
                for p, head in heads.items()
            ]
        )


@auditing.command()
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Say how far the audit log is, and how far behind the log."""
    command = command_context(context)
    folder = command.config.audit
    audit.read_key_of(folder)  # where no audit log is, the state of the log is no matter
    try:
        with command.log() as log:
            end = log.end()
    except ModeltrailError as error:
        say(f"{error}: how far behind the audit log is cannot be told")
        end = None
    found = audit.status(folder, end)
    command.print_answer(found, render_status(found), as_json=as_json)


@auditing.command()
def verify(
    context: typer.Context,
    key: TrustedKey = None,
    pin: Annotated[
        list[Path] | None, typer.Option(help="A head pinned earlier, which this log must descend from.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Recompute everything, and name the first fault.

    From the payloads up to the signature. Exit code 1 when there is a fault.
    """
    command = command_context(context)
    with ProgressLine("records verified") as line:
        report = audit.verify(
            command.config.audit,
            read_trusted_key(key),
            pins=pin or [],
            on_progress=lambda done, total: line.update(done, total=total),
        )
    command.print_answer(report, render_report(report), as_json=as_json)
    if not report.ok:
        raise typer.Exit(EXIT_NO)


@auditing.command()
def prove(
    context: typer.Context,
    offset: Annotated[int | None, typer.Option(min=0, help="The record's offset in the log.")] = None,
    index: Annotated[int | None, typer.Option(min=0, help="Its index in the audit log.")] = None,
    partition: Partition = 0,
    check: Annotated[Path | None, typer.Option(help="Check a proof in this file instead of making one.")] = None,
    key: TrustedKey = None,
) -> None:
    """Prove to somebody else that a record is in the log.

    The proof is a text that --check checks with the verifier key alone.
    """
    command = command_context(context)
    if check is not None:
        trusted = read_trusted_key(key) or audit.read_key_of(command.config.audit)
        proven = audit.check_proof(check.read_text(encoding="utf-8"), trusted)
        place = f"index {proven.index}, offset {proven.leaf.offset}"
        print_lines([Text(f"the proof holds: {place}, in a log of {counted(proven.head.size, 'record')}")])
        return
    text = audit.prove(command.config.audit, index=index, offset=offset, partition=partition)
    print_lines([Text(text.rstrip("\n"))])


@auditing.command()
def export(
    context: typer.Context,
    destination: Annotated[Path, typer.Argument(help="A new folder.")],
    as_json: AsJson = False,
) -> None:
    """Copy what is signed into a folder that others can verify.

    The signing key is not copied.
    """
    command = command_context(context)
    found = audit.export(command.config.audit, destination)
    lines = [
        Text(f"{counted(found.files, 'file')}, {counted(found.bytes, 'byte')} in {found.folder}"),
        *render_report(found.report),
    ]
    command.print_answer(found, lines, as_json=as_json)
    if not found.report.ok:
        raise typer.Exit(EXIT_NO)


@auditing.command()
def pin(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file to be kept out of reach of whoever holds the key.")],
    partition: Partition = 0,
    check: Annotated[bool, typer.Option("--check", help="Check the log against the pin instead.")] = False,
    key: TrustedKey = None,
) -> None:
    """Write the signed head to a file, to be kept elsewhere.

    Against whoever holds the signing key, only a head kept out of their reach proves anything later.
    """
    command = command_context(context)
    folder = command.config.audit
    if check:
        head = audit.check_pin(folder, path, read_trusted_key(key), partition=partition)
        print_lines(
            [Text(f"the log of {counted(head.size, 'record')} descends from the head pinned in {os.fspath(path)}")]
        )
        return
    head = audit.pin(folder, path, partition=partition)
    print_lines([Text(f"pinned {counted(head.size, 'record')}, root {short_root(head)}, in {os.fspath(path)}")])
