"""The environment that MLflow wrote down beside a model: requirements.txt and python_env.yaml. Pure.

Only exact pins tell a version; the list is MLflow's guess at what the model needs, not all that was installed.
"""

import re

from modeltrail.capture.environment import digest_of
from modeltrail_schemas.event import Environment

MAX_PACKAGES = 5_000
_PIN = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*==\s*([^\s;#,]+)", re.MULTILINE)
_PYTHON = re.compile(r"^\s*python:\s*[\"']?([0-9][0-9.]*)", re.MULTILINE)


def environment_of(requirements: str, python_env: str) -> Environment | None:
    """Return the environment, known by its digest; None where nothing is pinned."""
    packages = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in _PIN.findall(requirements)}
    python = _PYTHON.search(python_env)
    if not packages:
        return None
    kept = dict(sorted(packages.items())[:MAX_PACKAGES])
    described = Environment(python=python[1] if python else "", packages=kept)
    return Environment(digest=digest_of(described), python=described.python, packages=kept)
