"""The identity of a version, as a resolver finds it. Pure."""

from dataclasses import dataclass, replace

from modeltrail_schemas.event import Field, Strength


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of a version apart from its name; the fields are those of ``DatasetDetail``.

    ``version`` is what the store calls it, ``digest`` is ``algorithm:hex`` of the content; either may be empty.
    """

    version: str = ""
    digest: str = ""
    strength: Strength = Strength.NONE
    location: str = ""
    format: str = ""
    bytes: int | None = None
    rows: int | None = None
    fields: tuple[Field, ...] = ()
    provider: str = ""

    def claimed_as(self, version: str) -> "Identity":
        """Return this identity under the version that the user gives; content still proves more than a claim."""
        if not version or version == self.version:
            return self
        strength = Strength.CONTENT if self.strength == Strength.CONTENT else Strength.CLAIMED
        return replace(self, version=version, strength=strength)

    def completed_by(self, other: "Identity") -> "Identity":
        """Return this identity with what only ``other`` knows: a frame read from a file knows rows and fields."""
        if self.strength == Strength.NONE:
            return replace(other, location=self.location or other.location, format=self.format or other.format)
        return replace(
            self,
            bytes=other.bytes if self.bytes is None else self.bytes,
            rows=other.rows if self.rows is None else self.rows,
            fields=self.fields or other.fields,
        )
