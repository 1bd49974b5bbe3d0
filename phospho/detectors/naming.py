"""Gives shapes the names that descriptions call them by."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from phospho.detectors.shapes import Shape


@dataclass(frozen=True)
class Named:
    """A shape and its names, in base forms.

    Args:
        shape: The shape.
        names: The first is the one shown.
        is_format: Whether it is seen, not said: a user who "mentions a table" has none in mind.
        is_common: Whether its name means other things too, unless a message contains it.
        is_sign: Whether it is a punctuation mark or the like.
        is_mass: Whether nobody counts it: "code" is in backticks, "a code" is not.
        is_span: Whether several of them are a length of time: "two years".
    """

    shape: Shape
    names: tuple[str, ...]
    is_format: bool = False
    is_common: bool = False
    is_sign: bool = False
    is_mass: bool = False
    is_span: bool = False


def named(
    names: str,
    pattern: str,
    *,
    one: str = "",
    many: str = "",
    keep: Callable[[str], bool] | None = None,
    lines: bool = False,
    has_case: bool = False,
    is_format: bool = False,
    is_common: bool = False,
    is_mass: bool = False,
    is_span: bool = False,
) -> Named:
    """Return a shape with its names, of which there are commas between.

    Args:
        names: In base forms; the first is shown, with its article, unless `one` is given.
        pattern: Where it stands.
        one: What people call it.
        many: What people call several, if they do not just add an s.
        keep: Tells whether what the pattern found is it.
        lines: Whether `^` and `$` are the ends of lines.
        has_case: Whether upper and lower case differ.
        is_format: As in `Named`.
        is_common: As in `Named`.
        is_mass: As in `Named`.
        is_span: As in `Named`.
    """
    every = tuple(name.strip() for name in names.split(","))
    one = one or f"{'an' if every[0][0] in 'aeiou' else 'a'} {every[0]}"
    flags = (re.MULTILINE if lines else 0) | (0 if has_case else re.IGNORECASE)
    shape = Shape(one, many or _plural(one), re.compile(pattern, flags), keep)
    return Named(shape, every, is_format, is_common, is_mass=is_mass, is_span=is_span)


def _plural(one: str) -> str:
    """Return "links" for "a link"."""
    noun = one.split(" ", 1)[1]
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def sign(names: str, pattern: str) -> Named:
    """Return a punctuation mark or the like, with its names."""
    every = tuple(name.strip() for name in names.split(","))
    one = f"{'an' if every[0][0] in 'aeiou' else 'a'} {every[0]}"
    shape = Shape(one, _plural(one), re.compile(pattern), is_strict=True)
    return Named(shape, every, is_sign=True)
