"""Event types to plain dictionaries, in the form that fastavro reads and writes, and back. Pure.

The plan of each type is worked out once from its annotations, so a field is written down in two places only: the
.avsc file and the dataclass. A type with ``format`` and ``parse`` travels as its text form.
"""

import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Convert = Callable[[Any], Any]
T = TypeVar("T")


@dataclass(frozen=True)
class _Direction:
    """How the parts of a record are converted on the way out, or on the way in."""

    record: Callable[[Any], Convert]
    text: Callable[[Any], Convert]
    sequence: Convert
    mapping: Convert | None


def dumper(record_type: type[Any]) -> Convert:
    """Return the function that turns a value of ``record_type`` into a dictionary."""
    return _dumper(cast(Hashable, record_type))


def loader(record_type: type[T]) -> Callable[[Any], T]:
    """Return the function that turns a dictionary into a value of ``record_type``; it consumes the dictionary."""
    return _loader(cast(Hashable, record_type))


@cache
def _dumper(record_type: Any) -> Convert:
    names, converters = _plan(record_type, _Direction(_dumper, lambda text_type: text_type.format, list, dict))
    values = attrgetter(*names)

    def dump(record: Any) -> dict[str, Any]:
        result = dict(zip(names, values(record), strict=True))
        for name, convert in converters:
            result[name] = convert(result[name])
        return result

    return dump


@cache
def _loader(record_type: Any) -> Convert:
    names, converters = _plan(record_type, _Direction(_loader, lambda text_type: text_type.parse, tuple, None))
    values = itemgetter(*names)

    def load(record: dict[str, Any]) -> Any:
        for name, convert in converters:
            record[name] = convert(record[name])
        return record_type(*values(record))

    return load


def _plan(record_type: type[Any], direction: _Direction) -> tuple[tuple[str, ...], tuple[tuple[str, Convert], ...]]:
    hints = get_type_hints(record_type)
    names = tuple(field.name for field in fields(record_type))
    converters = ((name, _converter(hints[name], direction)) for name in names)
    return names, tuple((name, convert) for name, convert in converters if convert is not None)


def _converter(hint: Any, direction: _Direction) -> Convert | None:
    """Return how a value annotated with ``hint`` is converted; None where it stays as it is."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _optional(_converter(inner, direction))
    if origin is tuple:
        return _each(_converter(arguments[0], direction), direction.sequence)
    if origin is not None and issubclass(origin, Mapping):
        return direction.mapping
    if not is_dataclass(hint):
        return None
    return direction.text(hint) if hasattr(hint, "parse") else direction.record(hint)


def _optional(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda value: None if value is None else convert(value)


def _each(convert: Convert | None, sequence: Convert) -> Convert:
    return sequence if convert is None else lambda values: sequence([convert(value) for value in values])
