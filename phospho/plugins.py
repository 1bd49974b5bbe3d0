"""Builds the plugin manager, and runs a hook so that one bad plugin cannot hurt another."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import pluggy

from phospho import guard, hookspecs
from phospho.errors import PluginError

ENTRY_POINT_GROUP = "phospho"

# Asked last to first: text is what every value falls back to.
EXTRACTORS = (
    "phospho.extractors.text",
    "phospho.extractors.messages",
    "phospho.extractors.openai",
)

# An app that logs needs no detectors, and does not pay for loading them.
BUILT_IN = (*EXTRACTORS, "phospho.detectors.builtin")

# A plugin that fails this often in a row is not asked again by this process.
MAX_FAILURES_IN_A_ROW = 5

# A hook runs on the app's own thread: an answer that took longer counts as a failure.
MAX_CALL_S = 1.0


@dataclass
class _Implementation:
    """One plugin's function for one hook, and how it has behaved."""

    plugin: str
    hook: str
    call: Callable[..., Any]
    argument_names: tuple[str, ...]
    failures: int = 0
    failures_in_a_row: int = 0

    @property
    def is_switched_off(self) -> bool:
        return self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW

    def count_failure(self, what: str, exc: BaseException | None = None) -> None:
        self.failures += 1
        self.failures_in_a_row += 1
        guard.report_once(
            f"plugin:{self.plugin}:{self.hook}",
            "The phospho plugin %r failed in %s: %s. Its answer is ignored; after %d failures in "
            "a row it is not asked again. Fix it, or leave it out with PHOSPHO_DISABLE_PLUGINS=%s.",
            self.plugin,
            self.hook,
            what,
            MAX_FAILURES_IN_A_ROW,
            self.plugin,
            exc=exc,
        )


@dataclass(frozen=True)
class PluginReport:
    """A plugin as `phospho plugins` shows it; `failures` counts calls in this process."""

    name: str
    version: str | None
    hooks: tuple[str, ...]
    failures: int
    switched_off: tuple[str, ...]


@dataclass
class Plugins:
    """The plugins of one client or one server.

    Args:
        plugins: Modules or objects given by the caller; asked before all others.
        entry_points: Whether to load the plugins that installed packages declare.
        built_in: The built-in plugins to load, by module name.

    Raises:
        PluginError: When one of `plugins` implements a hook that does not exist, names an
            argument a hook does not have, or asks for `wrapper=True`.
    """

    plugins: Iterable[object] = ()
    entry_points: bool = True
    built_in: Sequence[str] = BUILT_IN
    _manager: pluggy.PluginManager = field(init=False)
    _by_hook: dict[str, list[_Implementation]] = field(init=False, default_factory=dict)
    _versions: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        for module_name in self.built_in:
            self._register(importlib.import_module(module_name), module_name)
        disabled = _disabled_names()
        if self.entry_points and "all" not in disabled:
            self._register_entry_points(disabled)
        for plugin in self.plugins:
            self._register(plugin, _name_of(plugin))
        self._index()

    def _register_entry_points(self, disabled: frozenset[str]) -> None:
        """Load what installed packages declare; a package that cannot be loaded is left out."""
        for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
            if entry_point.name in disabled:
                continue
            try:
                self._register(entry_point.load(), entry_point.name)
            except Exception as exc:  # noqa: BLE001 - a stranger's package may raise anything
                guard.report_once(
                    f"entry_point:{entry_point.name}",
                    "The installed phospho plugin %r could not be loaded: %s (%s). It is left out; "
                    "upgrade or uninstall its package.",
                    entry_point.name,
                    exc,
                    type(exc).__name__,
                    exc=exc,
                )
                continue
            if entry_point.dist is not None:
                self._versions[entry_point.name] = entry_point.dist.version

    def _register(self, plugin: object, name: str) -> None:
        if self._manager.has_plugin(name):
            raise PluginError(f"Two phospho plugins are called {name!r}. Rename one of them.")
        try:
            self._manager.register(plugin, name)
            self._refuse_unknown_hooks(name)
        except pluggy.PluginValidationError as exc:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            raise PluginError(
                f"The phospho plugin {name!r} was refused: {exc}. "
                "The hooks and their arguments are listed in phospho/hookspecs.py."
            ) from exc

    def _refuse_unknown_hooks(self, name: str) -> None:
        """Refuse a misspelt hook now: it would silently never be called."""
        self._manager.check_pending()
        for caller in self._manager.get_hookcallers(self._manager.get_plugin(name)) or ():
            for implementation in caller.get_hookimpls():
                if implementation.plugin_name == name and (
                    implementation.wrapper or implementation.hookwrapper
                ):
                    raise pluggy.PluginValidationError(
                        implementation.plugin, f"{caller.name} asks for wrapper=True"
                    )

    def _index(self) -> None:
        for hook, caller in self._manager.hook.__dict__.items():
            if hook.startswith("phospho_"):
                # pluggy lists implementations in the reverse of its calling order.
                self._by_hook[hook] = [
                    _Implementation(
                        implementation.plugin_name,
                        hook,
                        implementation.function,
                        tuple(implementation.argnames),
                    )
                    for implementation in reversed(caller.get_hookimpls())
                ]

    def has(self, hook: str) -> bool:
        """Tell whether any plugin implements `hook`."""
        return bool(self._by_hook[hook])

    def first(self, hook: str, accept: Callable[[Any], Any], **arguments: Any) -> Any:
        """Return the first answer that is not None, as `accept` returns it, or None.

        Args:
            hook: The hook's name.
            accept: Turns an answer into what is wanted, and raises if it cannot be used.
            **arguments: The hook's arguments.
        """
        for implementation in self._by_hook[hook]:
            answer = _call(implementation, accept, arguments)
            if answer is not None:
                return answer
        return None

    def each(
        self, hook: str, accept: Callable[[Any], Any], **arguments: Any
    ) -> list[tuple[str, Any]]:
        """Return `(plugin name, accepted answer)` of every plugin that answered.

        Order is that of registration, the built-in ones first. Arguments are those of `first`.
        """
        answers = []
        for implementation in reversed(self._by_hook[hook]):
            answer = _call(implementation, accept, arguments)
            if answer is not None:
                answers.append((implementation.plugin, answer))
        return answers

    def before_send(self, interaction: dict[str, Any]) -> dict[str, Any] | None:
        """Hand the record through every `phospho_before_send`; None means it is dropped."""
        current = interaction
        for implementation in self._by_hook["phospho_before_send"]:
            answer = _call(
                implementation, _accept_record, {"interaction": dict(current)}, default=current
            )
            if answer is _DROP:
                return None
            current = answer
        return current

    def implementers(self, hook: str) -> list[str]:
        """Return the names of the plugins that implement `hook`."""
        return [implementation.plugin for implementation in self._by_hook[hook]]

    def tell(self, plugin: str, hook: str, **arguments: Any) -> Exception | None:
        """Call `hook` of one plugin and return what it raised, for a caller that tries again.

        A plugin that is no longer there has nothing left to be told.
        """
        for implementation in self._by_hook[hook]:
            if implementation.plugin != plugin:
                continue
            try:
                implementation.call(*(arguments[name] for name in implementation.argument_names))
            except Exception as exc:  # noqa: BLE001 - a stranger's plugin may raise anything
                return exc
        return None

    def reports(self) -> list[PluginReport]:
        """Describe every plugin, in the order of registration."""
        found: dict[str, list[_Implementation]] = {
            name: [] for name, _ in self._manager.list_name_plugin()
        }
        for implementations in self._by_hook.values():
            for implementation in implementations:
                found[implementation.plugin].append(implementation)
        return [
            PluginReport(
                name=name,
                version=self._versions.get(name),
                hooks=tuple(i.hook for i in implementations),
                failures=sum(i.failures for i in implementations),
                switched_off=tuple(i.hook for i in implementations if i.is_switched_off),
            )
            for name, implementations in found.items()
        ]


_DROP = object()


def _call(
    implementation: _Implementation,
    accept: Callable[[Any], Any],
    arguments: dict[str, Any],
    *,
    default: Any = None,
) -> Any:
    """Return the accepted answer of one implementation, or `default` if it failed."""
    if implementation.is_switched_off:
        return default
    started = time.monotonic()
    try:
        answer = implementation.call(*(arguments[n] for n in implementation.argument_names))
        answer = accept(answer) if answer is not None or accept is _accept_record else None
    except Exception as exc:  # noqa: BLE001 - a stranger's plugin may raise anything
        implementation.count_failure(f"{exc} ({type(exc).__name__})", exc)
        return default
    elapsed_s = time.monotonic() - started
    if elapsed_s > MAX_CALL_S:
        implementation.count_failure(f"it took {elapsed_s:.1f} s")
    else:
        implementation.failures_in_a_row = 0
    return answer


def _accept_record(answer: Any) -> Any:
    if answer is None:
        return _DROP
    if not isinstance(answer, dict):
        raise TypeError(f"returned {type(answer).__name__}, not the interaction or None")
    return answer


def _disabled_names() -> frozenset[str]:
    """Read `PHOSPHO_DISABLE_PLUGINS`: names of entry points, or `all`, separated by commas."""
    names = os.environ.get("PHOSPHO_DISABLE_PLUGINS", "").split(",")
    return frozenset("all" if n.strip() in {"1", "true"} else n.strip() for n in names)


def _name_of(plugin: object) -> str:
    name = getattr(plugin, "__name__", None)
    return name if isinstance(name, str) else f"{type(plugin).__qualname__}-{id(plugin):x}"


def accept_sequence_of(kind: type, *, unique: str) -> Callable[[Any], Sequence[Any]]:
    """Return a check that an answer is a list of `kind`, each with a text `unique` attribute."""

    def accept(answer: Any) -> Sequence[Any]:
        items = list(answer)
        for item in items:
            if not isinstance(item, kind) or not isinstance(getattr(item, unique), str):
                raise TypeError(f"{item!r} is not a {kind.__name__}")
        return items

    return accept
