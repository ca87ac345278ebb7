"""Documents as programs: the fenced blocks of a Markdown file, in order, as one shell script.

``python`` blocks run as scripts. In ``console`` blocks each line after ``$ `` is a command (``> `` goes on with it),
and what follows is what it prints, where ``…`` stands for anything; where nothing follows the exit code alone counts.
``# exit 1`` at the end of a command says that it must end with that. Two HTML comments steer:

    <!-- not run: reason -->       the next block is for reading only
    <!-- run first: commands -->   shell commands that prepare what the reader is told to have
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_PIECE = re.compile(
    r"^<!-- not run: (?P<reason>.*?) -->\n"
    r"|^<!-- run first:\s(?P<first>.*?)-->\n"
    r"|^```(?P<language>\w+)\n(?P<body>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_EXIT = re.compile(r"\s+# exit (\d+)$")
_COMMENT = re.compile(r"\s{2,}#.*$")


@dataclass(frozen=True)
class Step:
    """One command: where it stands, what it is, what it must print (empty: anything) and end with."""

    line: int
    command: str
    output: str = ""
    code: int = 0


def steps(document: Path) -> list[Step]:
    """Return the steps of a document in order."""
    text = document.read_text(encoding="utf-8")
    found: list[Step] = []
    skip_next = False
    for piece in _PIECE.finditer(text):
        line = text.count("\n", 0, piece.start()) + 1
        if piece["reason"]:
            skip_next = True
        elif piece["first"]:
            found.append(Step(line, piece["first"].strip()))
        elif skip_next:
            skip_next = False
        elif piece["language"] == "python":
            found.append(Step(line, f"python -c {shlex.quote(piece['body'])}"))
        elif piece["language"] == "console":
            found += _console_steps(piece["body"], line + 1)
    return found


def matches(expected: str, printed: str) -> bool:
    """Return whether ``printed`` is ``expected``, in which ``…`` stands for anything, also for lines."""
    lines = [re.escape(line.rstrip()).replace("…", ".*") for line in expected.strip("\n").splitlines()]
    text = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines())
    return re.fullmatch("\n".join(lines), text, re.DOTALL) is not None


def _console_steps(body: str, line: int) -> list[Step]:
    found: list[Step] = []
    for offset, text in enumerate(body.splitlines()):
        if text.startswith("$ "):
            code = int(match[1]) if (match := _EXIT.search(text)) else 0
            found.append(Step(line + offset, _COMMENT.sub("", _EXIT.sub("", text[2:])), "", code))
        elif text.startswith("> ") and found and not found[-1].output:
            found[-1] = Step(found[-1].line, f"{found[-1].command}\n{text[2:]}", "", found[-1].code)
        elif found:
            last = found[-1]
            found[-1] = Step(last.line, last.command, f"{last.output}{text}\n", last.code)
    return [Step(step.line, step.command, step.output.rstrip("\n"), step.code) for step in found]
