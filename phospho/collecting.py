"""Collects what goes by in a stream: texts, and chunks in the formats of the extractors."""

from __future__ import annotations

import codecs
import importlib
import sys
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from phospho import guard, lifecycle, sent_events, snapshot
from phospho.extraction import Extracted, ask_plugins, extract, is_fallback
from phospho.extractors import catalogue
from phospho.reading import Reading, ask_app

if TYPE_CHECKING:
    from phospho.extractors.chunks import ChunkReader
    from phospho.models import Side
    from phospho.plugins import Plugins

# Texts are joined in blocks of so many, so that a long stream does not keep a million of them.
_BLOCK = 1_024

# Of chunks in no known format, and where plugins are to read them, so many are kept.
_MAX_KEPT = snapshot.MAX_ITEMS
_MAX_KEPT_BYTES = 8_000_000

# At the end of a stream the app waits while these are read; what is not read by then is cut.
_MAX_READING_S = 0.5


class Collector:
    """Takes what one stream gives, piece by piece, at a cost that does not grow.

    Args:
        plugins: Whose extractors are asked about chunks.
        to_text: The app's own extractor; reads each piece, before all others.
    """

    def __init__(self, plugins: Plugins, to_text: Callable[[Any], Any] | None = None) -> None:
        self.texts: list[str] = []
        self._plugins = plugins
        self._to_text = to_text
        self._readers: dict[str, ChunkReader] = {}
        self._reader: ChunkReader | None = None
        self._bytes = _Bytes(self.texts)
        # Plugins are asked when the stream has ended: they must not hold it up.
        self._for_plugins: list[Any] | None = [] if plugins.own("phospho_extract_output") else None
        self._unknown: list[Any] = []
        self._is_in_events = False
        self._count = self._joined = self._chars = self._kept_bytes = 0
        self._is_cut = False

    def add(self, piece: Any) -> None:
        """Take in one piece; called between two tokens of the app."""
        self._count += 1
        if not self._count % _BLOCK:
            self._join_block()
        if self._chars > snapshot.MAX_TEXT_CHARS:
            return
        if self._to_text is not None:
            text = ask_app(self._to_text, piece, "output")
            if text is not None:
                self.texts.append(text)
                self._chars += len(text)
                return
        if piece.__class__ is str:
            self.texts.append(piece)
            self._chars += len(piece)
            return
        count = len(self.texts)
        if self._for_plugins is not None or self._reader is None or not _takes(self._reader, piece):
            self._add_other(piece)
        if len(self.texts) > count:
            self._chars += len(self.texts[-1])

    def _join_block(self) -> None:
        # The last one stays, for it may repeat what came before.
        self.texts[self._joined : -1] = ["".join(self.texts[self._joined : -1])]
        self._joined += 1

    def _keep(self, piece: Any, kept: list[Any]) -> None:
        """Keep a chunk until the stream is over, if there is room."""
        self._kept_bytes += _size_of(piece)
        if len(kept) < _MAX_KEPT and self._kept_bytes < _MAX_KEPT_BYTES:
            kept.append(piece)

    def _add_other(self, piece: Any) -> None:
        if piece is None:
            return
        if isinstance(piece, str):
            self.texts.append(str.__str__(piece))
        elif isinstance(piece, (bytes, bytearray)):
            self._bytes.add(bytes(piece))
        else:
            if self._for_plugins is not None:
                self._keep(piece, self._for_plugins)
            if not self._read_other(piece):
                self._keep(piece, self._unknown)

    def _read_other(self, piece: Any) -> bool:
        """Read a chunk, or what an event has in it; of one, most likely the next is another."""
        if self._is_in_events and self._read_event(piece):
            return True
        return self._read_chunk(piece) or self._read_event(piece)

    def _read_event(self, piece: Any) -> bool:
        """Read the data of a server-sent event, as web frameworks take it to send it."""
        data = sent_events.data_of(piece)
        if data.__class__ is str:
            self.texts.append("" if data.strip() == sent_events.END else data)
        elif data is None or isinstance(data, (list, tuple)) or not self._read_chunk(data):
            return False
        self._is_in_events = True
        return True

    def _read_chunk(self, piece: Any) -> bool:
        """Give a chunk to the reader that took the one before, else to those of its source."""
        if self._reader is not None and _takes(self._reader, piece):
            return True
        if len(self._unknown) > _BLOCK:
            # A stream of so many is in no format of ours; to look further would cost each token.
            return False
        for name in dict.fromkeys(catalogue.find_chunk_readers(piece)):
            reader = self._readers.get(name)
            if reader is None:
                reader = _load_reader(name)(self.texts)
            if _takes(reader, piece):
                self._readers[name] = self._reader = reader
                return True
        return False

    def read(self, type_name: str) -> Reading:
        """Return what all of it amounts to."""
        self._unknown = _without_stages(self._unknown)
        facts = self._read_by_plugins() or self._read_all()
        cut = []
        text = snapshot.without_long_files(facts.text)
        if len(text) > snapshot.MAX_TEXT_CHARS or self._is_cut:
            cut.append("text")
        text = snapshot.clean_text(text)
        raw = snapshot.take(self._unknown, snapshot.MAX_RAW_CHARS) if self._unknown else None
        if raw is not None and raw.is_cut:
            cut.append("raw")
        size = snapshot.count_bytes(text) + (0 if raw is None else raw.size)
        kept = None if raw is None else raw.value
        return Reading(text or None, kept, type_name, size, facts, tuple(cut))

    def _read_by_plugins(self) -> Extracted | None:
        """Return what plugins read in the chunks, joined, or None where none knows any of them."""
        if not self._for_plugins:
            return None
        known = self._ask_about(self._for_plugins, ask_plugins)
        return _merge(known, "".join(answer.text for answer in known)) if known else None

    def _ask_about(
        self, chunks: list[Any], ask: Callable[[Any, Side, Plugins], Extracted | None]
    ) -> list[Extracted]:
        """Return what is read of each chunk, as long as the app can wait for it."""
        deadline = time.monotonic() + _MAX_READING_S
        known: list[Extracted] = []
        chars = 0
        for chunk in chunks:
            if time.monotonic() > deadline or chars > snapshot.MAX_TEXT_CHARS:
                self._is_cut = True
                break
            if (answer := ask(chunk, "output", self._plugins)) is not None:
                known.append(answer)
                chars += len(answer.text)
        return known

    def _read_all(self) -> Extracted:
        found = [reader.read() for reader in self._readers.values()]
        texts = "".join(self.texts) + self._bytes.description()
        is_text = not self._readers and not self._unknown
        if is_text and (events := sent_events.read_events(texts)) is not None:
            return self._read_events(events) or Extracted(texts)
        text = found[0].text if len(found) == 1 else texts
        if not text and self._unknown:
            known = self._ask_about(self._unknown, extract)
            is_read = [answer for answer in known if not is_fallback(answer)]
            text = "".join(a.text for a in is_read) or "\n".join(a.text for a in known)
            found += is_read or known
        return _merge(found, text)

    def _read_events(self, events: list[Any]) -> Extracted | None:
        inner = Collector(self._plugins, self._to_text)
        for event in events:
            inner.add(event)
        facts = inner._read_by_plugins() or inner._read_all()
        return facts if facts.text and not is_fallback(facts) else None


class _Bytes:
    """Takes the bytes of a stream: text in UTF-8, cut anywhere, or a file, which is counted."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._decode: Callable[[bytes], str] | None = None
        self._is_text = True
        self._first = self._count = 0

    def add(self, piece: bytes) -> None:
        """Take in one piece; with the first that is no text, those before it were none either."""
        if self._decode is None:
            self._decode = codecs.getincrementaldecoder("utf-8")().decode
            self._first = len(self._texts)
        self._count += len(piece)
        if not self._is_text:
            return
        try:
            self._texts.append(self._decode(piece))
        except UnicodeDecodeError:
            self._is_text = False
            del self._texts[self._first :]

    def description(self) -> str:
        """Return what is kept of a file, or an empty text."""
        return "" if self._is_text else f"({self._count} bytes)"


def _size_of(piece: Any) -> int:
    """Return about how many bytes a chunk takes, with what its fields hold."""
    fields = piece if piece.__class__ is dict else snapshot.public_fields(piece) or {}
    held = islice(fields.values(), _MAX_FIELDS)
    return sys.getsizeof(piece, 0) + sum(sys.getsizeof(value, 0) for value in held)


_MAX_FIELDS = 20


def _takes(reader: ChunkReader, piece: Any) -> bool:
    """Tell whether a reader knew a chunk; one that it fails on is left to the next."""
    try:
        return reader.add(piece)
    except Exception as exc:  # noqa: BLE001 - a stranger's chunk may raise anything
        guard.report_failure("read a chunk of a stream", exc)
        return False


def _load_reader(name: str) -> type[ChunkReader]:
    """Return the class with which an extractor reads streams."""
    with lifecycle.loading:
        module = importlib.import_module(f"{catalogue.PACKAGE}.{name}")
    reader: type[ChunkReader] = module.Chunks
    return reader


def _merge(found: list[Extracted], text: str) -> Extracted:
    """Return the facts of all, of later ones where they disagree, with one text."""
    usage: dict[str, int] = {}
    extra: dict[str, Any] = {}
    calls: list[Mapping[str, str]] = []
    single: dict[str, Any] = {}
    for facts in found:
        usage.update(facts.usage)
        extra.update(facts.extra)
        calls.extend(facts.tool_calls)
        for name in ("model", "system_prompt", "finish_reason", "error"):
            if getattr(facts, name) is not None:
                single[name] = getattr(facts, name)
    return Extracted(text, usage=usage, extra=extra, tool_calls=calls, **single)


def _without_stages(chunks: list[Any]) -> list[Any]:
    """Return the last of chunks that each hold the one before, as parsers of JSON give them."""
    if len(chunks) < _MIN_STAGES:
        return chunks
    stages = [chunk if isinstance(chunk, (dict, list)) else _fields(chunk) for chunk in chunks]
    is_growing = all(map(_holds, stages[1:], stages)) and not _holds(stages[0], stages[-1])
    return chunks[-1:] if is_growing else chunks


# Of fewer, nobody could tell.
_MIN_STAGES = 2

# Answers that a model writes as JSON are less deep.
_MAX_DEPTH = 8


def _fields(chunk: Any) -> Any:
    return snapshot.public_fields(chunk) if snapshot.is_data(type(chunk)) else chunk


def _holds(after: Any, before: Any, depth: int = 0) -> bool:
    """Tell whether a part of an answer may be an earlier part that has grown."""
    kind = type(before)
    if before is None or depth > _MAX_DEPTH:
        return before is None
    if type(after) is not kind:
        return False
    if kind is str:
        return bool(after.startswith(before))
    if kind is dict:
        return all(key in after and _holds(after[key], before[key], depth + 1) for key in before)
    if kind is list:
        is_longer = len(after) >= len(before)
        return is_longer and all(
            _holds(a, b, depth + 1) for a, b in zip(after, before, strict=False)
        )
    # A number comes in pieces, too; what is compared otherwise may be a stranger's.
    return kind in _PLAIN and repr(after).startswith(repr(before))


_PLAIN = frozenset({int, float, bool})
