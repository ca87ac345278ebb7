"""Names as a person writes them. Pure, and light to import: rendering needs it without a database."""

from modeltrail_schemas.names import EntityRef, display_name


def display(ref: EntityRef) -> str:
    """Return the name of ``ref`` without its kind, as a person would write it."""
    return ref.name if ref.kind in ("commit", "environment") else display_name(ref)
