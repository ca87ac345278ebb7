"""docs/operations.md names every metric there is, and none that there is not."""

import re
from pathlib import Path

from modeltrail.config import load
from modeltrail.log.protocol import Position
from modeltrail_server.projection.projector import BatchStats
from modeltrail_server.serving.metrics import Metrics
from modeltrail_server.serving.status import SpoolTotals
from modeltrail_server.serving.watching import Observation, Watch

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
OF_A_HISTOGRAM = re.compile(r"_(bucket|count|sum)$")


def exposed(watch: Watch) -> set[str]:
    metrics = Metrics(watch)
    metrics.batch_written(BatchStats(0, 0, 1, 1, 1, 1, 0, 0, 0, 0.1, 0.1))
    watch.latest = Observation(
        taken_s=1.0,
        log_end=Position((2,)),
        projected=Position((1,)),
        recorded_ms={0: 1},
        indexed=Position((1,)),
        audited={0: 1},
        signed={0: 1},
        spool=SpoolTotals(0, 0, 0, 0),
    )
    names = re.findall(r"^(modeltrail_\w+)", metrics.expose().decode(), re.MULTILINE)
    return {OF_A_HISTOGRAM.sub("", name) for name in names if not name.endswith("_created")}


def test_each_metric_has_its_place_in_the_runbook(tmp_path: Path) -> None:
    found = exposed(Watch(load({"MODELTRAIL_HOME": str(tmp_path)}, tmp_path)))
    runbook = DOCUMENT.read_text(encoding="utf-8").partition("## Runbook")[2]
    assert set(re.findall(r"modeltrail_\w+", runbook)) == found
