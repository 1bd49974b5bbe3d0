"""Finds files encoded in what an app logs: their length is kept, never their content.

A file is base64 text: in a data URL or of some length, anywhere in a text; or in a field whose
name or neighbours say so. Each check takes time linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Stands in every data URL that holds base64; some write it in capitals.
URL_MARK = ";base64,"
_MARK = re.compile(f"({URL_MARK})", re.IGNORECASE | re.ASCII)

# Shorter ones are names, ids or words.
_MIN_IN_FIELD = 64
MIN_ALONE = 256

# What may be before the mark: a media type and its parameters.
_MAX_URL_HEAD = 200

# More of a text is never kept, so no more of it is looked at.
_MAX_LOOKED_AT = 1_000_000

# JSON may escape a slash; an encoded file may be broken into lines.
_URL_BODY = re.compile(r"(?:[A-Za-z0-9+/=_%-]+|\\/|(?:\r?\n|(?:\\r)?\\n)(?=[A-Za-z0-9+/=]{60}))*")
_URL_HEAD = re.compile(r"data:[^,\s]*\Z", re.IGNORECASE | re.ASCII)
_ONE_WORD = re.compile(r"[A-Za-z0-9+/=_\-]+\s*")
_LINES = re.compile(r"(?:[A-Za-z0-9+/=]{60,80}\r?\n)+[A-Za-z0-9+/=]{0,80}\s*")
_ESCAPED_SLASH = re.compile(r"\\{1,8}/")
_ESCAPED_BREAK = re.compile(r"(?:\\r)?\\n")

# What a file in the middle of a text consists of, with what breaks it into lines or escapes it.
_OF_FILES = "A-Za-z0-9+/=_\\\\\r\n-"
_RUN = re.compile(f"[{_OF_FILES}]+")
_RUN_CHARS = "".join(c for c in map(chr, range(128)) if _RUN.match(c))

_IN_RUN = re.compile(
    r"(?P<lines>(?:[A-Za-z0-9+/=]{60,80}(?:\r?\n|(?:\\r)?\\n)){3,}"
    r"(?:[A-Za-z0-9+/=]{4}){0,20}(?![A-Za-z0-9+/=]))"
    r"|(?P<escape>\\[nrt])"
    r"|(?:[A-Za-z0-9+/_-]+|\\{1,8}/)+=*"
)
# Addresses have long words in them, too; servers refuse longer ones.
_ADDRESS = re.compile(r"://\S*\Z")
_MAX_ADDRESS = 8_000
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")

# Names of fields that hold a file, or what only the vendor can read.
FIELDS = frozenset({
    "audio", "b64_json", "base64", "base64Data", "blob", "bytes", "data", "delta",
    "encrypted_content", "file_data", "image", "images", "partial_image_b64", "result",
    "signature", "thoughtSignature", "thought_signature", "value",
})  # fmt: skip

# Fields of these names hold many other things; only a neighbour tells that it is a file.
_UNSURE = frozenset({"delta", "value"})

_TYPES = frozenset({
    "audio", "base64", "blob", "document", "file", "image", "image_generation_call", "image_url",
    "input_audio", "input_file", "input_image", "media", "response.audio.delta",
    "response.output_audio.delta", "video",
})  # fmt: skip
_FORMATS = frozenset({
    "aac", "flac", "gif", "jpeg", "jpg", "m4a", "mkv", "mov", "mp3", "mp4", "ogg", "opus", "pcm",
    "pcm16", "pdf", "png", "wav", "webm", "webp",
})  # fmt: skip
_MEDIA_TYPES = ("media_type", "mime_type", "mimeType", "mediaType")


def describe(length: int) -> str:
    """Return what is kept of a file of so many characters."""
    return f"(data of {length} characters)"


def is_described_in(text: str) -> bool:
    """Tell whether a text tells of a file, or of bytes, whose content was left out."""
    return "(data of " in text or " bytes)" in text


def without_files(text: str) -> str:
    """Return a text with the files in it, whatever is around them, replaced by their length."""
    return _without_runs(without_data_urls(text))


def may_hold_files(text: str) -> bool:
    """Tell whether there may be a file in a text, in a moment for one that has none."""
    # One letter is found thirty times as fast as several.
    has_url = ";" in text and _MARK.search(text) is not None
    return has_url or (len(text) >= MIN_ALONE and _find_run(text, 0) is not None)


def without_data_urls(text: str) -> str:
    """Return a text with the data URLs in it replaced by their length."""
    before, *rest = _MARK.split(text) if ";" in text else [text]
    kept = []
    for mark, piece in zip(rest[::2], rest[1::2], strict=True):
        found = _URL_BODY.match(piece)
        end = found.end() if found else 0
        # Without a file behind it, the mark is only words.
        start = _start_of_url(before) if end else len(before)
        length = len(before) - start + len(URL_MARK) + end
        kept += [before[:start], describe(length) if end else mark]
        before = piece[end:]
    return "".join([*kept, before])


def _start_of_url(before: str) -> int:
    """Return where the URL begins whose mark comes after `before`."""
    head = _URL_HEAD.search(before, max(0, len(before) - _MAX_URL_HEAD))
    return head.start() if head else len(before)


def is_file(text: str) -> bool:
    """Tell whether a text is a file and nothing else, whatever it is called."""
    if len(text) < MIN_ALONE:
        return False
    start = text[:MIN_ALONE]
    is_lines = "\n" in start
    if not is_lines and not _ONE_WORD.fullmatch(start):
        return False
    head = text[:_MAX_LOOKED_AT]
    found = (_LINES if is_lines else _ONE_WORD).fullmatch(head)
    if found is None:
        return False
    return all(any(map(has, head)) for has in (str.isupper, str.islower, str.isdigit))


def _without_runs(text: str) -> str:
    """Return a text with the long files in it, which no URL tells of, replaced by their length."""
    kept: list[str] = []
    done = 0
    while (run := _find_run(text, done)) is not None:
        start, end = run
        kept.append(text[done:start])
        is_long = end - start > _MAX_ADDRESS
        is_address = not is_long and _ADDRESS.search(text, max(0, start - _MAX_URL_HEAD), start)
        kept.append(text[start:end] if is_address else _IN_RUN.sub(_described, text[start:end]))
        done = end
    return "".join([*kept, text[done:]]) if kept else text


def _find_run(text: str, place: int) -> tuple[int, int] | None:
    """Return where the next text begins and ends that may be a file and has no space in it."""
    while place + MIN_ALONE <= len(text):
        # Read from its end, a piece of prose tells at once that no file begins before there.
        prose = len(text[place : place + MIN_ALONE].rstrip(_RUN_CHARS))
        if not prose and (run := _RUN.match(text, place)):
            return place, run.end()
        place += prose
    return None


def _described(found: re.Match[str]) -> str:
    word = found[0]
    if found["escape"] or len(word) < MIN_ALONE:
        return word
    plain = _ESCAPED_BREAK.sub("\n", word) if found["lines"] else word
    return describe(len(word)) if is_file(_ESCAPED_SLASH.sub("/", plain)) else word


def is_file_in_field(name: str, text: str, neighbours: Mapping[str, Any]) -> bool:
    """Tell whether the text of a field is a file.

    Args:
        name: One of `FIELDS`.
        text: What the field holds.
        neighbours: All fields of what it is in.
    """
    head = text[:_MAX_LOOKED_AT]
    is_lines = "\n" in head[:MIN_ALONE]
    if not (_LINES if is_lines else _ONE_WORD).fullmatch(head):
        return False
    if is_media(neighbours):
        return True
    if name in _UNSURE and len(neighbours) > 1:
        return False
    return len(head) >= _MIN_IN_FIELD and head != head.lower() and not _HEX.fullmatch(head)


def is_media(fields: Mapping[str, Any]) -> bool:
    """Tell whether the fields beside a content say that it is a file."""
    kind = _word(fields, "type")
    return kind != "text" and (
        kind in _TYPES
        or _word(fields, "format") in _FORMATS
        or _word(fields, "source_type") == "base64"
        or any(_word(fields, name) for name in _MEDIA_TYPES)
    )


def _word(fields: Mapping[str, Any], name: str) -> str:
    """Return a field that is a word, or the word of an enum, or an empty text."""
    word = fields.get(name)
    word = getattr(word, "_value_", word)
    return word if isinstance(word, str) else ""
