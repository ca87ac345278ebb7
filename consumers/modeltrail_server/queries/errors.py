"""What can go wrong with a question: the name is unknown, stands for several things, or nothing is recorded yet."""

from collections.abc import Sequence
from typing import ClassVar

from modeltrail_schemas.errors import ModeltrailError

SEE_WHAT_THERE_IS = "see what there is: modeltrail models, runs, datasets, jobs"


class NotFoundError(ModeltrailError):
    """Nothing has this name. ``near`` are names that look like it, best first."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, near: Sequence[str] = (), remedy: str = "") -> None:
        suggestion = f"did you mean {' or '.join(near)}?" if near else SEE_WHAT_THERE_IS
        super().__init__(what, remedy=remedy or suggestion)
        self.near = tuple(near)


class EmptyDatabaseError(NotFoundError):
    """Nothing has been recorded yet, or nothing was projected yet of what a ``topic`` holds."""

    def __init__(self, where: str = "", *, topic: str = "") -> None:
        if topic:
            super().__init__(
                f"nothing of {topic} was projected into this database yet",
                remedy="let a projector run: modeltrail serve --role projector\n"
                "what the topic holds: modeltrail status",
            )
            return
        super().__init__(
            "nothing has been recorded here yet" + (f" ({where})" if where else ""),
            remedy=(
                "try `make demo`; or record a run in Python with\n"
                "  with modeltrail.start_run(job='team/train') as run: ...\n"
                "or bring OpenLineage events in with `modeltrail events import FILE`"
            ),
        )


class AmbiguousNameError(ModeltrailError):
    """The name stands for several things. ``candidates`` are names that each stand for one."""

    def __init__(self, text: str, candidates: Sequence[str], *, more: bool = False) -> None:
        listed = ", ".join(candidates) + (", …" if more else "")
        super().__init__(f"{text!r} stands for several things: {listed}", remedy="write one of them in full")
        self.candidates = tuple(candidates)


class PackageNameError(ModeltrailError):
    """What was written is no package, or no range of its versions."""

    exit_code: ClassVar[int] = 2

    def __init__(self, text: str, why: str) -> None:
        remedy = "write package:numpy, package:numpy@1.26.4, or a range: 'package:numpy>=1.20,<1.22' (PEP 440)"
        super().__init__(f"{text!r}: {why}", remedy=remedy)


class PageTokenError(ModeltrailError):
    """A page was asked for by a word that no list gave."""

    def __init__(self, page: str) -> None:
        super().__init__(f"{page!r} is no page", remedy="give what the list before said comes next, or nothing")
