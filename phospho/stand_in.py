"""Stands for a callable: is called instead of it, and to all else looks like it."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any


class StandIn:
    """A callable with the attributes and, to `isinstance` and `inspect`, the kind of another one.

    A function that calls another is not enough where that one is a generator function, which
    frameworks know by its code, or no function at all, which a class would make a method of.
    """

    def __init__(self, original: Callable[..., Any], run: Callable[..., Any]) -> None:
        self.__dict__.update(getattr(original, "__dict__", {}))
        self.__wrapped__ = original
        self.__doc__ = getattr(original, "__doc__", None)
        self.__module__ = getattr(original, "__module__", type(original).__module__)
        self._phospho_run = run

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call what does the original's work."""
        return self._phospho_run(*args, **kwargs)

    @property
    def __class__(self) -> Any:
        """The original's."""
        return type(self.__wrapped__)

    @__class__.setter
    def __class__(self, kind: Any) -> None:
        raise TypeError(f"the class of {self.__wrapped__!r} cannot be changed")

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        """Return a method of an object where the original is a function, else this."""
        is_function = issubclass(type(self.__wrapped__), types.FunctionType)
        return types.MethodType(self, owner) if is_function and owner is not None else self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.__wrapped__.__qualname__
