"""An object that goes on as it is while some of its calls are observed: what was asked, and what came back.

A call that fails is not observed; neither is one that another observed call makes on its own behalf, for that one
tells the whole of it. An observer never raises into the caller and returns nothing to it.
"""

import inspect
import threading
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Generic, TypeVar

from modeltrail.guard import never_raises, nothing

W = TypeVar("W")


class Call(Generic[W]):
    """One observed call: ``arguments`` by name, ``result``, the ``target`` it was made on, and who ``witness``es."""

    def __init__(self, witness: W, target: Any, arguments: Mapping[str, Any], result: Any) -> None:
        self.witness = witness
        self.target = target
        self.arguments = arguments
        self.result = result

    def __getitem__(self, name: str) -> Any:
        """Return an argument; None where it was not given."""
        return self.arguments.get(name)


Observer = Callable[[Call[W]], None]
Reopen = tuple[Callable[..., Any], tuple[Any, ...]]


def observed(target: Any, observers: Mapping[str, Observer[W]], witness: W, *, reopen: Reopen) -> Any:
    """Return ``target`` itself, its class replaced by a derived one that shows ``observers`` their calls.

    ``reopen`` is how a copy of it is made in another process: a class made here has no name there.
    """
    base = type(target)
    within = _Within()
    methods: dict[str, Any] = {
        name: _observed_method(getattr(base, name), observer, witness, within)
        for name, observer in observers.items()
        if callable(getattr(base, name, None))
    }
    methods["__reduce_ex__"] = lambda _self, _protocol: reopen
    target.__class__ = type(base.__name__, (base,), methods)
    return target


class _Within(threading.local):
    """Whether this thread is inside an observed call."""

    is_observing = False


def _observed_method(
    method: Callable[..., Any], observer: Observer[W], witness: W, within: _Within
) -> Callable[..., Any]:
    signature = inspect.signature(method)

    @never_raises(nothing)
    def tell(target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        arguments = signature.bind(target, *args, **kwargs).arguments
        observer(Call(witness, target, arguments, result))

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if within.is_observing:
            return method(self, *args, **kwargs)
        within.is_observing = True
        try:
            result = method(self, *args, **kwargs)
            tell(self, args, kwargs, result)
        finally:
            within.is_observing = False
        return result

    return call
