"""Walks through one record, and masks what stands in it, wherever that is."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal

from phospho import snapshot
from phospho.redaction import rules
from phospho.redaction.accounts import is_card
from phospho.redaction.names import is_phone_name, is_secret_name
from phospho.redaction.phones import find_any
from phospho.redaction.reading import Page

if TYPE_CHECKING:
    from phospho.redaction.presidio import Analyzer
    from phospho.redaction.rules import Rule

_TIMES = frozenset({"client_created_at", "client_created_at_ms", "created_at", "created_at_ms"})

# They tell users, sessions and releases apart, and must go on doing so.
_IDS = frozenset({"session_id", "task_id", "user_id", "version_id"})
_PSEUDONYM_DIGITS = 12
_KIND = re.compile("[A-Z_]{2,40}")
# No record holds as many, and no card number is as small.
_MAX_COUNT = 10_000_000
_JSON_START = re.compile(r"\s*[{\[]")
_OWN_ID = re.compile("(?:session|task)_[0-9a-f]{32}")

# Where the counts stand in metadata, and where they do if an app uses that name.
_COUNTS, _COUNTS_IF_TAKEN = "redacted", "phospho_redacted"

# What was masked may have stood in the way of another find.
_MAX_ROUNDS = 8

# What a name is looked at, from its end.
_MAX_NAME_CHARS = 64
# The shortest key without a digit has more: a prefix, underscores and ten letters.
_MAX_PLAIN_CHARS = 16

# What the name of a value says that it is.
_Label = Literal["SECRET", "PHONE_NUMBER"]
_NAMES_OF_NAMES = frozenset({"name", "key", "header", "type"})
_NAMES_OF_VALUES = frozenset({"value", "values"})
_NAMES_OF_PHONES = _NAMES_OF_VALUES | {"number", "national", "raw"}
_PHONE_DIGITS = range(7, 16)
_PAIR = 2
_HINT_OF_SECRET = re.compile("[0-9=]")


class RecordRedaction:
    """One record on its way through; counts what it masks."""

    def __init__(self, chosen: dict[str, Rule], analyzer: Analyzer | None, key: bytes) -> None:
        self._rules = chosen
        self._analyzer = analyzer
        self._key = key
        self._counts: Counter[str] = Counter()
        self._masks = {kind: partial(self._mask_found, kind) for kind in chosen}

    def redact_interaction(self, record: dict[str, Any]) -> dict[str, Any]:
        """Redact a record, and add the counts to its metadata."""
        metadata = record.get("metadata")
        before: dict[str, int] = {}
        for name in (_COUNTS, _COUNTS_IF_TAKEN):
            if isinstance(metadata, dict) and not before and _is_counts(metadata.get(name)):
                # Of an earlier run. Names of kinds, as "SECRET", are no names of secrets.
                before = metadata[name]
                metadata = {other: metadata[other] for other in metadata if other != name}
                record = {**record, "metadata": metadata}
        redacted = self.redact(record)
        self._counts.update(before)
        if self._counts:
            redacted["metadata"] = self._add_counts(redacted.get("metadata"))
        return redacted

    def _add_counts(self, metadata: Any) -> dict[str, Any]:
        told = metadata if isinstance(metadata, dict) else {}
        if metadata is not None and told is not metadata:
            told = {"metadata": metadata}
        name = _COUNTS_IF_TAKEN if _COUNTS in told else _COUNTS
        return {**told, name: dict(sorted(self._counts.items()))}

    def redact(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of a record with everything masked; shares nothing it changes."""
        kept = {
            name: value
            for name, value in record.items()
            if name == "project_id" or (name in _TIMES and type(value) is int)
        }
        ids = {
            name: self._redact_id(name, value)
            for name, value in record.items()
            if name in _IDS and isinstance(value, str)
        }
        others = {n: v for n, v in record.items() if n not in kept and n not in ids}
        redacted = {**self._redact_dict(others), **ids, **kept}
        # In their own order, with what was renamed at the end.
        return {name: redacted.pop(name) for name in record if name in redacted} | redacted

    def _redact_id(self, name: str, value: str) -> str:
        # Of a subclass no code is run.
        page = Page(str.__str__(value))
        if _OWN_ID.fullmatch(page.text):
            return page.text
        for kind, rule in rules.RULES_IN_IDS.items():
            # A release may be called 1.2.3.4.
            if kind in self._rules and (name, kind) != ("version_id", "IP_ADDRESS"):
                rule.mask(page, self._pseudonyms(kind))
        return page.text

    def _pseudonyms(self, kind: str) -> Callable[[str], str]:
        def mask(found: str) -> str:
            self._counts[kind] += 1
            digest = hmac.new(self._key, found.encode(errors="replace"), hashlib.sha256).hexdigest()
            return f"[{kind} {digest[:_PSEUDONYM_DIGITS]}]"

        return mask

    def _mask_found(self, kind: str, found: str) -> str:  # noqa: ARG002 - as a `Mask` is called
        return self._mask(kind)

    def _mask(self, kind: str) -> str:
        self._counts[kind] += 1
        return f"[{kind}]"

    def _redact(self, value: Any, label: _Label | None = None) -> Any:
        kind = type(value)
        if kind is str:
            return self._redact_labelled(value, label) if label else self._redact_text(value)
        if value is None or kind is bool:
            return value
        if kind is dict:
            return self._redact_dict(value, label)
        if kind is list:
            return self._redact_list(value, label)
        if kind is int or kind is float:
            return self._redact_number(value, label)
        # From another plugin: a record itself holds nothing else.
        copied = snapshot.take(value, snapshot.MAX_RAW_CHARS).value
        return self._redact(copied, label)

    def _redact_dict(self, values: dict[Any, Any], label: _Label | None = None) -> dict[str, Any]:
        if not all(type(name) is str for name in values):
            values = snapshot.take(values, snapshot.MAX_RAW_CHARS).value
        labels = self._read_labels(values, label)
        redacted: dict[str, Any] = {}
        namesakes: Counter[str] = Counter()
        for name, value in values.items():
            masked = first = name if _is_plain(name) else self._redact_text(name)
            while masked in redacted or (masked != name and masked in values):
                namesakes[first] += 1
                masked = f"{first} ({namesakes[first] + 1})"
            redacted[masked] = self._redact(value, labels.get(name))
        return redacted

    def _read_labels(
        self, values: dict[str, Any], outer: _Label | None
    ) -> dict[str, _Label | None]:
        """Return what the names in a dict say of their values, below a name that said `outer`."""
        if outer == "SECRET":
            return dict.fromkeys(values, outer)
        labels: dict[str, _Label | None] = {name: self._read_label(name) for name in values}
        lowered = {name.lower(): name for name in values}
        # As {"name": "Authorization", "value": "abc"}.
        names = [values[lowered[name]] for name in _NAMES_OF_NAMES & lowered.keys()]
        said = {self._read_label(name) for name in names if type(name) is str} | {outer}
        if "SECRET" in said:
            labels |= {lowered[name]: "SECRET" for name in _NAMES_OF_VALUES & lowered.keys()}
        elif "PHONE_NUMBER" in said:
            labels |= {lowered[name]: "PHONE_NUMBER" for name in _NAMES_OF_PHONES & lowered.keys()}
        # Each token of an answer is called so beside its log probability.
        if "logprob" in values:
            labels.pop("token", None)
        return labels

    def _read_label(self, name: str) -> _Label | None:
        label = _read_label(name[-_MAX_NAME_CHARS:])
        return label if label is not None and label in self._rules else None

    def _redact_list(self, items: list[Any], label: _Label | None) -> list[Any]:
        if label:
            return [self._redact(item, label) for item in items]
        if items and all(map(_is_pair, items)):
            return [[self._redact(i[0]), self._redact(i[1], self._read_label(i[0]))] for i in items]
        # As one header; a list of the names of fields has no signs in it.
        if _is_pair(items) and type(items[1]) is str and _HINT_OF_SECRET.search(items[1]):
            return [self._redact(items[0]), self._redact(items[1], self._read_label(items[0]))]
        return [self._redact(item) for item in items]

    def _redact_labelled(self, value: str, label: _Label) -> str:
        if label == "SECRET":
            return value if not value or value == "[SECRET]" else self._mask("SECRET")
        page = Page(self._redact_text(value))
        page.mask(page.read_numbers(), find_any, self._masks[label])
        return page.text

    def _redact_number(self, value: float, label: _Label | None) -> Any:
        if label == "SECRET":
            return self._mask(label)
        if label and type(value) is int and len(str(abs(value))) in _PHONE_DIGITS:
            return self._mask(label)
        if "CREDIT_CARD" not in self._rules or not 1e12 <= abs(value) < 1e19:  # noqa: PLR2004 - 13 to 19 digits
            return value
        is_masked = value == int(value) and is_card(str(abs(int(value))))
        return self._mask("CREDIT_CARD") if is_masked else value

    def _redact_text(self, text: str) -> str:
        if len(text) < rules.SHORTEST_CHARS:
            return text
        if _JSON_START.match(text) and (inside := self._redact_json(text)) is not None:
            return inside
        for _ in range(_MAX_ROUNDS):
            masked = self._mask_once(text)
            if masked == text:
                break
            text = masked
        return text

    def _mask_once(self, text: str) -> str:
        page = Page(text)
        for kind, rule in self._rules.items():
            rule.mask(page, self._masks[kind])
        # The name of a field is an identifier; asking for each would take longer than for the rest.
        if self._analyzer is None or page.text.isidentifier():
            return page.text
        return self._analyzer.mask(page.text, self._mask)

    def _redact_json(self, text: str) -> str | None:
        """Return a text that is JSON, as the arguments of a tool call, as JSON; None if it is not.

        Unchanged where nothing in it is masked.
        """
        counts = self._counts.copy()
        try:
            value = _read_json(text)
            if not isinstance(value, (dict, list)):
                return None
            redacted = self._redact(value)
        except (ValueError, RecursionError):
            self._counts = counts
            return None
        if self._counts == counts:
            return text
        separators = (", ", ": ") if '": ' in text else (",", ":")
        return json.dumps(redacted, ensure_ascii=text.isascii(), separators=separators)


@lru_cache(maxsize=1024)
def _read_label(name: str) -> _Label | None:
    if is_secret_name(name):
        return "SECRET"
    return "PHONE_NUMBER" if is_phone_name(name) else None


def _is_pair(value: Any) -> bool:
    return type(value) is list and len(value) == _PAIR and type(value[0]) is str


def _is_plain(name: str) -> bool:
    """Tell whether a name can hold nothing: most are the short names of fields."""
    return len(name) <= _MAX_PLAIN_CHARS and name.replace("_", "").isalpha()


def _is_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        type(name) is str and _KIND.fullmatch(name) and type(count) is int and count < _MAX_COUNT
        for name, count in value.items()
    )


def _read_json(text: str) -> Any:
    """Read JSON that can be written again as it was, but for its white space.

    Raises:
        ValueError: When it is none, or holds what would be lost.
    """
    return json.loads(
        text, parse_float=_finite, parse_constant=_refuse, object_pairs_hook=_without_namesakes
    )


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _refuse(text: str) -> float:
    raise ValueError(f"{text} cannot be written as JSON")


def _without_namesakes(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError("a name stands twice, and one value would be lost")
    return named
