"""Emit RUNS runs (START and COMPLETE) with openlineage-python: TRANSPORT (http, async_http) to URL.

Runs in that client's own environment, and times the caller's thread.
"""

import json
import os
import sys
import time

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import execution_parameters_run
from openlineage.client.uuid import generate_new_uuid


def emit(transport: str, url: str, runs: int) -> dict[str, float]:
    client = OpenLineageClient(config={"transport": {"type": transport, "url": url}})
    took_us, failed = [], 0
    started = time.perf_counter()
    for _ in range(runs):
        run = Run(runId=str(generate_new_uuid()), facets={"executionParameters": PARAMETERS})
        for state in (RunState.START, RunState.COMPLETE):
            event = RunEvent(
                eventType=state,
                eventTime="2026-03-01T12:00:00.123456Z",
                run=run,
                job=Job(namespace="risk", name="fraud-train"),
                inputs=[InputDataset("risk", "transactions"), InputDataset("risk", "transactions-test")],
                outputs=[OutputDataset("risk", "fraud")] if state is RunState.COMPLETE else [],
                producer="urn:benchmark",
            )
            began = time.perf_counter()
            try:
                client.emit(event)
            except Exception:
                failed += 1
            took_us.append((time.perf_counter() - began) * 1e6)
    seconds = time.perf_counter() - started
    took_us.sort()
    return {
        "events": len(took_us),
        "median": took_us[len(took_us) // 2],
        "mean": sum(took_us) / len(took_us),
        "seconds": seconds,
        "failed": failed,
    }


PARAMETERS = execution_parameters_run.ExecutionParametersRunFacet(
    [execution_parameters_run.ExecutionParameter(key=f"parameter{i:02}", value=str(i / 8)) for i in range(20)]
)

if __name__ == "__main__":
    print(json.dumps(emit(sys.argv[1], sys.argv[2], int(sys.argv[3]))), flush=True)
    os._exit(0)  # whatever waits for a dead server is not waited for
