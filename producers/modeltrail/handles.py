"""What the calls that declare data and models return: a small frozen value that later calls take."""

from dataclasses import dataclass, field

from modeltrail_schemas.names import NO_ENTITY, EntityRef, display_name, parse_name

from modeltrail.background import Task


@dataclass(frozen=True, slots=True)
class Handle:
    """A dataset or model version that a run used or made.

    ``ref`` names it. Where its content is still being hashed, ``ref`` has no digest yet and gets it when the hash is
    there; the run then records both, and the one without a digest stands for the one with it.
    """

    named: EntityRef = NO_ENTITY
    identified: Task[EntityRef] | None = field(default=None, repr=False, compare=False)

    @property
    def ref(self) -> EntityRef:
        """Return the reference, as complete as it is known by now."""
        task = self.identified
        return self.named if task is None or task.value is None else task.value

    def __str__(self) -> str:
        return display_name(self.ref)


@dataclass(frozen=True, slots=True)
class DatasetHandle(Handle):
    """A version of a dataset; as ``dataset=`` it says what a metric was measured on."""


@dataclass(frozen=True, slots=True)
class ModelHandle(Handle):
    """A version of a model; what ``register_model_version`` and its siblings take."""


def ref_of(thing: "Handle | EntityRef | str", kind: str) -> EntityRef:
    """Return the reference that a person means by a handle, a reference, ``KIND:NS/NAME@V`` or ``[NS/]NAME[@V]``.

    Raises ValueError when the text names nothing, TypeError for anything else.
    """
    if isinstance(thing, Handle):
        return thing.ref
    if isinstance(thing, EntityRef):
        return thing
    if not isinstance(thing, str):
        raise TypeError(f"a {kind} is named by text or by a handle, not by a {type(thing).__name__}")
    prefix, colon, rest = thing.partition(":")
    if colon and prefix in {"dataset", "model", "job"}:
        return parse_name(rest, kind=prefix)
    return parse_name(thing, kind=kind)
