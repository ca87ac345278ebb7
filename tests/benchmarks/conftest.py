"""What benchmarks share: the report, printed at the end and written to build/bench/, and logs made once."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from benchmarks.measuring import machine_facts, run_worker, yardstick
from benchmarks.reporting import Report
from benchmarks.sizes import Sizes, sizes_of
from benchmarks.workloads import embedded_history
from services.fixtures import fresh_databases, told_by_server

_reports = pytest.StashKey[list[Report]]()


@pytest.fixture(scope="session")
def sizes() -> Sizes:
    """Return how much to do."""
    return sizes_of(os.environ)


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest, sizes: Sizes) -> Iterator[Report]:
    """Return the report, made with the yardstick measured first; written when the run ends."""
    made = Report(yardstick(), machine_facts(), vars(sizes) | {"started": time.strftime("%FT%TZ", time.gmtime())})
    request.config.stash.setdefault(_reports, []).append(made)
    print(f"\n  D = {made.decodes_per_s:,.0f} whole decodes/s", flush=True)
    yield made
    made.sizes["services"] = dict(_services(request.config))
    made.write(result_path(request.config.rootpath))


@pytest.fixture(scope="session")
def shared_buffers() -> str:
    """Return how much memory PostgreSQL keeps pages in: a quarter, as its manual advises (PostgreSQL, 19.4.1)."""
    return f"{psutil.virtual_memory().total // 4 // 2**20}MB"


@pytest.fixture(scope="session")
def postgres_url(postgres_url: str, report: Report) -> str:
    """Return the address of PostgreSQL, whose memory for pages stands in the report as the server tells it."""
    report.machine["shared_buffers"] = told_by_server(postgres_url, "shared_buffers")
    return postgres_url


@pytest.fixture(scope="session")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for logs that are made once."""
    return tmp_path_factory.mktemp("histories")


@pytest.fixture(scope="session")
def history(histories: Path, sizes: Sizes) -> Path:
    """Return the embedded log with the history of ``sizes.runs`` runs."""
    return embedded_history(histories, sizes.runs)


@pytest.fixture(scope="session")
def audited(history: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """Return the audit log of that history, and how its making went."""
    folder = tmp_path_factory.mktemp("audit") / "audit"
    return folder, run_worker("worker_auditing", str(history), str(folder))


@pytest.fixture(scope="session")
def sqlite_models(sizes: Sizes, histories: Path) -> dict[int, str]:
    """Return by runs in them the addresses of a small and a large read model, made once."""
    return {runs: _projected(histories, runs, f"sqlite:///{histories / f'model-{runs}.db'}") for runs in _both(sizes)}


@pytest.fixture(scope="session")
def postgresql_models(sizes: Sizes, histories: Path, postgres_url: str) -> Iterator[dict[int, str]]:
    """Return the same on PostgreSQL."""
    with fresh_databases(postgres_url) as new_database:
        yield {runs: _projected(histories, runs, new_database()) for runs in _both(sizes)}


def _both(sizes: Sizes) -> tuple[int, int]:
    return sizes.small_runs, sizes.runs


def _projected(histories: Path, runs: int, database: str) -> str:
    run_worker("worker_projecting", str(embedded_history(histories, runs)), database)
    return database


def result_path(root: Path) -> Path:
    """Return where the machine-readable result goes: BENCH_RESULT, or build/bench/result.json."""
    return Path(os.environ.get("BENCH_RESULT") or root / "build" / "bench" / "result.json")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table."""
    for report in config.stash.get(_reports, []):
        terminalreporter.section("benchmarks")
        terminalreporter.write_line(report.render())
        terminalreporter.write_line(f"written to {result_path(config.rootpath)}")


def _services(config: pytest.Config) -> dict[str, str]:
    plugin = config.pluginmanager.get_plugin("services.fixtures")
    return config.stash.get(plugin._ways, {}) if plugin else {}
