"""Prometheus' text format. Source: prometheus.io/docs/instrumenting/exposition_formats, 0.0.4."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]

_NO_LABELS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Sample:
    """One value; `suffix` is for the parts of a histogram."""

    value: float
    labels: Mapping[str, str] = field(default_factory=lambda: _NO_LABELS)
    suffix: str = ""


@dataclass(frozen=True)
class Family:
    """Values of one name, which differ in their labels."""

    name: str
    kind: Kind
    text: str
    samples: Sequence[Sample]


def gauge(name: str, text: str, value: float, **labels: str) -> Family:
    """Return a family of one value."""
    return Family(name, "gauge", text, [Sample(value, labels)])


def write(families: Iterable[Family]) -> str:
    """Return families as Prometheus reads them."""
    lines: list[str] = []
    for family in families:
        lines.append(f"# HELP {family.name} {_escape(family.text)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines += [
            f"{family.name}{sample.suffix}{_write_labels(sample.labels)} {_number(sample.value)}"
            for sample in family.samples
        ]
    return "\n".join((*lines, ""))


def _write_labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_quote(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quote(text: str) -> str:
    return _escape(text).replace('"', r"\"")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)
