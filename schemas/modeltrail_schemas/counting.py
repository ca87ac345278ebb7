"""How many of what, as a person reads it: ``1 note``, ``2,000 notes``. Words only; it counts nothing itself."""


def counted(number: int, one: str, several: str = "") -> str:
    """Return ``number`` with the words for that many; ``several`` is ``one`` with an s where it is not given."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
