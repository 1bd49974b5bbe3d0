"""Copies what the host logs into plain JSON values, whatever it is, within fixed limits.

A snapshot shares nothing mutable with what it was taken from and can always be encoded as JSON.
Fields and items are read without running the object's own code. What is run, guarded, is what
gives a text or a scalar: `str` of an object or key that says how, and the conversions of enums
and well-known types.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, NamedTuple

from phospho import attachments

# A long document fits; 100 MB would stall the app, the network and the server.
MAX_TEXT_CHARS = 1_000_000

# `raw_input` and `raw_output` together with both texts stay below the server's 32 MiB, escaped.
MAX_RAW_CHARS = 1_000_000

# Metadata is for filters and for reading beside a message, not for documents.
MAX_METADATA_CHARS = 256_000

# Deeper values are mistakes (a cycle, an object graph); each level costs two frames of the stack.
MAX_DEPTH = 20

# One list or dict is cut here, so that copying its references stays below a millisecond.
MAX_ITEMS = 10_000

# Ids are put into URLs and indexes.
MAX_ID_CHARS = 512

CUT_MARK = "[cut by phospho]"
DEPTH_MARK = f"[deeper than {MAX_DEPTH} levels]"
CIRCLE_MARK = "[contains itself]"

# Beyond 64 bits neither databases nor other languages' JSON parsers keep an integer exact.
_MAX_INT = 2**63

# What an item costs in JSON besides its text: quotes, comma, braces.
_ITEM_COST = 8

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+>")
_SECRET_NAME = re.compile(r"api_?key|secret|token$|password|authorization|cookie", re.IGNORECASE)


class Snapshot(NamedTuple):
    """A JSON-safe copy.

    Args:
        value: The copy.
        size: About how many characters of JSON it makes.
        is_cut: Whether something did not fit and was replaced by a mark.
    """

    value: Any
    size: int
    is_cut: bool


def take(value: object, max_chars: int) -> Snapshot:
    """Copy any value; never raises an `Exception`."""
    copier = _Copier(max_chars)
    copied = copier.copy(value, 0)
    return Snapshot(copied, max_chars - copier.left, copier.is_cut)


def take_flat(values: dict[str, Any]) -> tuple[dict[str, Any], int] | None:
    """Copy a small dict of plain scalars with its size, or return None: use `take` then."""
    if type(values) is not dict or len(values) > 32:  # noqa: PLR2004 - larger is not worth a try
        return None
    copied = values.copy()
    size = 0
    for key, value in copied.items():
        if type(key) is not str or not key.isascii() or "\0" in key:
            return None
        kind = type(value)
        if kind is str:
            # `take` cleans texts, checks limits, and leaves out files.
            if (
                not value.isascii()
                or len(value) >= attachments.MIN_ALONE
                or "\0" in value
                or attachments.may_hold_files(value)
                or key in attachments.FIELDS
            ):
                return None
            size += len(value)
        elif kind is int:
            if not -_MAX_INT <= value < _MAX_INT:
                return None
        elif kind is not bool and value is not None:
            return None
        size += len(key) + _ITEM_COST
    return copied, size


def copy_again(value: Any) -> Any:
    """Copy a snapshot's value: its containers are new, its scalars shared."""
    if type(value) is dict:
        return {key: copy_again(item) for key, item in value.items()}
    if type(value) is list:
        return [copy_again(item) for item in value]
    return value


def count_bytes(text: str) -> int:
    """Return about how many bytes a clean text takes as JSON, which is sent in ASCII."""
    return len(text) if text.isascii() else len(text) + 4 * (len(text.encode()) - len(text))


def clean_text(text: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Return a true `str` that every database can hold, cut with a visible mark where too long.

    Two halves of a surrogate pair become their character; NUL and a lone half become U+FFFD. Of
    a file, its length is kept.
    """
    if type(text) is str and len(text) < min(attachments.MIN_ALONE, max_chars) and _is_plain(text):
        return text
    return _clean(without_long_files(text), max_chars)


def _is_plain(text: str) -> bool:
    """Tell whether nothing can be in a short text that is not kept as it is, as in most."""
    return text.isascii() and "\0" not in text and ";" not in text


def _clean(text: str, max_chars: int) -> str:
    length = str.__len__(text)
    if length > max_chars:
        mark = f"… {CUT_MARK[:-1]}, {length} characters]"
        text = str.__getitem__(text, slice(0, max(0, max_chars - len(mark)))) + mark
    elif type(text) is not str:
        text = str.__str__(text)
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def without_long_files(text: str) -> str:
    """Return a text with the files in it replaced by their length."""
    # Of a subclass, `len` and the like may be the app's own.
    text = text if type(text) is str else str.__str__(text)
    if attachments.is_file(text):
        return attachments.describe(len(text))
    # What lies far behind all limits is not worth the time.
    text = text[: 8 * MAX_TEXT_CHARS]
    return attachments.without_files(text) if attachments.may_hold_files(text) else text


def type_name(value: object) -> str:
    """Return the name of a value's type, as text that JSON can hold."""
    return clean_text(str(type(value).__name__), MAX_ID_CHARS)


def describe(value: object) -> str:
    """Return words for a value that has no text: its type, never its address."""
    return f"({type_name(value)})"


def own_text(value: object) -> str | None:
    """Return `str(value)` where its class says how, and None where that tells nothing."""
    if type(value).__str__ is object.__str__:
        return None
    text = str(value)
    return None if _has_address(text) else text


def _has_address(text: str) -> bool:
    return _ADDRESS.search(text, 0, 10_000) is not None


def is_unfinished(value: object) -> bool:
    """Tell whether a value is still to come: an iterator, a stream, an awaitable."""
    kind = type(value)
    return any(hasattr(kind, name) for name in ("__next__", "__anext__", "__await__"))


def public_fields(value: object) -> dict[str, Any] | None:
    """Return the public fields of an object, or None where it has none; calls none of its code."""
    found: dict[str, Any] = dict(_own(value, "__dict__") or {})
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            if not name.startswith("_") and _own(value, name) is not None:
                found.setdefault(name, _own(value, name))
    found.update(_own(value, "__pydantic_extra__") or {})
    fields = {
        name: field
        for name, field in found.items()
        if not str(name).startswith("_") and not _SECRET_NAME.search(str(name))
    }
    return fields or None


def _own(value: object, name: str) -> Any:
    """Read an attribute without the object's own `__getattr__` or `__getattribute__`."""
    try:
        return object.__getattribute__(value, name)
    except AttributeError:
        return None


def is_data(kind: type) -> bool:
    """Tell whether a class says that its fields are data: dataclass, attrs, pydantic, namespace."""
    return kind.__name__ == "SimpleNamespace" or any(
        hasattr(kind, name)
        for name in ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__")
    )


class _Copier:
    """Copies one value; knows how much room is left and which containers it is inside of."""

    __slots__ = ("_inside", "_is_in_object", "is_cut", "left")

    def __init__(self, max_chars: int) -> None:
        self.left = max_chars
        self.is_cut = False
        self._inside: set[int] = set()
        self._is_in_object = False

    def copy(self, value: Any, depth: int) -> Any:
        """Return a JSON-safe copy; what cannot be read becomes words that say so."""
        self.left -= _ITEM_COST
        kind = type(value)
        if kind is str:
            return self._text(value)
        if value is None or kind is bool:
            return value
        try:
            if issubclass(kind, enum.Enum):
                return self.copy(value.value, depth)
            return self._copy_scalar(value, kind) if _is_scalar(kind) else self._enter(value, depth)
        except Exception:  # noqa: BLE001 - a host's object may raise anything
            return f"({kind.__name__} that could not be read)"

    def _text(self, text: str) -> str:
        if type(text) is not str:
            text = str.__str__(text)
        if len(text) > len(attachments.URL_MARK):
            text = without_long_files(text)
        room = max(self.left, 0)
        length = str.__len__(text)
        if length > room:
            self.is_cut = True
            self.left = 0
            kept = str.__getitem__(text, slice(0, max(0, room - len(CUT_MARK))))
            return _clean(kept, room) + CUT_MARK
        self.left -= length
        return _clean(text, length)

    def _copy_scalar(self, value: Any, kind: type) -> Any:
        if issubclass(kind, str):
            return self._text(value)
        if issubclass(kind, int):
            number = int.__int__(value)
            return number if -_MAX_INT <= number < _MAX_INT else self._text(hex(number)[:80])
        if issubclass(kind, float):
            exact = float.__float__(value)
            return exact if math.isfinite(exact) else str(exact)
        return self._text(_bytes_text(value))

    def _enter(self, value: Any, depth: int) -> Any:
        kind = type(value)
        convert = _converter_of(kind)
        if convert is not None:
            return self.copy(convert(value), MAX_DEPTH)
        if depth >= MAX_DEPTH:
            self.is_cut = True
            return self._text(DEPTH_MARK)
        if id(value) in self._inside:
            return self._text(CIRCLE_MARK)
        self._inside.add(id(value))
        try:
            return self._copy_container(value, kind, depth + 1)
        finally:
            self._inside.discard(id(value))

    def _copy_container(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, dict):
            return self._items(islice(dict.items(value), MAX_ITEMS), dict.__len__(value), depth)
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return self._items(zip(kind._fields, value, strict=False), 0, depth)
        for sequence in (list, tuple, set, frozenset):
            if issubclass(kind, sequence):
                first = list(islice(sequence.__iter__(value), MAX_ITEMS))
                return self._list(first, sequence.__len__(value), depth)
        return self._object(value, kind, depth)

    def _items(self, pairs: Iterable[tuple[Any, Any]], length: int, depth: int) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        namesakes: dict[str, int] = {}
        # Listed first, in one step: another thread may change the dict meanwhile.
        listed = list(pairs)
        for key, item in listed:
            if self.left <= 0:
                self.is_cut = True
                copied[CUT_MARK] = length
                return copied
            name = self._key(key)
            if name in copied:
                name = _number(name, copied, namesakes)
            if name in attachments.FIELDS:
                item = _without_file(name, item, listed)  # noqa: PLW2901 - what is kept of it
            copied[name] = self.copy(item, depth)
        if length > MAX_ITEMS:
            self.is_cut = True
            copied[CUT_MARK] = length
        return copied

    def _key(self, key: Any) -> str:
        kind = type(key)
        if issubclass(kind, enum.Enum):
            key = _own(key, "_value_")
            kind = type(key)
        if issubclass(kind, str):
            return self._text(key)
        if key is None or _is_scalar(kind) or _converter_of(kind):
            return str(self.copy(key, MAX_DEPTH))
        try:
            text = str(key)
        except Exception:  # noqa: BLE001 - a host's object may raise anything
            text = ""
        return self._text(describe(key) if not text or _has_address(text) else text)

    def _list(self, items: list[Any], length: int, depth: int) -> list[Any]:
        copied: list[Any] = []
        for item in items:
            if self.left <= 0:
                break
            copied.append(self.copy(item, depth))
        if len(copied) < length:
            self.is_cut = True
            copied.append(f"{CUT_MARK[:-1]}, {length} items]")
        return copied

    def _object(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, BaseException):
            return self._text(f"{kind.__name__}: {value}")
        if kind is type or callable(value) or is_unfinished(value):
            return self._text(getattr(value, "__qualname__", None) or describe(value))
        is_plain = not is_data(kind)
        # An object inside an object may be the app's whole machinery, with its keys.
        fields = None if is_plain and self._is_in_object else public_fields(value)
        if fields is None:
            return self._text(own_text(value) or describe(value))
        was_in_object, self._is_in_object = self._is_in_object, is_plain
        try:
            return self._items(islice(fields.items(), MAX_ITEMS), len(fields), depth)
        finally:
            self._is_in_object = was_in_object


def _without_file(name: str, item: Any, pairs: list[tuple[Any, Any]]) -> Any:
    """Return a field that may hold a file, or files, with their length in its place."""
    kind = type(item)
    if issubclass(kind, (str, bytes, bytearray)):
        fields = {key: value for key, value in pairs if type(key) is str}
        return _file_in_field(name, item, fields)
    if name == "images" and issubclass(kind, list):
        first = list.__getitem__(item, slice(MAX_ITEMS))
        return [_without_file(name, image, []) for image in first]
    return item


def _file_in_field(name: str, item: Any, fields: dict[str, Any]) -> Any:
    if not isinstance(item, str):
        if attachments.is_media(fields):
            return f"({len(item)} bytes)"
        item = _bytes_text(item)
    text = str.__str__(item)
    is_file = attachments.is_file_in_field(name, text, fields)
    return attachments.describe(len(text)) if is_file else text


def _number(name: str, taken: dict[str, Any], namesakes: dict[str, int]) -> str:
    """Return a name that is not taken yet: the name with a number, counted in `namesakes`."""
    number = namesakes.get(name, 1) + 1
    while f"{name} ({number})" in taken:
        number += 1
    namesakes[name] = number
    return f"{name} ({number})"


def _is_scalar(kind: type) -> bool:
    return issubclass(kind, (str, int, float, bytes, bytearray, memoryview))


def _bytes_text(value: bytes | bytearray | memoryview) -> str:
    """Return bytes as text where they are UTF-8, and their number where they are not."""
    length = value.nbytes if isinstance(value, memoryview) else len(value)
    # Four bytes a character at most; the last one may be cut in two.
    whole = length <= 4 * MAX_TEXT_CHARS
    try:
        head = bytes(value) if whole else bytes(value[: 4 * MAX_TEXT_CHARS])
        return head.decode("utf-8", "strict" if whole else "ignore")
    except UnicodeDecodeError:
        return f"({length} bytes)"


def _iso(value: Any) -> str:
    return str(value.isoformat())


def _agent_name(value: Any) -> Any:
    # Each item of a run has its agent, which has its instructions and tools, and other agents.
    return _own(value, "name") or describe(value)


# Known by name, so that their modules are not loaded for an app that never uses them.
_CONVERTERS: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("datetime", "date"): _iso,
    ("datetime", "time"): _iso,
    ("datetime", "timedelta"): str,
    ("decimal", "Decimal"): str,
    ("fractions", "Fraction"): str,
    ("uuid", "UUID"): str,
    ("ipaddress", "_BaseAddress"): str,
    ("pathlib", "PurePath"): str,
    ("pathlib._local", "PurePath"): str,
    ("agents.agent", "AgentBase"): _agent_name,
    ("PIL.Image", "Image"): lambda value: f"(image of size {_own(value, '_size')})",
    ("numpy", "generic"): lambda value: value.item(),
    ("numpy", "ndarray"): lambda value: f"(array of shape {value.shape})",
}


def _converter_of(kind: type) -> Callable[[Any], Any] | None:
    for base in kind.__mro__:
        convert = _CONVERTERS.get((base.__module__, base.__name__))
        if convert is not None:
            return convert
    return None
