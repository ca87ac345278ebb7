"""The doctor: looks at everything that recording needs, and says what to do. It mends nothing.

``machine`` and ``log`` are what a training job needs; who has more to look at, as the server, gives its examiners.
"""

from collections.abc import Callable, Iterable, Sequence

from modeltrail.config import Config
from modeltrail.doctor import machine
from modeltrail.doctor.findings import Finding, Level, worst
from modeltrail.doctor.log import examine_log
from modeltrail.errors import ModeltrailError

Examine = Callable[[Config], Iterable[Finding]]


def examine(config: Config, more: Sequence[Examine] = ()) -> list[Finding]:
    """Return what was found, in a fixed order. Raises nothing: what fails is a finding."""
    findings: list[Finding] = []
    own: Sequence[Examine] = (
        machine.examine_versions,
        machine.examine_configuration,
        machine.examine_home,
        machine.examine_spool,
        machine.examine_clock,
        examine_log,
    )
    for look in (*own, *more):
        try:
            findings.extend(look(config))
        except (OSError, ModeltrailError) as error:
            remedy = error.remedy if isinstance(error, ModeltrailError) else ""
            about = look.__name__.removeprefix("examine_")
            findings.append(Finding(Level.ERROR, about, str(error), remedy))
    return findings


__all__ = ["Examine", "Finding", "Level", "examine", "worst"]
