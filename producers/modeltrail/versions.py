"""Notes about the versions that a run used or made, from a name and an identity. Pure."""

from dataclasses import dataclass, replace
from typing import Any

from modeltrail_schemas.names import EntityRef, parse_name

from modeltrail.datasets.identity import Identity

Note = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mention:
    """How a run mentions a version: ``relation`` is ``inputs`` or ``outputs``; ``details`` only the caller knows."""

    relation: str
    named: EntityRef
    details: tuple[tuple[str, Any], ...] = ()


def name_version(
    kind: str, name: str | None, *, default_name: str, namespace: str, version: str, role: str
) -> EntityRef:
    """Return the reference that the arguments of a call name. Raises ValueError when there is no name at all."""
    if not (name or default_name):
        raise ValueError(f"a {kind} needs a name")
    if name:
        ref = parse_name(name, kind=kind, version=version)
    else:
        ref = EntityRef(kind, parse_name("x", kind=kind).namespace, default_name, version)
    return replace(ref, namespace=namespace or ref.namespace, role=role)


def identified(named: EntityRef, identity: Identity) -> EntityRef:
    """Return ``named`` with the version and digest that its identity tells."""
    return replace(named, version=named.version or identity.version, digest=identity.digest)


def mention_note(mention: Mention, identity: Identity) -> Note:
    """Return the part of an event that says: this run used, or made, this version."""
    ref = identified(mention.named, identity)
    known: dict[str, Any] = {
        "entity": ref.format(),
        "strength": identity.claimed_as(mention.named.version).strength.value,
        "location": identity.location,
        "bytes": identity.bytes,
    }
    if ref.kind == "dataset":
        known |= {
            "format": identity.format,
            "rows": identity.rows,
            "fields": [{"name": field.name, "type": field.type} for field in identity.fields],
            "provider": identity.provider,
        }
    known |= {name: value for name, value in mention.details if value}
    collection = "datasets" if ref.kind == "dataset" else "models"
    detail = {name: value for name, value in known.items() if value or value == 0}
    return {mention.relation: [ref.format()], collection: [detail]}
