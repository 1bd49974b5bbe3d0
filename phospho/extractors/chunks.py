"""Puts the chunks of a streamed answer together.

A source whose answers are streamed has a class `Chunks`, made of `ChunkReader`. The same class
reads a stream that goes by and a list of chunks that an app collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phospho.extraction import Extracted


class ChunkReader:
    """Reads the chunks of one stream as they go by, and keeps none of them.

    A subclass sets the attributes below in `add`; none of them may hold a chunk or a part of one
    that is not a text or number, for the app may change it afterwards.

    Args:
        texts: Where to append what the user saw; texts that the stream gave as such are in it too.

    Attributes:
        model, usage, system_prompt, finish_reason, error, extra: As in `Extracted`.
        calls: The tool calls that came in pieces, by what identifies them in the stream.
    """

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts
        self.model: str | None = None
        self.usage: dict[str, int] = {}
        self.system_prompt: str | None = None
        self.finish_reason: str | None = None
        self.error: dict[str, str] | None = None
        self.extra: dict[str, Any] = {}
        self.calls: dict[Any, CallInPieces] = {}

    def add(self, chunk: Any) -> bool:
        """Read one chunk, and tell whether it is of this format.

        Called on the app's thread between two tokens, so it takes a microsecond or two.
        """
        raise NotImplementedError

    def call(self, key: Any) -> CallInPieces:
        """Return the tool call that a stream knows by `key`, a new one the first time."""
        return self.calls.setdefault(key, CallInPieces())

    def attach(self, kind: str, *, is_piece: bool = False) -> None:
        """Count a file, or, of one that comes in pieces, the first of them."""
        attached = self.extra.setdefault("attachments", {})
        attached[kind] = 1 if is_piece else attached.get(kind, 0) + 1

    def text(self) -> str:
        """Return what the user saw: the texts, or the calls where there are none."""
        text = "".join(self.texts)
        return text or "\n".join(f"{call.name}({call.arguments})" for call in self.calls.values())

    def read(self) -> Extracted:
        """Return what the chunks so far amount to."""
        return Extracted(
            text=self.text(),
            model=self.model,
            usage=self.usage,
            system_prompt=self.system_prompt,
            finish_reason=self.finish_reason,
            tool_calls=[
                {"name": call.name, "arguments": call.arguments} for call in self.calls.values()
            ],
            error=self.error,
            extra=self.extra,
        )


class CallInPieces:
    """A tool call whose name and arguments come in pieces."""

    __slots__ = ("_arguments", "_name")

    def __init__(self) -> None:
        self._name: list[str] = []
        self._arguments: list[str] = []

    def add(self, name: str | None, arguments: str | None) -> None:
        """Add what one chunk says of it."""
        if name:
            self._name.append(name)
        if arguments:
            self._arguments.append(arguments)

    @property
    def name(self) -> str:
        """The name so far."""
        return "".join(self._name)

    @property
    def arguments(self) -> str:
        """The arguments so far, as JSON text."""
        return "".join(self._arguments)


def read_list(reader: ChunkReader, chunks: Sequence[Any]) -> Extracted | None:
    """Return what a list of chunks amounts to, or None where not all are of the reader's format."""
    return reader.read() if chunks and all(reader.add(chunk) for chunk in chunks) else None
