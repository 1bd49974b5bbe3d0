"""Builds the plugin manager, and runs a hook so that one bad plugin cannot hurt another."""

from __future__ import annotations

import contextlib
import copy
import importlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from typing import Any

import pluggy

from phospho import guard, hookspecs, lifecycle, snapshot
from phospho.errors import PluginError
from phospho.extractors import catalogue
from phospho.implementation import FAILED, Implementation
from phospho.plugin_checks import disabled_names, fault_of, names_sending, speaks_of_sending

ENTRY_POINT_GROUP = "phospho"

# What a server needs beside extractors; an app that logs does not pay for loading it.
BUILT_IN = ("phospho.detectors.builtin",)

# How long a log may wait for plugins that another thread is loading.
MAX_WAIT_S = 2.0


@dataclass(frozen=True)
class PluginReport:
    """A plugin as `phospho plugins` shows it; only an installed package has a version.

    Args:
        name: That of its entry point, module or class.
        version: That of its package.
        hooks: What it implements, in no particular order.
        failures: How often it raised, was too slow or answered with something unusable, in this
            process; a package that could not be loaded has failed once.
        last_failure: The last of these in words.
    """

    name: str
    version: str | None
    hooks: tuple[str, ...]
    failures: int = 0
    last_failure: str | None = None


@dataclass
class Plugins:
    """The plugins of one client or one server.

    What installed packages declare is loaded when a hook is first asked for, and a built-in
    extractor when a value first appears that may be its.

    Args:
        plugins: Modules or objects given by the caller; asked before all others.
        entry_points: Whether to load the plugins that installed packages declare.
        built_in: The built-in plugins to load beside extractors, by module name.

    Attributes:
        is_complete: Whether what installed packages declare is loaded.

    Raises:
        PluginError: When one of `plugins` implements a hook that does not exist, names an
            argument a hook does not have, or asks for `wrapper=True`.
    """

    plugins: Iterable[object] = ()
    entry_points: bool = True
    built_in: Sequence[str] = BUILT_IN
    _manager: pluggy.PluginManager = field(init=False)
    _by_hook: dict[str, list[Implementation]] = field(init=False, default_factory=dict)
    _extractors: dict[str, dict[str, Implementation]] = field(init=False, default_factory=dict)
    # Of those that installed packages declare.
    _versions: dict[str, str | None] = field(init=False, default_factory=dict)
    _unloadable: dict[str, str] = field(init=False, default_factory=dict)
    is_complete: bool = field(init=False, default=False)
    _is_broken: bool = field(init=False, default=False)
    _loading_threads: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.plugins = tuple(self.plugins)
        # What the caller hands over is refused now; what others installed is not his mistake.
        self._build({})

    def _build(self, installed: Mapping[str, object]) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        for module_name in self.built_in:
            self._register(importlib.import_module(module_name), module_name)
        for name, plugin in installed.items():
            with self._reporting(name, partial(names_sending, plugin)):
                self._register(plugin, name)
        for plugin in self.plugins:
            # Its package may be installed as well: then it is there already.
            if self._manager.get_name(plugin) not in installed:
                self._register(plugin, self._name_of(plugin))
        self._by_hook = {
            hook: self._implementations(caller)
            for hook, caller in vars(self._manager.hook).items()
            if hook.startswith("phospho_")
        }

    def complete(self) -> bool:
        """Add what installed packages declare; False while that is still under way."""
        if self.is_complete:
            return True
        me = threading.get_ident()
        # A plugin's package may log while it is imported; or wait for a module that another
        # thread imports, which logs and so waits here.
        if me in self._loading_threads or not lifecycle.loading.acquire(timeout=MAX_WAIT_S):
            return False
        self._loading_threads.add(me)
        try:
            if not self.is_complete:
                self._build(self._load_installed())
                self.is_complete = True
        except Exception as exc:  # noqa: BLE001 - a broken installation must not hurt the app
            # What redacts may be among what was not found.
            self._is_broken = self.is_complete = True
            guard.report_once(
                "broken_plugins",
                "Nothing is sent to phospho: it could not look for installed plugins: %s (%s). "
                "Repair the installation, or leave them out with PHOSPHO_DISABLE_PLUGINS=all; then "
                "start the app again.",
                guard.words_of(exc),
                type(exc).__name__,
                exc=exc,
            )
        finally:
            self._loading_threads.discard(me)
            lifecycle.loading.release()
        return True

    def _load_installed(self) -> dict[str, object]:
        """Load what installed packages declare; a package that cannot be loaded is left out."""
        disabled = disabled_names()
        if not self.entry_points or "all" in disabled:
            return {}
        found: dict[str, object] = {}
        for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
            name = entry_point.name
            if name in disabled:
                continue
            self._versions[name] = None if entry_point.dist is None else entry_point.dist.version
            with self._reporting(name, partial(speaks_of_sending, entry_point)):
                plugin = entry_point.load()
                namesake = found.get(name) or self._manager.get_plugin(name)
                if namesake is not None and namesake is not plugin:
                    raise PluginError(f"Two phospho plugins are called {name!r}.")
                found[name] = plugin
        return found

    @contextlib.contextmanager
    def _reporting(self, name: str, may_redact: Callable[[], bool]) -> Iterator[None]:
        """Leave an installed plugin out where it raises: a stranger's package may do anything."""
        try:
            yield
        except Exception as exc:  # noqa: BLE001 - see above
            self._unloadable[name] = f"{guard.words_of(exc)} ({type(exc).__name__})"
            is_closed = may_redact()
            self._is_broken = self._is_broken or is_closed
            guard.report_once(
                f"entry_point:{name}",
                "The installed phospho plugin %r could not be loaded: %s. %s with "
                "PHOSPHO_DISABLE_PLUGINS=%s.",
                name,
                self._unloadable[name],
                "Nothing is sent meanwhile, for it may be there to remove secrets: repair or "
                "uninstall its package, or leave it out"
                if is_closed
                else "It is left out: upgrade or uninstall its package, or say so",
                name,
                exc=exc,
            )

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
        if isinstance(plugin, type):
            raise PluginError(f"The phospho plugin {name!r} is a class. Pass an object: {name}().")
        try:
            self._manager.register(plugin, name)
            self._refuse_what_is_never_called(name)
        except pluggy.PluginValidationError as exc:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            raise PluginError(
                f"The phospho plugin {name!r} was refused: {exc}. "
                "The hooks and their arguments are listed in phospho/hookspecs.py."
            ) from exc

    def _refuse_what_is_never_called(self, name: str) -> None:
        """Refuse a misspelt hook now, and what would silently do nothing."""
        self._manager.check_pending()
        plugin = self._manager.get_plugin(name)
        callers = self._manager.get_hookcallers(plugin)
        for caller in callers or ():
            for implementation in caller.get_hookimpls():
                fault = fault_of(implementation)
                if implementation.plugin_name == name and fault is not None:
                    raise pluggy.PluginValidationError(plugin, f"{caller.name} {fault}")
        if not callers:
            raise pluggy.PluginValidationError(
                plugin,
                f"{snapshot.describe(plugin)} implements no hook: mark its functions with "
                "@phospho.hookimpl",
            )

    def _implementations(self, caller: pluggy.HookCaller) -> list[Implementation]:
        """Return those of one hook in the order in which they are asked."""
        # pluggy lists implementations in the reverse of its calling order.
        return [
            Implementation(
                found.plugin_name,
                caller.name,
                found.function,
                tuple(found.argnames),
                self._advice(found.plugin_name),
                is_last=found.trylast,
            )
            for found in reversed(caller.get_hookimpls())
        ]

    def _extractor(self, name: str) -> dict[str, Implementation]:
        """Return the hooks of a built-in extractor, loaded when it is first needed."""
        found = self._extractors.get(name)
        if found is None:
            with lifecycle.loading:
                found = _load_extractor(name)
                self._extractors[name] = found
        return found

    def extractors(self, hook: str, value: Any) -> Iterator[Implementation]:
        """Yield whom to ask about a value: plugins, then our extractors that may know it.

        Our extractors come by the package the value is of, then by its shape; a plugin that says
        `trylast=True` is asked after them, and only what reads everything after that.
        """
        self.complete()
        plugins = self._by_hook[hook]
        yield from (plugin for plugin in plugins if not plugin.is_last)
        for name in catalogue.find(value):
            if (own := self._extractor(name).get(hook)) is not None:
                yield own
        yield from (plugin for plugin in plugins if plugin.is_last)
        yield self._extractor(catalogue.FALLBACK)[hook]

    def own(self, hook: str) -> list[Implementation]:
        """Return whom to ask before our own: plugins, but those that say `trylast=True`."""
        self.complete()
        return [i for i in self._by_hook[hook] if i.plugin not in self.built_in and not i.is_last]

    def afresh(self) -> Plugins:
        """Return the same plugins, none of them switched off; what they do now counts there."""
        self.complete()
        other = copy.copy(self)
        other._by_hook = {  # noqa: SLF001 - its own class
            hook: [implementation.afresh() for implementation in found]
            for hook, found in self._by_hook.items()
        }
        other._extractors = {}  # noqa: SLF001
        return other

    def has(self, hook: str) -> bool:
        """Tell whether any plugin may implement `hook`; loads what installed packages declare."""
        return not self.complete() or self._is_broken or bool(self._by_hook[hook])

    def each(
        self, hook: str, accept: Callable[[Any], Any], **arguments: Any
    ) -> list[tuple[str, Any]]:
        """Return `(plugin name, accepted answer)` of every plugin that answered.

        Order is that of registration, the built-in ones first.

        Args:
            hook: The hook's name.
            accept: Turns an answer into what is wanted, and raises if it cannot be used.
            **arguments: The hook's arguments.
        """
        self.complete()
        answers = []
        for implementation in reversed(self._by_hook[hook]):
            answer = implementation.ask(accept, arguments)
            if answer is not None and answer is not FAILED:
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
        return self._chain("phospho_before_send", "interaction", interaction)

    def before_send_feedback(
        self, feedback: dict[str, Any]
    ) -> tuple[dict[str, Any], None] | tuple[None, str]:
        """Hand feedback through every `phospho_before_send_feedback`; see `before_send`."""
        return self._chain("phospho_before_send_feedback", "feedback", feedback)

    def _chain(
        self, hook: str, argument: str, first: dict[str, Any]
    ) -> tuple[dict[str, Any], None] | tuple[None, str]:
        if not self.complete() or self._is_broken:
            return None, "before_send_failed"
        current = first
        for implementation in self._by_hook[hook]:
            answer = implementation.ask(_accept_record, {argument: dict(current)})
            if answer is None:
                return None, "before_send"
            if answer is FAILED:
                return None, "before_send_failed"
            current = answer
        return current, None

    def implementers(self, hook: str) -> list[str]:
        """Return the names of the plugins that implement `hook`."""
        self.complete()
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
        """Describe every plugin: the built-in ones, then the others as they were registered."""
        self.complete()
        found: dict[str, list[Implementation]] = {
            f"{catalogue.PACKAGE}.{name}": list(self._extractor(name).values())
            for name in catalogue.every_name()
        }
        found |= {name: [] for name, _ in self._manager.list_name_plugin()}
        for implementations in self._by_hook.values():
            for implementation in implementations:
                found[implementation.plugin].append(implementation)
        reports = [self._report(name, hooks) for name, hooks in found.items()]
        return reports + [
            PluginReport(name, self._versions.get(name), (), 1, failure)
            for name, failure in self._unloadable.items()
        ]

    def _report(self, name: str, hooks: Sequence[Implementation]) -> PluginReport:
        said = [hook.last_failure for hook in hooks if hook.last_failure]
        return PluginReport(
            name=name,
            version=self._versions.get(name),
            hooks=tuple(hook.hook for hook in hooks),
            failures=sum(hook.failures for hook in hooks),
            last_failure=said[-1] if said else None,
        )

    def failures(self) -> dict[str, int]:
        """Return how often each plugin that failed has, in this process, by name."""
        counts = dict.fromkeys(self._unloadable, 1)
        for hooks in (*self._by_hook.values(), *(o.values() for o in self._extractors.values())):
            for hook in hooks:
                if hook.failures:
                    counts[hook.plugin] = counts.get(hook.plugin, 0) + hook.failures
        return counts


def _load_extractor(name: str) -> dict[str, Implementation]:
    """Import a built-in extractor; it is a plugin as any other, so pluggy reads its hooks."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    module_name = f"{catalogue.PACKAGE}.{name}"
    manager.register(importlib.import_module(module_name), module_name)
    return {
        caller.name: Implementation(
            module_name,
            caller.name,
            found.function,
            tuple(found.argnames),
            "report it: it is one of phospho's own",
            is_ours=True,
        )
        for caller in vars(manager.hook).values()
        if isinstance(caller, pluggy.HookCaller)
        for found in caller.get_hookimpls()
    }


def _accept_record(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise TypeError(f"returned {type(answer).__name__}, not a dict or None")
    return answer


def accept_sequence_of(kind: type, *, unique: str) -> Callable[[Any], Sequence[Any]]:
    """Return a check that an answer is a list of `kind`, each with a text `unique` attribute."""

    def accept(answer: Any) -> Sequence[Any]:
        items = list(answer)
        for item in items:
            if not isinstance(item, kind) or not isinstance(getattr(item, unique), str):
                raise TypeError(f"{item!r} is not a {kind.__name__}")
        return items

    return accept
