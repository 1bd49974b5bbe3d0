"""Collects what goes by in a stream: texts, and chunks in the formats of the extractors."""

from __future__ import annotations

import codecs
import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from phospho import guard, lifecycle, snapshot
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
        self._decode: Callable[[bytes], str] | None = None
        # Plugins are asked when the stream has ended: they must not hold it up.
        self._for_plugins: list[Any] | None = [] if plugins.own("phospho_extract_output") else None
        self._unknown: list[Any] = []
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
        self.texts[self._joined :] = ["".join(self.texts[self._joined :])]
        self._joined += 1

    def _keep(self, piece: Any, kept: list[Any]) -> None:
        """Keep a chunk until the stream is over, if there is room."""
        self._kept_bytes += sys.getsizeof(piece, 0)
        if self._kept_bytes < _MAX_KEPT_BYTES:
            kept.append(piece)

    def _add_other(self, piece: Any) -> None:
        if piece is None:
            return
        if isinstance(piece, str):
            self.texts.append(str.__str__(piece))
        elif isinstance(piece, (bytes, bytearray)):
            self._decode = self._decode or codecs.getincrementaldecoder("utf-8")("replace").decode
            self.texts.append(self._decode(bytes(piece)))
        else:
            if self._for_plugins is not None and len(self._for_plugins) < _MAX_KEPT:
                self._keep(piece, self._for_plugins)
            if not self._read_chunk(piece) and len(self._unknown) < _MAX_KEPT:
                self._keep(piece, self._unknown)

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
        texts = "".join(self.texts)
        if not self._readers and not self._unknown and (events := _events(texts)) is not None:
            return self._read_events(events) or Extracted(texts)
        found = [reader.read() for reader in self._readers.values()]
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


def _events(text: str) -> list[Any] | None:
    """Return the data of server-sent events, or of JSON lines; None for any other text.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    is_lines = text.startswith("{")
    if not is_lines and not text.startswith(("data:", "event:", "id:", ":")):
        return None
    lines = [line for line in text.splitlines() if line]
    if not is_lines:
        lines = [line[5:].removeprefix(" ") for line in lines if line.startswith("data:")]
    events = [_read_json(line) for line in lines if line.strip() != "[DONE]"]
    if is_lines and (len(events) < _MIN_LINES or not all(isinstance(e, dict) for e in events)):
        return None
    return events


# One line of JSON is an answer in JSON.
_MIN_LINES = 2


def _read_json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line
