"""What a benchmark run says: rows, as a table to read and as JSON to keep. It must not measure.

Each row is a figure; where it makes sense also a multiple of the yardstick D, and a ratio to the raw limit: the same
work with everything of ours left out, measured in the same run.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FORMAT = 1
WIDTHS = (60, 18, 8, 44)


@dataclass(frozen=True)
class Limit:
    """The raw limit of a row: the bare work and its figure, in the row's unit."""

    what: str
    figure: float


@dataclass(frozen=True)
class Row:
    """One line: a rate where the unit is per second, and more is better; otherwise a time or a size.

    ``target`` is the issue's text; ``reached`` whether this run reached it, None where there is none or the run is
    too small to say.
    """

    group: str
    what: str
    figure: float
    unit: str
    limit: Limit | None = None
    target: str = ""
    reached: bool | None = None
    note: str = ""

    @property
    def is_rate(self) -> bool:
        """Return whether more is better."""
        return self.unit.endswith("/s")

    @property
    def ratio(self) -> float | None:
        """Return the figure as a multiple of the raw limit's."""
        return self.figure / self.limit.figure if self.limit and self.limit.figure else None

    def in_yardsticks(self, decodes_per_s: float) -> float | None:
        """Return a rate as a multiple of D; None for times and sizes."""
        return self.figure / decodes_per_s if self.is_rate else None


@dataclass
class Report:
    """All rows of a run, with the yardstick and the machine's facts."""

    decodes_per_s: float
    machine: dict[str, Any]
    sizes: dict[str, Any]
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Add a row and print it, so that a long run tells where it is."""
        self.rows.append(row)
        print(f"\n  {self.line(row)}", flush=True)

    def line(self, row: Row) -> str:
        """Return a row as one line of the table."""
        multiple, ratio = row.in_yardsticks(self.decodes_per_s), row.ratio
        limit = f"{ratio:.3g} × {row.limit.what}" if row.limit and ratio is not None else ""
        verdict = {True: "reached", False: "NOT reached", None: ""}[row.reached]
        goal = f"{row.target}: {verdict}" if row.target and verdict else row.target
        cells = (
            f"{row.group}: {row.what}",
            f"{_short(row.figure)} {row.unit}",
            f"{multiple:.3g} D" if multiple is not None else "",
            limit,
        )
        text = " ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True))
        return " ".join(f"{text} {goal} {row.note}".rstrip().split("\n"))

    def render(self) -> str:
        """Return the table."""
        heading = f"D = {self.decodes_per_s:,.0f} whole decodes/s of the standard event by fastavro"
        facts = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        return "\n".join([heading, facts, "", *map(self.line, self.rows)])

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        rows = [
            asdict(row) | {"in_d": row.in_yardsticks(self.decodes_per_s), "ratio": row.ratio} for row in self.rows
        ]
        document = {
            "format": FORMAT,
            "decodes_per_s": self.decodes_per_s,
            "machine": self.machine,
            "sizes": self.sizes,
            "rows": rows,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
