"""Reads `recorded/<source>.json`, which shows what phospho extracts of a library's values."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
from pathlib import Path
from typing import Any, cast

from phospho.extraction import Extracted, accept, extract
from phospho.models import Side
from phospho.plugins import Plugins

_FOLDER = Path(__file__).parent / "recorded"


def load(source: str) -> dict[str, Any]:
    """Return the recording of a source."""
    recording: dict[str, Any] = json.loads((_FOLDER / f"{source}.json").read_text())
    return recording


def fields_of(answer: Extracted | None) -> dict[str, Any]:
    """Return the fields of an answer that are not empty, as JSON holds them."""
    assert answer is not None
    fields = {name: value for name, value in dataclasses.asdict(answer).items() if value}
    return cast("dict[str, Any]", json.loads(json.dumps(fields)))


def through_hooks(source: str, value: Any, side: Side) -> dict[str, Any]:
    """Return what phospho reads, and make sure that it is the source's extractor that reads it."""
    module = importlib.import_module(f"phospho.extractors.{source}")
    own = getattr(module, f"phospho_extract_{side}")(value)
    assert own is not None
    answer = extract(value, side, Plugins(entry_points=False, built_in=()))
    assert answer == accept(own)
    return fields_of(answer)


def survives(source: str, value: Any) -> None:
    """Hand a value to a source's hooks directly and through all extractors."""
    module = importlib.import_module(f"phospho.extractors.{source}")
    sides: tuple[Side, Side] = ("input", "output")
    for side in sides:
        hook = getattr(module, f"phospho_extract_{side}", None)
        if hook is not None and (answer := hook(value)) is not None:
            accept(answer)
        plugins = _built_in()
        assert extract(value, side, plugins) is not None
        if failures := plugins.failures():
            # Remembered, they would be those of every other value too.
            _built_in.cache_clear()
        assert failures == {}


@functools.cache
def _built_in() -> Plugins:
    """Return phospho's own plugins: to load them takes longer than to read a value."""
    return Plugins(entry_points=False, built_in=())
