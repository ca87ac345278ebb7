"""The command line of the SDK alone: ``modeltrail spool status|flush`` and ``modeltrail doctor``.

With the server installed, its command line takes over the whole of it (entry-point group ``modeltrail.commands``);
what only these commands need is therefore imported in them.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.metadata import EntryPoint, entry_points, version
from typing import TYPE_CHECKING

from modeltrail_schemas.counting import counted

from modeltrail.config import Config, load, working_folder
from modeltrail.errors import ModeltrailError
from modeltrail.waiting import waiting_for_log

if TYPE_CHECKING:
    from modeltrail.doctor import Examine
    from modeltrail.sending.flushing import Flushed
    from modeltrail.spool.status import SpoolStatus

FLUSH_TIMEOUT_MS = 60_000
COMMANDS_GROUP = "modeltrail.commands"
EXIT_OK, EXIT_NO, EXIT_USAGE, EXIT_DOWN, EXIT_INTERRUPTED = 0, 1, 2, 3, 130
_WITHOUT_SERVER = "modeltrail {command} needs the server's packages: pip install 'modeltrail[server]'"
_OWN = ("spool", "doctor")
Print = Callable[[str], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns 0: fine, 1: the answer is "no", 2: wrong use, 3: a system is down, 130: interrupted, while loading too.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        server = _find_server(entry_points(group=COMMANDS_GROUP))
        return run(arguments) if server is None else server(arguments)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def run(
    argv: Sequence[str],
    *,
    config: Config | None = None,
    examiners: "Sequence[Examine]" = (),
    out: Print | None = None,
    err: Print | None = None,
) -> int:
    """Run a command of the SDK itself and return its exit code; any other command names the extra to install.

    ``examiners`` are what the doctor looks at besides.
    """
    out, err = out or _to(sys.stdout), err or _to(sys.stderr)
    command = next((argument for argument in argv if not argument.startswith("-")), None)
    if command is not None and command not in _OWN:
        err(_WITHOUT_SERVER.format(command=command))
        return EXIT_USAGE
    try:
        parsed = _parser().parse_args(argv)
    except SystemExit as exit_request:
        return int(exit_request.code or 0)
    try:
        config = config or load(os.environ, working_folder(os.environ))
        if parsed.command == "doctor":
            return _run_doctor(config, examiners, parsed, out, err)
        return _run_spool(config, parsed, out, err)
    except ModeltrailError as error:
        err(f"{error}\n  → {error.remedy}" if error.remedy else str(error))
        return error.exit_code
    except OSError as error:
        err(f"the spool cannot be used: {error}")
        return EXIT_DOWN


def describe_spools(statuses: "Sequence[SpoolStatus]") -> list[str]:
    """Return the lines that tell a person what waits."""
    lines = []
    for status in statuses:
        owner = f"process {status.owner.process_id} on {status.owner.host or '?'}"
        waiting = f"{counted(status.waiting_notes, 'note')}, {counted(status.waiting_events, 'event')}"
        lines.append(
            f"{status.emitter_id[:8]}  {owner} ({'alive' if status.is_alive else 'gone'})  "
            f"{waiting}, {counted(status.waiting_bytes, 'byte')} wait"
            + (f" for {status.owner.log}" if status.owner.log else "")
        )
    return lines or ["nothing waits to be sent"]


def describe_flush(flushed: "Flushed") -> list[str]:
    """Return the lines that tell a person what a flush did."""
    if not flushed.is_complete:
        return [f"not everything could be sent: {flushed.fault or 'the time was too short'}"]
    if not flushed.events:
        return ["everything is in the log"]
    events = counted(flushed.events, "event is", "events are")
    spools = counted(flushed.spools, "ended process", "ended processes")
    return [f"{events} in the log" + (f", all that {spools} left" if flushed.spools else "")]


def describe_foreign(statuses: "Sequence[SpoolStatus]", log: str) -> list[str]:
    """Return the lines that name what waits for other logs than ``log``, and the command that sends it there."""
    others = dict.fromkeys(status.owner.log for status in statuses if status.owner.log not in ("", log))
    if not others:
        return []
    return [
        f"what else waits is for {'another log' if len(others) == 1 else 'other logs'} than {log}:",
        *(f"  MODELTRAIL_LOG={other} modeltrail spool flush" for other in others),
    ]


def spools_as_json(statuses: "Sequence[SpoolStatus]") -> list[dict[str, object]]:
    """Return what waits, for a program."""
    return [asdict(status) for status in statuses]


def _run_doctor(
    config: Config, examiners: "Sequence[Examine]", parsed: argparse.Namespace, out: Print, err: Print
) -> int:
    from modeltrail.doctor import Level, examine, worst

    with waiting_for_log(err, config.log):
        findings = examine(config, examiners)
    if parsed.json:
        out(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            out(f"{finding.level.upper():8}{finding.about:14} {finding.what}")
            if finding.remedy and finding.level is not Level.OK:
                out(f"{'':8}{'':14} → {finding.remedy}")
    return EXIT_NO if worst(findings) is Level.ERROR else EXIT_OK


def _run_spool(config: Config, parsed: argparse.Namespace, out: Print, err: Print) -> int:
    from modeltrail.sending.flushing import flush_spools
    from modeltrail.spool.layout import spool_root
    from modeltrail.spool.status import spool_status

    if parsed.action == "status":
        statuses = spool_status(spool_root(config.home))
        if parsed.json:
            out(json.dumps(spools_as_json(statuses), indent=2))
        else:
            for line in describe_spools(statuses):
                out(line)
        return EXIT_OK
    with waiting_for_log(err, config.log, timeout_s=parsed.timeout):
        flushed = flush_spools(
            config, timeout_ms=parsed.timeout * 1000, on_fault=lambda fault: err(f"waiting: {fault}")
        )
    left = [status for status in spool_status(spool_root(config.home)) if not status.is_empty]
    foreign = describe_foreign(left, config.log)
    if parsed.json:
        out(json.dumps(asdict(flushed) | {"waiting": spools_as_json(left)}, indent=2))
    else:
        for line in (*describe_flush(flushed), *(describe_spools(left) if left else ())):
            out(line)
        for line in foreign:
            out(line)
    return EXIT_DOWN if not flushed.is_complete else EXIT_NO if foreign else EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modeltrail", description="Record what made a model.")
    parser.add_argument("--version", action="version", version=f"modeltrail {version('modeltrail')}")
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="for a program")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    spool = commands.add_parser("spool", help="what waits to be sent").add_subparsers(
        dest="action", required=True, metavar="status|flush"
    )
    spool.add_parser("status", parents=[as_json], help="what waits, of which process")
    flush = spool.add_parser("flush", parents=[as_json], help="send what processes of this home have written")
    flush.add_argument("--timeout", type=int, default=FLUSH_TIMEOUT_MS // 1000, metavar="SECONDS")
    commands.add_parser("doctor", parents=[as_json], help="look at everything a training job needs")
    return parser


def _find_server(found: Sequence[EntryPoint]) -> Callable[[Sequence[str]], int] | None:
    """Return the server's command line; None when packages it needs are not installed."""
    for entry_point in found:
        try:
            command: Callable[[Sequence[str]], int] = entry_point.load()
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("modeltrail.") or error.name == "modeltrail_schemas":
                raise
            continue
        return command
    return None


def _to(stream: object) -> Print:
    return lambda line: print(line, file=stream)  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
