"""Options that many commands have, and what exit codes mean."""

from pathlib import Path
from typing import Annotated

import typer

EXIT_NO = 1
EXIT_USAGE = 2
EXIT_DOWN = 3
EXIT_INTERRUPTED = 130

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]

HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one HTML page, to be shared.")]

AsOfTime = Annotated[
    str | None,
    typer.Option("--as-of", help="What was recorded by then: 2026-03-03 (to its end), 3d, or a position: 0:412."),
]
AtTime = Annotated[str | None, typer.Option("--at", help="What had happened by then: 2026-03-03 (to its end), 3d.")]
PageToken = Annotated[str | None, typer.Option(help="Go on where the last page ended.")]
