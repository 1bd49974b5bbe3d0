"""Read the chunks of an app's own streams: dicts and objects with a text under a usual name."""

from __future__ import annotations

from typing import Any

from phospho import snapshot
from phospho.extractors.chunks import ChunkReader
from phospho.extractors.fields import get, is_mapping

# What apps call the next piece of an answer, the surest first.
NAMES = (
    "delta", "token", "text", "content", "chunk", "answer", "response", "output", "completion",
    "reply", "message",
)  # fmt: skip


class Chunks(ChunkReader):
    """Reads chunks that hold their text under a usual name, themselves or one level below."""

    def add(self, chunk: Any) -> bool:
        """Read one chunk; one without a text under such a name is not of this format."""
        fields = chunk if is_mapping(chunk) else _fields_of(chunk)
        for name in NAMES:
            found = fields.get(name)
            if found is None:
                continue
            text = found if isinstance(found, str) else _inner_text(found)
            if text is not None:
                self.texts.append(text)
                return True
        return False


def _fields_of(chunk: Any) -> dict[str, Any]:
    """Return an object's fields; what is called a token is a secret anywhere but in a stream."""
    return {"token": get(chunk, "token"), **(snapshot.public_fields(chunk) or {})}


def _inner_text(value: Any) -> str | None:
    if not is_mapping(value):
        return None
    for name in NAMES:
        found = value.get(name)
        if isinstance(found, str):
            return found
    return None
