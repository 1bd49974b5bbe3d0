"""Ask the extractor plugins what text and facts a logged value holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phospho.models import Side
    from phospho.plugins import Plugins


@dataclass(frozen=True)
class Extracted:
    """What an extractor read out of a value.

    Args:
        text: What the user said, or saw.
        model: Name of the model.
        usage: Token counts: `prompt_tokens`, `completion_tokens`, `total_tokens`.
        system_prompt: Instructions the app gave to the model.
        finish_reason: Why the model stopped, in the vendor's word.
        tool_calls: One `{"name": str, "arguments": str}` for each call the model asked for.
        error: `{"type": str, "message": str}` where the value says that the answer failed.
        extra: Further facts; they become metadata.
    """

    text: str
    model: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    system_prompt: str | None = None
    finish_reason: str | None = None
    tool_calls: Sequence[Mapping[str, str]] = ()
    error: Mapping[str, str] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


_HOOKS = {"input": "phospho_extract_input", "output": "phospho_extract_output"}


def extract(value: object, side: Side, plugins: Plugins) -> Extracted | None:
    """Return the first usable answer of the plugins, or None where none has one.

    Args:
        value: What was logged; it is handed to the plugins untouched.
        side: Whether it is what the user said or what the app answered.
        plugins: Asked in their order: the user's, those of packages, the built-in ones.
    """
    for implementation in plugins.extractors(_HOOKS[side], value):
        answer = implementation.ask(accept, {"value": value})
        if isinstance(answer, Extracted):
            return answer
    return None


def ask_plugins(value: object, side: Side, plugins: Plugins) -> Extracted | None:
    """Return the first usable answer of the plugins that are asked before ours, or None."""
    for implementation in plugins.own(_HOOKS[side]):
        answer = implementation.ask(accept, {"value": value})
        if isinstance(answer, Extracted):
            return answer
    return None


def is_fallback(facts: Extracted) -> bool:
    """Tell whether nobody knew the value, so that its text is only what can be shown of it."""
    return facts.extra.get("extractor") == "fallback"


def accept(answer: object) -> Extracted:
    """Return an answer in its full form.

    Raises:
        TypeError: When it is neither text nor an `Extracted` of the right types.
    """
    if isinstance(answer, str):
        return Extracted(text=answer)
    if not isinstance(answer, Extracted):
        raise TypeError(f"returned {type(answer).__name__}, not a str or phospho.Extracted")
    for name, kind in _KINDS.items():
        if not isinstance(getattr(answer, name), kind):
            raise TypeError(f"returned an Extracted whose {name} is not {kind}")
    if answer.error is not None and not {"type", "message"} <= answer.error.keys():
        raise TypeError("returned an Extracted whose error lacks a type or a message")
    return answer


_KINDS: dict[str, type | tuple[type, ...]] = {
    "text": str,
    "model": (str, type(None)),
    "usage": Mapping,
    "system_prompt": (str, type(None)),
    "finish_reason": (str, type(None)),
    "tool_calls": (list, tuple),
    "error": (Mapping, type(None)),
    "extra": Mapping,
}
