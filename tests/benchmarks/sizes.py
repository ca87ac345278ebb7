"""How much work a benchmark run does: small for `make bench-quick`, larger by default, as large as asked for.

BENCH_QUICK=1 takes the small sizes; BENCH_EVENTS and BENCH_RUNS name their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Events through the projectors, runs in the read models that are asked, and repetitions of the rest."""

    events: int
    """How many events the memory of a projector is watched over, at least."""

    runs: int
    """Runs in the large read model."""

    small_runs: int
    """Runs in the small one, which must answer as fast."""

    calls: int
    """SDK calls in each series."""

    emits: int
    """Emissions watched until they are visible."""

    questions: int
    """How often each question is asked."""

    imports: int
    """Processes started to measure one import."""

    peer_runs: int
    """Training runs recorded with each peer."""


FULL = Sizes(
    events=200_000,
    runs=100_000,
    small_runs=10_000,
    calls=20_000,
    emits=200,
    questions=400,
    imports=11,
    peer_runs=300,
)
QUICK = Sizes(
    events=4_000,
    runs=2_000,
    small_runs=500,
    calls=500,
    emits=10,
    questions=20,
    imports=3,
    peer_runs=20,
)


def sizes_of(environ: Mapping[str, str]) -> Sizes:
    """Return the sizes that the environment asks for."""
    chosen = QUICK if environ.get("BENCH_QUICK") else FULL
    asked = {
        name: int(environ[f"BENCH_{name.upper()}"]) for name in vars(chosen) if f"BENCH_{name.upper()}" in environ
    }
    return Sizes(**{**vars(chosen), **asked})
