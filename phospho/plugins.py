"""Builds the plugin manager, and runs a hook so that one bad plugin cannot hurt another."""

from __future__ import annotations

import copy
import importlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
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

# A plugin that fails, or is slow, this often in a row is not asked again by this process.
MAX_FAILURES_IN_A_ROW = 5

# These run on the app's own thread; all others may take their time.
_ON_THE_APPS_THREAD = frozenset(
    {"phospho_extract_input", "phospho_extract_output", "phospho_before_send"}
)
MAX_CALL_S = 1.0

# It decides what may leave the process, so it has to answer: it is asked for each record.
_NEVER_SWITCHED_OFF = frozenset({"phospho_before_send"})


@dataclass
class _Implementation:
    """One plugin's function for one hook, and how it has behaved."""

    plugin: str
    hook: str
    call: Callable[..., Any]
    argument_names: tuple[str, ...]
    advice: str
    failures_in_a_row: int = 0

    @property
    def is_switched_off(self) -> bool:
        return (
            self.failures_in_a_row >= MAX_FAILURES_IN_A_ROW and self.hook not in _NEVER_SWITCHED_OFF
        )

    def ask(self, accept: Callable[[Any], Any], arguments: dict[str, Any]) -> Any:
        """Return the answer as `accept` returns it, None where there is none, or `_FAILED`."""
        if self.is_switched_off:
            return None
        started = time.monotonic()
        try:
            answer = self.call(*(arguments[name] for name in self.argument_names))
            accepted = None if answer is None else accept(answer)
        except Exception as exc:  # noqa: BLE001 - a stranger's plugin may raise anything
            self._count_failure(exc)
            return _FAILED
        elapsed_s = time.monotonic() - started
        if elapsed_s > MAX_CALL_S and self.hook in _ON_THE_APPS_THREAD:
            self._count_slowness(elapsed_s)
        else:
            self.failures_in_a_row = 0
        return accepted

    def _count_failure(self, exc: Exception) -> None:
        self.failures_in_a_row += 1
        guard.report_once(
            f"plugin:{self.plugin}:{self.hook}",
            "The phospho plugin %r failed in %s: %s (%s). %s. Fix it, or %s.",
            self.plugin,
            self.hook,
            guard.words_of(exc),
            type(exc).__name__,
            "What it fails on is not sent"
            if self.hook in _NEVER_SWITCHED_OFF
            else f"Its answer is ignored; after {MAX_FAILURES_IN_A_ROW} failures in a row it is "
            "not asked again",
            self.advice,
            exc=exc,
        )

    def _count_slowness(self, elapsed_s: float) -> None:
        self.failures_in_a_row += 1
        guard.report_once(
            f"slow_plugin:{self.plugin}:{self.hook}",
            "The phospho plugin %r took %.1f s in %s, on your app's own thread. Its answer is "
            "used%s. Make it faster, or %s.",
            self.plugin,
            elapsed_s,
            self.hook,
            ""
            if self.hook in _NEVER_SWITCHED_OFF
            else f"; after {MAX_FAILURES_IN_A_ROW} such calls in a row it is not asked again",
            self.advice,
        )


# The answer of an implementation that raised, or answered with something unusable.
_FAILED = object()


@dataclass(frozen=True)
class PluginReport:
    """A plugin as `phospho plugins` shows it; only an installed package has a version."""

    name: str
    version: str | None
    hooks: tuple[str, ...]


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
    # Of those that installed packages declare.
    _versions: dict[str, str | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        for module_name in self.built_in:
            self._register(importlib.import_module(module_name), module_name)
        disabled = _disabled_names()
        if self.entry_points and "all" not in disabled:
            self._register_entry_points(disabled)
        for plugin in self.plugins:
            # Its package may be installed as well: then it is there already.
            if self._manager.get_name(plugin) not in self._versions:
                self._register(plugin, self._name_of(plugin))
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
                    guard.words_of(exc),
                    type(exc).__name__,
                    exc=exc,
                )
                continue
            dist = entry_point.dist
            self._versions[entry_point.name] = None if dist is None else dist.version

    def _name_of(self, plugin: object) -> str:
        """Return a module's name, or the class of an object, with a number where it is taken."""
        own = getattr(plugin, "__name__", None)
        if isinstance(own, str):
            return own
        name = kind = type(plugin).__qualname__
        number = 1
        while self._manager.has_plugin(name):
            number += 1
            name = f"{kind}-{number}"
        return name

    def _advice(self, name: str) -> str:
        """Return how to do without a plugin, as the words after "or"."""
        if name in self.built_in:
            return "report it: it is one of phospho's own"
        if name in self._versions:
            return f"leave it out with PHOSPHO_DISABLE_PLUGINS={name}"
        return "leave it out of plugins=[...]"

    def _register(self, plugin: object, name: str) -> None:
        if self._manager.is_registered(plugin):
            name = self._manager.get_name(plugin) or name
            raise PluginError(f"The phospho plugin {name!r} is given twice. Leave one out.")
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
                        self._advice(implementation.plugin_name),
                    )
                    for implementation in reversed(caller.get_hookimpls())
                ]

    def afresh(self) -> Plugins:
        """Return the same plugins, none of them switched off; what they do now counts there."""
        other = copy.copy(self)
        other._by_hook = {  # noqa: SLF001 - its own class
            hook: [replace(implementation, failures_in_a_row=0) for implementation in found]
            for hook, found in self._by_hook.items()
        }
        return other

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
            answer = implementation.ask(accept, arguments)
            if answer is not None and answer is not _FAILED:
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
            answer = implementation.ask(accept, arguments)
            if answer is not None and answer is not _FAILED:
                answers.append((implementation.plugin, answer))
        return answers

    def before_send(
        self, interaction: dict[str, Any]
    ) -> tuple[dict[str, Any], None] | tuple[None, str]:
        """Hand the record through every `phospho_before_send`.

        Returns:
            The record to send; or None and why it is dropped: `before_send` where a plugin said
            so, `before_send_failed` where one failed, for it may be there to remove a secret.
        """
        current = interaction
        for implementation in self._by_hook["phospho_before_send"]:
            answer = implementation.ask(_accept_record, {"interaction": dict(current)})
            if answer is None:
                return None, "before_send"
            if answer is _FAILED:
                return None, "before_send_failed"
            current = answer
        return current, None

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
            )
            for name, implementations in found.items()
        ]


def _accept_record(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise TypeError(f"returned {type(answer).__name__}, not the interaction or None")
    return answer


def _disabled_names() -> frozenset[str]:
    """Read `PHOSPHO_DISABLE_PLUGINS`: names of entry points, or `all`, separated by commas."""
    names = os.environ.get("PHOSPHO_DISABLE_PLUGINS", "").split(",")
    return frozenset("all" if n.strip() in {"1", "true"} else n.strip() for n in names)


def accept_sequence_of(kind: type, *, unique: str) -> Callable[[Any], Sequence[Any]]:
    """Return a check that an answer is a list of `kind`, each with a text `unique` attribute."""

    def accept(answer: Any) -> Sequence[Any]:
        items = list(answer)
        for item in items:
            if not isinstance(item, kind) or not isinstance(getattr(item, unique), str):
                raise TypeError(f"{item!r} is not a {kind.__name__}")
        return items

    return accept
