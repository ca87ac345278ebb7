"""The one family of errors. Each says what happened, to what, and what to do next."""

from typing import ClassVar


class ModeltrailError(Exception):
    """Base of every error that modeltrail raises.

    ``str(error)`` is one or two sentences for a person: what happened and to what.
    ``remedy`` is what to do next, empty when there is nothing to do.
    ``exit_code`` is what the command line ends with: 1 the answer is "no", 2 wrong use, 3 a system is down.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy
        if remedy:
            self.add_note(f"→ {remedy}")  # a traceback shows it, where nobody caught the error to say it better


class InvalidEventError(ModeltrailError):
    """An event breaks a rule that every reader relies on, or its bytes cannot be decoded."""


class UnknownSchemaError(ModeltrailError):
    """The bytes name a schema fingerprint that this version does not know: a newer modeltrail wrote them."""

    exit_code = 3

    def __init__(self, fingerprint: int) -> None:
        super().__init__(
            f"the event was written by a newer modeltrail (schema fingerprint {fingerprint:016x})",
            remedy="upgrade this reader: pip install --upgrade modeltrail",
        )
        self.fingerprint = fingerprint
