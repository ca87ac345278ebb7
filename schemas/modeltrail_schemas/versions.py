"""The versions of the event schema: the files beside this one, their fingerprints, and the oldest to the newest.

The SHA-256 of a schema's text is the authority; the CRC-64-AVRO fingerprint (Avro 1.12, "Schema Fingerprints") is
what travels in each message. A published file is never edited: a change is a new file with the next number.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from modeltrail_schemas.errors import UnknownSchemaError
from modeltrail_schemas.event import Routing

CURRENT_VERSION = 1


@dataclass(frozen=True)
class SchemaVersion:
    """One published version: its number and its text."""

    number: int
    text: str

    @cached_property
    def sha256(self) -> str:
        """Return the SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def fingerprint(self) -> int:
        """Return the CRC-64-AVRO fingerprint of the parsing canonical form, as an unsigned integer.

        fastavro gives the eight bytes as they travel, so least significant first.
        """
        return int.from_bytes(
            bytes.fromhex(fingerprint(to_parsing_canonical_form(self.definition), "CRC-64-AVRO")), "little"
        )

    @cached_property
    def definition(self) -> dict[str, Any]:
        """Return the schema as parsed JSON."""
        definition: dict[str, Any] = json.loads(self.text)
        return definition

    @cached_property
    def parsed(self) -> Any:
        """Return the schema in the form fastavro works with."""
        return fastavro.parse_schema(self.definition)

    @cached_property
    def parsed_prefix(self) -> Any:
        """Return the schema cut off after the routing fields: a record is its fields in order."""
        names = [field["name"] for field in self.definition["fields"]]
        leading = self.definition["fields"][: names.index(Routing.PREFIX_ENDS_WITH) + 1]
        return fastavro.parse_schema(self.definition | {"fields": leading})


@lru_cache(maxsize=1)
def all_versions() -> tuple[SchemaVersion, ...]:
    """Return every published version, the oldest first."""
    folder = files("modeltrail_schemas") / "avro"
    return tuple(
        SchemaVersion(number, (folder / f"lineage_event-{number}.avsc").read_text(encoding="utf-8"))
        for number in range(1, CURRENT_VERSION + 1)
    )


def current_version() -> SchemaVersion:
    """Return the version that this modeltrail writes."""
    return all_versions()[-1]


@lru_cache(maxsize=1)
def _by_fingerprint() -> dict[int, SchemaVersion]:
    return {version.fingerprint: version for version in all_versions()}


def find_version(fingerprint: int) -> SchemaVersion:
    """Return the version with this CRC-64-AVRO fingerprint. Raises UnknownSchemaError."""
    try:
        return _by_fingerprint()[fingerprint]
    except KeyError:
        raise UnknownSchemaError(fingerprint) from None


def schema_texts() -> dict[str, bytes]:
    """Return every published schema as SHA-256 (hexadecimal) to text (UTF-8)."""
    return {version.sha256: version.text.encode() for version in all_versions()}
