"""Names as a person writes them. Pure, and light to import: rendering needs it without a database."""

import re
from functools import lru_cache

from modeltrail_schemas.names import EntityRef, display_name

NAMES_REMEMBERED = 8_192
_NUMBER = re.compile("([0-9]+)")


def display(ref: EntityRef) -> str:
    """Return the name of ``ref`` without its kind, as a person would write it."""
    return ref.name if ref.kind in ("commit", "environment") else display_name(ref)


@lru_cache(maxsize=NAMES_REMEMBERED)
def natural_order(text: str) -> tuple[tuple[tuple[str, int, str], ...], str]:
    """Return what texts are ordered by so that ``layer_2`` comes before ``layer_10``."""
    between_numbers = enumerate(_NUMBER.split(text))
    parts = ((part, 0, "") if place % 2 == 0 else _number(part) for place, part in between_numbers)
    return tuple(parts), text


def _number(digits: str) -> tuple[str, int, str]:
    """Return digits as a part that orders as the number they write, however many they are."""
    significant = digits.lstrip("0")
    return "", len(significant), significant
