"""The plain dictionaries that fastavro reads to event types. Pure; the way out is ``binary``.

The plan of each type is worked out once from its annotations, so a field is written down in two places only: the
.avsc file and the dataclass. A type with ``format`` and ``parse`` travels as its text form.
"""

import types
from collections.abc import Callable, Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from operator import itemgetter
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Convert = Callable[[Any], Any]
T = TypeVar("T")


def loader(record_type: type[T]) -> Callable[[Any], T]:
    """Return the function that turns a dictionary into a value of ``record_type``; it consumes the dictionary."""
    return _loader(cast(Hashable, record_type))


@cache
def _loader(record_type: Any) -> Convert:
    hints = get_type_hints(record_type)
    names = tuple(field.name for field in fields(record_type))
    every = ((name, _converter(hints[name])) for name in names)
    converters = tuple((name, convert) for name, convert in every if convert is not None)
    values = itemgetter(*names)

    def load(record: dict[str, Any]) -> Any:
        for name, convert in converters:
            record[name] = convert(record[name])
        return record_type(*values(record))

    return load


def _converter(hint: Any) -> Convert | None:
    """Return how a value annotated with ``hint`` is converted; None where it stays as it is."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _optional(_converter(inner))
    if origin is tuple:
        return _each(_converter(arguments[0]))
    if (origin is not None and issubclass(origin, Mapping)) or not is_dataclass(hint):
        return None
    return cast(Convert, hint.parse) if hasattr(hint, "parse") else _loader(cast(Hashable, hint))


def _optional(convert: Convert | None) -> Convert | None:
    return None if convert is None else lambda value: None if value is None else convert(value)


def _each(convert: Convert | None) -> Convert:
    return tuple if convert is None else lambda values: tuple([convert(value) for value in values])
