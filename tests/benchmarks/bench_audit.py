"""The audit log: appending with every sync, beside hashing the same bytes; and how many bytes it keeps of a run."""

from pathlib import Path

from benchmarks.bench_projection import reached
from benchmarks.reporting import Limit, Report, Row
from benchmarks.sizes import Sizes


def test_append(report: Report, sizes: Sizes, history: Path, audited: tuple[Path, dict[str, float]]) -> None:
    found = audited[1]
    limit = Limit("hashing the same bytes", found["hashed_per_s"])
    verdict = reached(found["per_s"], report.decodes_per_s, 50_000, 6)
    report.add(Row("audit", "append, reading aside", found["per_s"], "records/s", limit, "≥ 50,000/s (6 D)", verdict))
    report.add(Row("audit", "append, of processor time", found["per_cpu_s"], "records/s", limit))
