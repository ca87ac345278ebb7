"""What a record must hold to pass: which pieces, how sure, how many points. Pure; reads no file.

A policy is the ``[check]`` table of a TOML file::

    [check]
    require = ["data", "code"]   # only these decide; without it, all do
    strict = ["data"]            # these must not even be weak
    fail_under = 80              # points of 100
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from modeltrail_schemas.errors import ModeltrailError

POINTS: Mapping[str, int] = MappingProxyType(
    {
        "data": 30,
        "code": 20,
        "params": 10,
        "metrics": 10,
        "env": 10,
        "model": 5,
        "run": 5,
        "seed": 5,
        "command": 5,
        "events": 5,
    }
)
"""What each piece counts. ``model``, ``run`` and ``events`` count only where something was found about them."""

MAX_POINTS = 100
ALWAYS_COUNTED = ("data", "code", "params", "metrics", "env", "seed", "command")
_KEYS = ("require", "strict", "fail_under")


class PolicyError(ModeltrailError):
    """A policy is written as nobody reads it."""

    exit_code: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class Policy:
    """``require``: the pieces that decide (none: all). ``strict``: those that must not be weak."""

    require: tuple[str, ...] = ()
    strict: tuple[str, ...] = ()
    fail_under: int = 0


DEFAULT_POLICY = Policy()


def parse_policy(text: str, *, source: str) -> Policy:
    """Return the policy that the ``[check]`` table of TOML ``text`` writes. Raises PolicyError naming ``source``."""
    import tomllib

    try:
        table = tomllib.loads(text).get("check")
    except tomllib.TOMLDecodeError as error:
        raise PolicyError(f"{source} is not TOML: {error}", remedy="correct that line") from None
    if not isinstance(table, dict):
        raise PolicyError(f"{source} has no [check] table", remedy='write [check] and, below, require = ["data"]')
    unknown = sorted(table.keys() - set(_KEYS))
    if unknown:
        raise PolicyError(f"{source}: check.{unknown[0]} means nothing", remedy=f"known: {', '.join(_KEYS)}")
    return Policy(
        require=_pieces_of(table.get("require", []), f"{source}: check.require"),
        strict=_pieces_of(table.get("strict", []), f"{source}: check.strict"),
        fail_under=_points_of(table.get("fail_under", 0), f"{source}: check.fail_under"),
    )


def parse_pieces(text: str, *, source: str) -> tuple[str, ...]:
    """Return the pieces of ``data,code``. Raises PolicyError for one that does not exist."""
    return check_pieces((word.strip() for word in text.split(",") if word.strip()), source=source)


def check_pieces(words: Iterable[str], *, source: str) -> tuple[str, ...]:
    """Return ``words``, each once, all of them pieces. Raises PolicyError."""
    pieces = tuple(dict.fromkeys(words))
    for piece in pieces:
        if piece not in POINTS:
            raise PolicyError(f"{source}: there is no piece {piece!r}", remedy=f"the pieces: {', '.join(POINTS)}")
    return pieces


def _pieces_of(value: Any, source: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise PolicyError(f"{source} is no list of words", remedy='write it as ["data", "code"]')
    return check_pieces(value, source=source)


def _points_of(value: Any, source: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_POINTS:
        raise PolicyError(f"{source} is no number of points", remedy=f"write a whole number from 0 to {MAX_POINTS}")
    return value
