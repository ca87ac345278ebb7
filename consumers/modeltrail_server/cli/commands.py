"""Which commands there are, under which heading, and in which module each is defined.

A command's module is imported when that command is run: most need only some of the server's packages, and
SQLAlchemy alone costs more than the rest of a short command. This module must import none of them.
"""

import gc
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from typer.core import TyperGroup
from typer.main import get_group_from_info
from typer.models import TyperInfo

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter


class Listed(NamedTuple):
    """A command as ``modeltrail --help`` lists it: the module of this package that defines it, and what it does."""

    module: str
    summary: str


HEADINGS: Mapping[str, Mapping[str, Listed]] = MappingProxyType(
    {
        "Ask": {
            "runs": Listed("lists", "list runs, the last to begin first"),
            "models": Listed("lists", "list models, their aliases and where they are deployed"),
            "datasets": Listed("lists", "list datasets and their latest versions"),
            "jobs": Listed("lists", "list jobs, each with its last run"),
            "show": Listed("answers", "show what is recorded of a version, run, job or commit"),
            "history": Listed("histories", "tell how a thing came to be, or who had an alias on a day"),
            "what-changed": Listed("histories", "tell what was recorded since a time"),
            "lineage": Listed("graphs", "draw what something came from, and what came of it"),
            "impact": Listed("graphs", "find every model that stands on a bad thing, and what to do"),
            "path": Listed("graphs", "tell how two things are connected"),
            "compare": Listed("comparing", "set runs or model versions side by side"),
            "search": Listed("searching", "find runs by metrics, params, tags; find things by a word"),
            "check": Listed("checking", "say what is missing or weak in a record, or in all of them"),
            "inventory": Listed("checking", "list models with owner, purpose, risk, deployments, check"),
            "reproduce": Listed("reproducing", "tell how to make a model again; with --run, do it and compare"),
            "whatis": Listed("checking", "tell which version a file at hand is, by its content"),
        },
        "Declare": {
            "model": Listed("declarations", "register, alias, stage, approve, deploy, retire a version"),
            "dataset": Listed("declarations", "retract a dataset, or a version of it"),
            "run": Listed("declarations", "annotate or correct a run"),
            "describe": Listed("declarations", "describe a model, dataset or job, and name its owners"),
        },
        "Move events": {
            "events": Listed("events", "import, export, tail"),
            "import": Listed("imports", "bring in what MLflow recorded"),
            "topic": Listed("topics", "make and check the Kafka topic"),
            "spool": Listed("system", "see and send what waits to be sent"),
        },
        "Prove": {
            "audit": Listed("auditing", "keep and check the signed, append-only audit log"),
            "digest": Listed("system", "print the digest of the read model's state"),
        },
        "Operate": {
            "status": Listed("system", "say where the log, read model, audit log and spool stand"),
            "replay": Listed("replaying", "build a read model or a topic from the log or the audit log"),
            "rebuild": Listed("replaying", "build the read model anew beside the one that serves"),
            "dead-letters": Listed("deadletters", "see and retry records that could not be read"),
            "doctor": Listed("system", "examine what a training job needs"),
            "serve": Listed("serving", "project, index and audit until told to stop"),
        },
    }
)
COMMANDS: Mapping[str, Listed] = MappingProxyType(
    {name: listed for commands in HEADINGS.values() for name, listed in commands.items()}
)


class CommandGroup(TyperGroup):
    """The group of all commands. Loads one when it is asked for; a word that is none is answered with near ones."""

    def list_commands(self, ctx: "Context") -> list[str]:
        """Return the names of all commands, in the order of the help."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":
        """Return the command, its module now imported; None where there is none of that name."""
        del ctx
        listed = COMMANDS.get(cmd_name)
        return None if listed is None else load(listed.module)[cmd_name]

    def resolve_command(self, ctx: "Context", args: list[str]) -> "tuple[str | None, Command | None, list[str]]":
        """Return the command that ``args`` begins with. Ends with a usage error that names near ones."""
        if args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS)
            ctx.fail(f"there is no command {args[0]!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write the commands under their headings."""
        del ctx
        width = max(map(len, COMMANDS))
        for heading, commands in HEADINGS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), listed.summary) for name, listed in commands.items()])


def load(module: str) -> "Mapping[str, Command]":
    """Import a module of commands and return its commands by name."""
    # Importing makes very many objects that stay; looking through them for garbage, now or later, takes a tenth of
    # the time, and as much again when the process ends.
    gc.disable()
    try:
        app = import_module(f"modeltrail_server.cli.{module}").app
    finally:
        gc.freeze()
        gc.enable()
    group = get_group_from_info(
        TyperInfo(app), pretty_exceptions_short=True, suggest_commands=True, rich_markup_mode=None
    )
    return group.commands
