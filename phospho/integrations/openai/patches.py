"""Puts functions of ours in the place of a class's or an object's own, and takes them out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_PATCH = "__phospho_patch__"


class Switch:
    """Whether functions of ours listen: those of a client and of its copies together."""

    def __init__(self) -> None:
        self.is_on = True


class _Patch:
    """What a function of ours stands for.

    It goes along to what others wrap around that function, which is then no more ours to remove.

    Args:
        ours: The function.
        former: What stood in its place; None where that was inherited.
        switch: Whether it listens.
    """

    def __init__(self, ours: Callable[..., Any], former: Any, switch: Switch) -> None:
        self.ours = ours
        self.former = former
        self.switch = switch


def put(owner: Any, name: str, ours: Any, switch: Switch) -> None:
    """Set an attribute to a function of ours."""
    setattr(ours, _PATCH, _Patch(ours, vars(owner).get(name), switch))
    setattr(owner, name, ours)


def switch_on(owner: Any, name: str) -> bool:
    """Have a function of ours listen that is there already; returns whether it is."""
    patch = _find(owner, name)
    if patch is not None:
        patch.switch.is_on = True
    return patch is not None


def take_out(owner: Any, name: str) -> None:
    """Put back what was there; where others stand in front of ours, it stays and passes on."""
    patch = _find(owner, name)
    if patch is None:
        return
    patch.switch.is_on = False
    if vars(owner)[name] is not patch.ours:
        return
    if patch.former is None:
        delattr(owner, name)
    else:
        setattr(owner, name, patch.former)


def _find(owner: Any, name: str) -> _Patch | None:
    patch = getattr(vars(owner).get(name), _PATCH, None)
    return patch if isinstance(patch, _Patch) else None
