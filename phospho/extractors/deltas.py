"""Read the chunks of an app's own streams: dicts and objects with a text under a usual name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from phospho import snapshot
from phospho.extractors.chunks import ChunkReader
from phospho.extractors.fields import get, is_mapping
from phospho.extractors.messages import content_text

if TYPE_CHECKING:
    from phospho.extraction import Extracted

# What apps call the next piece of an answer, the surest first.
NAMES = (
    "delta", "token", "text", "content", "chunk", "answer", "response", "output", "completion",
    "reply", "message",
)  # fmt: skip


# More texts that each hold the one before are no accident.
_SURE = 3


class Chunks(ChunkReader):
    """Reads chunks that hold their text under a usual name, themselves or one level below.

    Texts are pieces of the answer, or each is the answer so far. A last one that repeats all of
    it counts once.
    """

    def __init__(self, texts: list[str]) -> None:
        super().__init__(texts)
        # The answer so far, as long as each text holds the one before; and all of them, until
        # there are too many for an accident.
        self._whole: str | None = ""
        self._wholes: list[str] = []
        self._last = self._added = ""
        # The first text that does not hold the one before; what it, and that, is called, and of
        # what type its chunk is.
        self._other = ""
        self._place: Any = None
        self._before: Any = None

    def add(self, chunk: Any) -> bool:
        """Read one chunk; one without a text under such a name is not of this format."""
        is_named = chunk.__class__ is dict or is_mapping(chunk)
        fields = chunk if is_named else _fields_of(chunk)
        for name in NAMES:
            found = fields.get(name)
            if found is None:
                continue
            text = found if found.__class__ is str else _text_of(found)
            if text is not None:
                if text:
                    self._last = text
                    if self._whole is not None:
                        text = self._growth_to(text, (name, fields.get("type")))
                    self.texts.append(text)
                return True
        return False

    def _growth_to(self, text: str, place: Any) -> str:
        """Return what a text adds to the answer so far: all of it, if it is a piece."""
        whole = self._whole or ""
        self._before, self._place = self._place, place
        if not self._holds(text, whole):
            self._end_growth()
            self._other = text
            return text
        self._whole = text
        self._added = text[len(whole) :]
        if len(self._wholes) <= _SURE:
            self._wholes.append(text)
        return self._added

    def _holds(self, text: str, whole: str) -> bool:
        """Tell whether a text is the answer so far with more behind it, or once more."""
        if whole and (not self.texts or self.texts[-1] is not self._added):
            return False
        return text.startswith(whole) and (len(text) > len(whole) or len(self._wholes) > 1)

    def _end_growth(self) -> None:
        """Take the texts so far as pieces, if they were not too many for that."""
        self._whole = None
        first = len(self.texts) - len(self._wholes)
        if len(self._wholes) <= _SURE and self.texts[first:] == _growth(self._wholes):
            self.texts[first:] = self._wholes

    def read(self) -> Extracted:
        """Return what the chunks so far amount to."""
        texts = self.texts
        is_piece = self._whole is not None or not texts or texts[-1] is not self._last
        if not is_piece and self._may_repeat() and self._last == "".join(texts[:-1]):
            texts.pop()
        return super().read()

    def _may_repeat(self) -> bool:
        """Tell whether the last text comes after several, or stands where the first does not."""
        return self._last is not self._other or self._place != self._before


def _growth(wholes: Sequence[str]) -> list[str]:
    return [text[len(before) :] for before, text in zip(["", *wholes], wholes, strict=False)]


def _fields_of(chunk: Any) -> dict[str, Any]:
    """Return an object's fields; what is called a token is a secret anywhere but in a stream."""
    return {"token": get(chunk, "token"), **(snapshot.public_fields(chunk) or {})}


def _text_of(value: Any) -> str | None:
    if isinstance(value, str):
        return str.__str__(value)
    for name in NAMES:
        found = get(value, name)
        if isinstance(found, str):
            return found
        if name == "content" and isinstance(found, (list, tuple)):
            return content_text(found)
    return None
