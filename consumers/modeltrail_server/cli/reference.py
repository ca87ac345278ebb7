"""The reference of the command line as Markdown, generated from the commands themselves.

``python -m modeltrail_server.cli.reference > docs/reference/cli.md`` writes it; a test says when that is due.
"""

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer

from modeltrail_server.cli import make_app
from modeltrail_server.cli.commands import HEADINGS, load

_HEAD = """\
# The command line

<!-- Generated: python -m modeltrail_server.cli.reference > docs/reference/cli.md -->

Every reading command takes `--json`. Exit codes: 0 fine, 1 the answer is no, 2 wrong use, 3 a system is down.
Names are written `model:NS/NAME@VERSION|ALIAS`, `run:ID`, `dataset:NS/NAME@VERSION`, `job:NS/NAME`, `commit:SHA`;
a unique bare name, or the beginning of an id, also does.
"""


def reference() -> str:
    """Return the whole reference."""
    root = typer.main.get_command(make_app())
    parts = [_HEAD, "## Options of every command\n", _table(root)]
    for heading, commands in HEADINGS.items():
        parts.append(f"## {heading}\n")
        for name, listed in commands.items():
            parts += _command(load(listed.module)[name], name)
    return "\n".join(parts).rstrip() + "\n"


def _command(command: Any, path: str) -> Iterator[str]:
    """Yield the section on a command, then those on its own commands."""
    words = [path, *(_argument(parameter) for parameter in command.params if parameter.param_type_name == "argument")]
    yield f"### `modeltrail {' '.join(words)}`\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    yield _table(command)
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from _command(inner, f"{path} {name}")


def _table(command: Any) -> str:
    rows = [_row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    shown = [row for row in rows if "--help" not in row]
    return "\n".join(["| | |", "|---|---|", *shown, ""]) if shown else ""


def _row(parameter: Any) -> str:
    is_flag = getattr(parameter, "is_flag", False)
    if parameter.param_type_name == "argument":
        name = _argument(parameter)
    else:
        value = "" if is_flag else f" {parameter.metavar or _value_of(parameter.type.name)}"
        name = ", ".join([*parameter.opts, *parameter.secondary_opts]) + value
    default = parameter.default
    about = str(getattr(parameter, "help", "") or "").rstrip(".")
    if isinstance(default, int | float | str) and not isinstance(default, bool) and default != "":
        about += f" [default: {getattr(default, 'value', default)}]"
    escaped = about.replace("|", "\\|").replace("\n", " ")
    return f"| `{name.replace('|', chr(92) + '|')}` | {escaped} |"


def _value_of(type_name: str) -> str:
    """Return the word for a value of a type: N for numbers, TEXT for text."""
    return "N" if "int" in type_name or "float" in type_name else "TEXT"


def _argument(parameter: Any) -> str:
    word = str(parameter.metavar or parameter.name).upper() + ("…" if parameter.nargs == -1 else "")
    return word if parameter.required else f"[{word}]"


if __name__ == "__main__":
    sys.stdout.write(reference())
