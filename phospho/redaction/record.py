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
from typing import TYPE_CHECKING, Any

from phospho import snapshot
from phospho.redaction import rules
from phospho.redaction.accounts import is_card
from phospho.redaction.keys import is_secret_name

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

_is_secret_name = lru_cache(maxsize=1024)(is_secret_name)


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
            if name in _IDS and type(value) is str
        }
        others = {n: v for n, v in record.items() if n not in kept and n not in ids}
        redacted = {**self._redact_dict(others), **ids, **kept}
        # In their own order, with what was renamed at the end.
        return {name: redacted.pop(name) for name in record if name in redacted} | redacted

    def _redact_id(self, name: str, value: str) -> str:
        if _OWN_ID.fullmatch(value):
            return value
        for kind, rule in rules.RULES_IN_IDS.items():
            # A release may be called 1.2.3.4.
            if kind in self._rules and (name, kind) != ("version_id", "IP_ADDRESS"):
                value = rule(value, self._pseudonyms(kind))
        return value

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

    def _redact(self, value: Any, *, is_secret: bool = False) -> Any:
        kind = type(value)
        if kind is str:
            return self._redact_secret(value) if is_secret else self._redact_text(value)
        if value is None or kind is bool:
            return value
        if kind is dict:
            return self._redact_dict(value, is_secret=is_secret)
        if kind is list:
            return [self._redact(item, is_secret=is_secret) for item in value]
        if kind is int or kind is float:
            return self._mask("SECRET") if is_secret else self._redact_number(value)
        # From another plugin: a record itself holds nothing else.
        copied = snapshot.take(value, snapshot.MAX_RAW_CHARS).value
        return self._redact(copied, is_secret=is_secret)

    def _redact_dict(self, values: dict[Any, Any], *, is_secret: bool = False) -> dict[str, Any]:
        if not all(type(name) is str for name in values):
            values = snapshot.take(values, snapshot.MAX_RAW_CHARS).value
        secret_names = self._secret_names(values)
        redacted: dict[str, Any] = {}
        namesakes: Counter[str] = Counter()
        for name, value in values.items():
            masked = first = name if _is_plain(name) else self._redact_text(name)
            while masked in redacted or (masked != name and masked in values):
                namesakes[first] += 1
                masked = f"{first} ({namesakes[first] + 1})"
            redacted[masked] = self._redact(value, is_secret=is_secret or name in secret_names)
        return redacted

    def _secret_names(self, values: dict[str, Any]) -> set[str]:
        """Return the names of a dict under which all is secret."""
        # Each token of an answer is called so beside its log probability.
        if "SECRET" not in self._rules or "logprob" in values:
            return set()
        found = {name for name in values if _is_secret(name)}
        if "value" in values and any(
            type(values.get(label)) is str and _is_secret(values[label])
            for label in ("name", "key")
        ):
            found.add("value")
        return found

    def _redact_secret(self, value: str) -> str:
        return value if not value or value == "[SECRET]" else self._mask("SECRET")

    def _redact_number(self, value: float) -> Any:
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
        has_long_number = rules.has_long_number(text)
        for kind, rule in self._rules.items():
            if has_long_number or kind not in rules.LONG_NUMBERS:
                text = rule(text, self._masks[kind])
        # The name of a field is an identifier; asking for each would take longer than for the rest.
        if self._analyzer is None or text.isidentifier():
            return text
        return self._analyzer.mask(text, self._mask)

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


def _is_secret(name: str) -> bool:
    return _is_secret_name(name[-_MAX_NAME_CHARS:])


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
