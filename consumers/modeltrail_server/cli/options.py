"""Options that many commands have, and what exit codes mean."""

from typing import Annotated

import typer

EXIT_NO = 1
EXIT_INTERRUPTED = 130

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]
