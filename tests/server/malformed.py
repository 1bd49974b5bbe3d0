"""What no client of ours would send: bodies, values, headers and addresses that mean nothing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

# What stands in malformed texts, and in no answer.
MARK = "zq7malformed"

_FINE = json.dumps({"batched_log_events": [{"input": MARK}], "human_eval": "success"}).encode()

# By a name for the report; none of them is what a route asks for.
BODIES: Mapping[str, bytes] = {
    "nothing": b"",
    "space": b" \t\r\n",
    "null": b"null",
    "true": b"true",
    "number": b"1",
    "text": b'"' + MARK.encode() + b'"',
    "list": b"[]",
    "list-of-lists": b"[[],[[]]]",
    "empty-object": b"{}",
    "half-object": b"{",
    "half-list": b"[",
    "half-text": b'{"a": "' + MARK.encode(),
    "half-escape": b'"\\u12"',
    "wrong-escape": b'{"a": "\\x41"}',
    "raw-control": b'{"a": "\x01\x02\n"}',
    "raw-nul": b'{"a": "\x00"}',
    "nul-after": _FINE + b"\x00",
    "nul-before": b"\x00" + _FINE,
    "twice": _FINE + _FINE,
    "lines": _FINE + b"\n" + _FINE,
    "comma": b'{"a": 1,}',
    "no-colon": b'{"a" 1}',
    "single-quotes": b"{'a': 1}",
    "bare-key": b"{a: 1}",
    "comment": b'{"a": 1} // ' + MARK.encode(),
    "python": b'{"a": None, "b": True}',
    "hexadecimal": b'{"a": 0x10}',
    "leading-zero": b'{"a": 01}',
    "plus": b'{"a": +1}',
    "dot": b'{"a": .5}',
    "nan": b'{"batched_log_events": NaN, "human_eval": NaN, "description": NaN}',
    "infinity": b'{"batched_log_events": -Infinity, "interactions": Infinity}',
    "huge-exponent": b'{"batched_log_events": 1e999999, "interactions": 1e999999}',
    "huge-number": b'{"batched_log_events": ' + b"9" * 400 + b"}",
    "long-number": b'{"batched_log_events": ' + b"9" * 100_000 + b"}",
    "deep-list": b"[" * 200_000,
    "deep-object": b'{"a":' * 100_000,
    "deep-and-closed": b'{"batched_log_events":' + b"[" * 900 + b"]" * 900 + b"}",
    "closing": b"]" * 1000,
    "utf-8-mark": b"\xef\xbb\xbf" + _FINE,
    "utf-16": _FINE.decode().encode("utf-16"),
    "utf-16-be": _FINE.decode().encode("utf-16-be"),
    "utf-32": _FINE.decode().encode("utf-32"),
    "utf-7": b"+AHs-+AH0-",
    "latin-1": b'{"a": "\xe9\xff"}',
    "overlong": b'{"a": "\xc0\xaf\xe0\x80\xaf"}',
    "surrogate-bytes": b'{"a": "\xed\xa0\x80"}',
    "half-character": b'{"a": "\xf0\x9f\x98',
    "beyond-unicode": b'{"a": "\xf4\x90\x80\x80"}',
    "surrogate": b'{"project_id": "\\ud800", "event_id": "\\udfff", "human_eval": "\\ud800"}',
    "nul": b'{"project_id": "\\u0000", "event_id": "\\u0000", "human_eval": "\\u0000"}',
    "surrogate-key": b'{"\\ud800": 1, "description": "\\ud800"}',
    "many-keys": json.dumps({f"{MARK}{n}": n for n in range(100_000)}).encode(),
    "long-key": json.dumps({MARK * 20_000: 1}).encode(),
    "same-key": b'{"batched_log_events": [], ' + b'"batched_log_events": 1, ' * 999 + b'"x": 1}',
    "prototype": b'{"__proto__": {"a": 1}, "constructor": {"prototype": 1}, "__class__": 1}',
    "xml": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "html": b"<html><script>alert(1)</script></html>",
    "form": b"batched_log_events=1&human_eval=success&a=%",
    "multipart": b'--b\r\nContent-Disposition: form-data; name="a"; filename="../a"\r\n\r\n1\r\n',
    "protobuf": b"\x0a\x05\x08\x96\x01\x12\x00\xff\xff\xff\xff\x0f",
    "pickle": b"cos\nsystem\n(S'true'\ntR.",
    "yaml": b"a: !!python/object/apply:os.system ['true']",
    "gzip-unannounced": gzip.compress(_FINE),
    "binary": bytes(range(256)) * 8,
    "template": b'{"description": "{{7*7}} {% raw %}", "human_eval": "{{7*7}}"}',
}  # fmt: skip

_PACKED = gzip.compress(_FINE)

# With the header Content-Encoding that each is sent with.
ENCODED: Mapping[str, tuple[str, bytes]] = {
    "plain-as-gzip": ("gzip", _FINE),
    "nothing-as-gzip": ("gzip", b""),
    "half-gzip": ("gzip", _PACKED[: len(_PACKED) // 2]),
    "wrong-sum": ("gzip", _PACKED[:-8] + b"\x00" * 8),
    "header-alone": ("gzip", _PACKED[:10]),
    "wrong-method": ("gzip", _PACKED[:2] + b"\x07" + _PACKED[3:]),
    "twice": ("gzip", gzip.compress(_PACKED)),
    "two-in-a-row": ("gzip", _PACKED + _PACKED),
    "followed-by-more": ("gzip", _PACKED + MARK.encode()),
    "bomb": ("gzip", gzip.compress(b"[" * (40 << 20), 9)),
    "bomb-of-a-text": ("gzip", gzip.compress(b'{"a": "' + b"a" * (40 << 20), 9)),
    "deep": ("gzip", gzip.compress(b"[" * 10_000_000, 9)),
    "many-events": ("gzip", gzip.compress(b'{"batched_log_events": [' + b"0," * 60_000 + b"0]}")),
    "deflate": ("deflate", _FINE),
    "brotli": ("br", _FINE),
    "list": ("gzip, gzip", _PACKED),
    "unknown": (MARK * 50, _FINE),
    "odd": ("\x01gzip\xff", _FINE),
}

VALUES: Sequence[Any] = [
    None, True, 0, -1, 1.5, 2**70, 10**400, 1e308, "", MARK * 80, "\ud800", "\x00", [], {},
    [[None]], {MARK: {MARK: [MARK]}}, [MARK] * 600,
]  # fmt: skip

EVENT_KEYS = (
    *("task_id", "session_id", "user_id", "version_id", "input", "output", "metadata", "steps"),
    *("flag", "notes", "raw_input", "raw_output", "created_at", "created_at_ms", "project_id"),
    *("client_created_at", "client_created_at_ms", "status", "error", "model", MARK),
)
FEEDBACK_KEYS = ("human_eval", "flag", "notes", "source", "project_id", MARK)
DRAFT_KEYS = (
    *("name", "description", "scope", "detector", "keywords", "pattern", "examples", "answer"),
    *("categories", "score_range", "settings", "interactions", "event_id", "id", "version", MARK),
)

HEADERS: Sequence[tuple[str, str]] = [
    ("Content-Type", ""),
    ("Content-Type", "text/html; charset=\x01"),
    ("Content-Type", "application/json; charset=utf-99"),
    ("Content-Type", "multipart/form-data"),
    ("Content-Type", "multipart/form-data; boundary=" + "b" * 5000),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Type", MARK * 100),
    ("Authorization", ""),
    ("Authorization", "Bearer"),
    ("Authorization", "Bearer  "),
    ("Authorization", "Basic Og=="),
    ("Authorization", "Basic " + "A" * 5000),
    ("Authorization", "Bearer " + "x" * 10_000),
    ("Authorization", "Bearer \xff\xfe\x80"),
    ("Authorization", "Bearer ' or 1=1 --"),
    ("Authorization", "Digest username=\"x\", realm=\"" + MARK),
    ("Accept", "*/*;q=nan"),
    ("Accept-Encoding", "gzip;q=-1, \x01"),
    ("Accept-Language", "x" * 5000),
    ("Cookie", "phospho=" + "A" * 3000),
    ("Cookie", "phospho=\xff; ;=;a;=b"),
    ("Host", ""),
    ("Host", "evil.example:99999"),
    ("Host", "[::1"),
    ("Origin", "null"),
    ("Referer", "javascript:alert(1)"),
    ("X-Forwarded-Proto", "javascript"),
    ("X-Forwarded-For", "x" * 3000),
    ("X-HTTP-Method-Override", "DELETE"),
    ("Range", "bytes=9999999999-"),
    ("If-None-Match", '"' * 999),
    ("If-Modified-Since", "Thu, 99 Foo 99999"),
    ("Expect", "200-ok"),
    ("Upgrade", "h2c"),
    ("Traceparent", "\x00" * 10),
]  # fmt: skip

# Of an address, after the place where an id or a page would stand.
PATHS: Sequence[str] = [
    "", "/", "//", "/./..", "/../../etc/passwd", "/%2e%2e/%2e%2e", "/..%2f..%2f", "/..\\..\\", "/%",
    "/%zz", "/%c3", "/%c3%28", "/%00", "/%0d%0aX: y", "/%ff%fe", "/%ed%a0%80", "/%u0041", "/%25%25",
    "/" + "a" * 10_000, "/" + "a/" * 2_000, "/\u202e\u2028", "/;a=b", "/?", "/??a", "/?a&&=&=b",
    "/?" + "a=1&" * 5_000, "/?cursor=" + "9" * 5_000, "/?a[]=1&a[b]=2", "/?%", "/?a=%ff%00", "/#x",
    "/*", "/'\"<>", "/{{7*7}}", "/$HOME", "/.env", "/.git/config", "/wp-login.php",
]  # fmt: skip

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO", "get")

# What may stand behind any name in an address.
QUERY_VALUES: Sequence[str] = [
    "", " ", "0", "-1", "1", "999999999", "9" * 30, "1e9", "NaN", "\u0663", "1.s1", "0.", "0.1",
    ".", "1.2.3", "9" * 400 + ".1", "null", "true", "24h", "2026-11-27", "2026-02-30", "0001-01-01",
    "9999-12-31", "2026-11-27T25:61Z", "0001-01-01T00:00+23:59", "9999-12-31T23:59:59.999-23:59",
    "a=b", "=", "3-5", "11-", "newest", "yes", "x" * 301, "'; drop table sessions --", '"',
    "* OR a", "\x00", "\r\nX: y", "\u202e", "\ud7ff\ue000", "<script>", "{{7*7}}",
]  # fmt: skip
