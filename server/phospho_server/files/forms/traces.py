"""Traces: runs within runs, of which the outermost is an interaction and the others its steps."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from phospho.steps import USAGE_KEYS
from phospho_server.errors import InvalidError
from phospho_server.files.forms.found import Event, Found
from phospho_server.files.rows import Problem, Row, Rows, count_chars
from phospho_server.files.texts import Said, read_said
from phospho_server.files.values import read_time

# Runs that wait for others of their trace, and what is said in them. What comes later than this
# finds its trace gone.
MOST_WAITING = 5_000
_MOST_CHARS = 50_000_000


@dataclass(frozen=True)
class Run:
    """A call of a trace, as its exporter tells it.

    Args:
        number: Of its row.
        trace_id: What holds a trace together.
        id: Its own.
        parent_id: That of the run it is within, None for the outermost.
        kind: One of `phospho.steps.KINDS`.
        usage: Tokens, under the names of `phospho.steps.USAGE_KEYS`.
        error: What went wrong, in words.
        facts: What an interaction that it is the outermost run of has besides.
        metadata: The same.
    """

    number: int
    trace_id: str
    id: str
    parent_id: str | None
    kind: str
    name: str
    input: Any = None
    output: Any = None
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    model: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    error: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def chars(self) -> int:
        """About how much is said in it."""
        return sum(count_chars(value) for value in (self.input, self.output, self.metadata))


@dataclass
class Traces:
    """A file of runs in any order, those of a trace not too far from each other.

    Args:
        says: What the file is.
        read_runs: Returns the runs of a row: one, or all of a trace.
        left_out: How many runs were left out, because the outermost is not near them.
    """

    says: Sequence[str]
    read_runs: Callable[[Row], Sequence[Run]]
    left_out: int = 0

    def read(self, rows: Rows) -> Iterator[Found | Problem]:
        """Yield an interaction for each trace whose outermost run is there."""
        waiting: OrderedDict[str, list[Run]] = OrderedDict()
        held = chars = 0
        for row in rows:
            if isinstance(row, Problem):
                yield row
                continue
            try:
                runs = self.read_runs(row)
            except InvalidError as exc:
                yield Problem(row.number, str(exc))
                continue
            for run in runs:
                waiting.setdefault(run.trace_id, []).append(run)
                waiting.move_to_end(run.trace_id)
                held += 1
                chars += run.chars
            while held > MOST_WAITING or (chars > _MOST_CHARS and held > len(runs)):
                _, over = waiting.popitem(last=False)
                held -= len(over)
                chars -= sum(run.chars for run in over)
                yield from self._close(over)
        for over in waiting.values():
            yield from self._close(over)

    def _close(self, runs: Sequence[Run]) -> Iterator[Found | Problem]:
        roots = [run for run in runs if run.parent_id is None]
        if not roots:
            self.left_out += len(runs)
            return
        ordered = sorted(runs, key=lambda run: (run.started_at_ms or 0, run.number))
        roots = [run for run in ordered if run.parent_id is None]
        try:
            yield Found(roots[0].number, [_as_event(roots, ordered)])
        except InvalidError as exc:
            yield Problem(roots[0].number, str(exc))


def _as_event(roots: Sequence[Run], runs: Sequence[Run]) -> Event:
    """Return the interaction of a trace: what its first outermost run was asked, and the answer."""
    first, last = roots[0], roots[-1]
    given, gave = first.input, last.output
    if given is None and gave is None:
        # Some outermost runs only hold the others together.
        given = next((run.input for run in runs if run.input is not None), None)
        gave = next((run.output for run in reversed(runs) if run.output is not None), None)
    if given is None and gave is None:
        raise InvalidError("It has neither an input nor an output.")
    asked = read_said(given, "input") if given is not None else None
    answered = read_said(gave, "output") if gave is not None else None
    inner = [run for run in runs if len(roots) > 1 or run is not first]
    models = [run.model for run in runs if run.model]
    metadata = {**last.metadata, **first.metadata, **_facts(asked, answered)}
    metadata.setdefault("name", first.name)
    if models:
        metadata.setdefault("model", models[-1])
    if usage := _add_up(runs):
        metadata.setdefault("usage", usage)
    if first.error:
        metadata |= {"status": "error", "error": {"type": "", "message": first.error}}
    return {
        "task_id": first.trace_id,
        "session_id": first.trace_id,
        "created_at_ms": first.started_at_ms,
        "input": asked.text if asked else "",
        "output": answered.text if answered else None,
        "raw_input": asked.raw if asked else None,
        "raw_output": answered.raw if answered else None,
        "metadata": metadata,
        "steps": [_as_step(run) for run in inner] or None,
        **first.facts,
    }


def _facts(*sides: Said | None) -> dict[str, Any]:
    """Return the instructions and the model that the texts were read with."""
    found = [said.facts for said in sides if said and said.facts]
    facts: dict[str, Any] = {}
    for each in found:
        if each.system_prompt:
            facts.setdefault("system_prompt", each.system_prompt)
        if each.model:
            facts["model"] = each.model
    return facts


def _add_up(runs: Sequence[Run]) -> dict[str, int]:
    """Return the tokens of the innermost runs that tell them: outer ones may tell their sum."""
    outer = {run.parent_id for run in runs}
    telling = [run for run in runs if run.usage]
    inner = [run for run in telling if run.id not in outer] or telling[:1]
    usage: dict[str, int] = {}
    for run in inner:
        for name in USAGE_KEYS:
            if name in run.usage:
                usage[name] = usage.get(name, 0) + run.usage[name]
    return usage


def _as_step(run: Run) -> dict[str, Any]:
    lasted = None
    if run.started_at_ms is not None and run.ended_at_ms is not None:
        lasted = max(0, run.ended_at_ms - run.started_at_ms)
    step = {
        "kind": run.kind,
        "name": run.name,
        "started_at_ms": run.started_at_ms,
        "duration_ms": lasted,
        "model": run.model,
        "usage": dict(run.usage) or None,
        "error": {"type": "", "message": run.error} if run.error else None,
        "input": read_said(run.input, "input").text if run.input is not None else None,
        "output": read_said(run.output, "output").text if run.output is not None else None,
    }
    return {name: value for name, value in step.items() if value is not None}


def as_id(value: Any) -> str | None:
    """Return an id as text; None for nothing, and for what is no id."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return str(value)


def as_time(value: Any) -> int | None:
    """Return a time; None where there is none."""
    return None if value in (None, "") else read_time(value)


_COUNT = re.compile(r"\d{1,15}", re.ASCII)


def as_count(value: Any) -> int | None:
    """Return a number of tokens, which a table has as text; None for what is none."""
    if isinstance(value, str) and _COUNT.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_count else None
