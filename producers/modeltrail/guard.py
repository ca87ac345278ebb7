"""The wall between modeltrail and the training code: what goes wrong on this side is a warning on that one.

Every public call is wrapped by ``never_raises``. Calling with arguments that do not fit the signature still raises
TypeError, as for any function; with MODELTRAIL_STRICT=1 everything raises, which is for tests of training code.
"""

import logging
import os
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

from modeltrail_schemas.errors import ModeltrailError

LOGGER = logging.getLogger("modeltrail")
WARNINGS_REMEMBERED = 1024

P = ParamSpec("P")
R = TypeVar("R")


class MisuseError(ModeltrailError):
    """A call that cannot mean anything, such as logging to a run that has ended. Raised under MODELTRAIL_STRICT."""


def never_raises(fallback: Callable[..., R]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator: an exception inside becomes one warning, and ``fallback`` of the arguments is returned."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if isinstance(error, TypeError) and error.__traceback__ and error.__traceback__.tb_next is None:
                    raise  # the call did not fit the signature: no frame of ours was entered
                if os.environ.get("MODELTRAIL_STRICT") == "1":
                    raise
                warn_once(f"{function.__name__}: {_explain(error)}")
                return fallback(*args, **kwargs)

        return guarded

    return decorate


def nothing(*_: Any, **__: Any) -> None:
    """Return None, whatever the arguments: the fallback of calls that return nothing."""


def complain(what: str, remedy: str = "") -> None:
    """Say once that something could not be recorded as asked, and go on; raise it under MODELTRAIL_STRICT."""
    if os.environ.get("MODELTRAIL_STRICT") == "1":
        raise MisuseError(what, remedy=remedy)
    warn_once(f"{what}; {remedy}" if remedy else what)


def misuse(what: str, remedy: str = "") -> NoReturn:
    """Raise the misuse; the guard around the public call turns it into a warning."""
    raise MisuseError(what, remedy=remedy)


@lru_cache(maxsize=WARNINGS_REMEMBERED)
def warn_once(message: str) -> None:
    """Log a warning, the same one only once per process."""
    LOGGER.warning("%s", message)


def _explain(error: Exception) -> str:
    if isinstance(error, ModeltrailError):
        return f"{error}; {error.remedy}" if error.remedy else str(error)
    return f"nothing was recorded: {type(error).__name__}: {error}"
