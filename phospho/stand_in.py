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
        own = self.__dict__
        own["__wrapped__"], own["_phospho_run"] = original, run
        own["__doc__"] = getattr(original, "__doc__", None)
        own["__module__"] = getattr(original, "__module__", type(original).__module__)
        if self._is_function:
            # A function of its own, as a decorator makes it.
            own.update(vars(original))

    @property
    def _is_function(self) -> bool:
        return issubclass(type(self.__wrapped__), types.FunctionType)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call what does the original's work."""
        return self._phospho_run(*args, **kwargs)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """The original's."""
        return type(self.__wrapped__)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        """Return a method of an object where the original is a function, else this."""
        return types.MethodType(self, owner) if self._is_function and owner is not None else self

    def __getattr__(self, name: str) -> Any:
        if name == "__wrapped__":
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if self._is_function:
            object.__setattr__(self, name, value)
        else:
            setattr(self.__wrapped__, name, value)

    def __delattr__(self, name: str) -> None:
        if self._is_function:
            object.__delattr__(self, name)
        else:
            delattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Let a function be known by its name; of anything else, a copy is of the original."""
        if self._is_function:
            return self.__wrapped__.__qualname__
        return self.__wrapped__.__reduce_ex__(protocol)
