"""Make the libraries that an app imports log by themselves: `phospho.init(auto_log=True)`.

A library that is imported already is instrumented at once, any other when the app imports it.
Nothing is imported for it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import sys
import threading
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple

from phospho import guard


class Integration(NamedTuple):
    """Which function makes a library log, and with which of its modules that can be called.

    Args:
        needed: The modules of the library that have to be there as a whole.
        module: Ours, below `phospho.integrations`.
        function: The function in it.
    """

    needed: tuple[str, ...]
    module: str
    function: str


INTEGRATIONS = (
    Integration(("openai",), "openai", "instrument_openai"),
    # In older versions the first imports the second, in newer ones the first call does.
    Integration(
        ("langchain_core.callbacks.manager", "langchain_core.tracers.context"),
        "langchain",
        "instrument_langchain",
    ),
    Integration(("llama_index_instrumentation",), "llama_index", "instrument_llama_index"),
)

_lock = threading.Lock()
_postponed: set[Integration] = set()


def instrument_all() -> None:
    """Instrument each library that is there, and each that comes, once."""
    with _lock:
        waiting = {name for i in INTEGRATIONS for name in i.needed if not _is_imported(name)}
        sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, _Finder)]
        if waiting:
            sys.meta_path.insert(0, _Finder(waiting))
    for integration in INTEGRATIONS:
        if waiting.isdisjoint(integration.needed):
            _instrument(integration)


def _is_imported(name: str) -> bool:
    """Tell whether a module is there as a whole; one that another thread imports is not yet."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return module is not None and not getattr(spec, "_initializing", False)


def _instrument(integration: Integration) -> None:
    with guard.guarded(f"make {integration.module} log by itself"):
        name = f"phospho.integrations.{integration.module}"
        if name in sys.modules and not _is_imported(name):
            # It is what imports the library just now; it says when it is there itself.
            _postponed.add(integration)
            return
        getattr(importlib.import_module(name), integration.function)()


def loaded(module: ModuleType) -> None:
    """Instrument what waited for an integration, which calls this as the last thing it does."""
    for integration in tuple(_postponed):
        if module.__name__ == f"phospho.integrations.{integration.module}":
            _postponed.discard(integration)
            with guard.guarded(f"make {integration.module} log by itself"):
                getattr(module, integration.function)()


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules that are waited for as all others would, and tells when one is loaded."""

    def __init__(self, waiting: set[str]) -> None:
        self._waiting = waiting

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the other finders find of a module that is waited for; None for others."""
        if fullname not in self._waiting:
            return None
        for finder in sys.meta_path:
            find_spec = getattr(finder, "find_spec", None)
            if finder is self or find_spec is None:
                continue
            spec: ModuleSpec | None = find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self)
                return spec
        return None

    def loaded(self, name: str) -> None:
        """Instrument the library of a module that was waited for, if nothing else is of it."""
        self._waiting.discard(name)
        for integration in INTEGRATIONS:
            if name in integration.needed and self._waiting.isdisjoint(integration.needed):
                _instrument(integration)


class _Loader(importlib.abc.Loader):
    """Loads a module as another loader does, and tells when it is there."""

    def __init__(self, loader: Any, finder: _Finder) -> None:
        self._loader = loader
        self._finder = finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make the module as the other loader does."""
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Run the module; from then on it is as if the other loader had been alone."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._finder.loaded(module.__name__)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
