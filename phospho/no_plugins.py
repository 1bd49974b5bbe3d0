"""Stands in for plugins where not even pluggy can be loaded."""

from __future__ import annotations

from typing import Any


class NoPlugins:
    """Answers what a client asks of `Plugins`: there are none, and none to wait for."""

    def complete(self) -> bool:
        """Tell that there is nothing to load."""
        return True

    def has(self, hook: str) -> bool:  # noqa: ARG002 - as in `Plugins`
        """Tell that nobody implements a hook."""
        return False

    def extractors(self, hook: str, value: Any) -> tuple[()]:  # noqa: ARG002 - as in `Plugins`
        """Return whom to ask about a value: nobody."""
        return ()

    def own(self, hook: str) -> tuple[()]:  # noqa: ARG002 - as in `Plugins`
        """Return which plugins that are not ours implement a hook: none."""
        return ()

    def failures(self) -> dict[str, int]:
        """Return that none has failed."""
        return {}
