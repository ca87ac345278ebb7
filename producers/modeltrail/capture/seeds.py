"""Seeds set outside the training code. Those inside are logged: ``log_seed``, or parameters named as seeds."""

from collections.abc import Mapping


def capture_seeds(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the seeds that the environment sets; ``PYTHONHASHSEED=random`` sets none."""
    seed = environ.get("PYTHONHASHSEED", "")
    return {"PYTHONHASHSEED": seed} if seed.isdigit() else {}
