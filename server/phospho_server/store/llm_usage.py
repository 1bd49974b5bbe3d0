"""What LLM calls cost, by event and day, and how many verdicts needed none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho.detectors.llm.cost import Usage, split_evenly, split_usage
from phospho.detectors.llm.ledger import Call
from phospho_server.clock import day_of, now_ms
from phospho_server.store import Connection

# All of the project, where a call that several events share counts once.
PROJECT = ""

_NUMBERS = ("verdicts", "asked", "calls", "tokens_in", "tokens_out", "tokens_cached", "cost_nanos")

_ADD = f"""
insert into llm_usage (project_id, definition_id, day_ms, {", ".join(_NUMBERS)})
values (:project_id, :definition_id, :day_ms, {", ".join(f":{name}" for name in _NUMBERS)})
on conflict (project_id, definition_id, day_ms) do update set
    {", ".join(f"{name} = llm_usage.{name} + excluded.{name}" for name in _NUMBERS)}
"""


@dataclass(frozen=True)
class LlmUse:
    """What one event, or the whole project, asked of the LLM in a time.

    Args:
        verdicts: Verdicts that it could have been asked for.
        asked: Those that it was asked for.
        calls: In which it took part.
        cost_nanos: In billionths of the currency.
    """

    definition_id: str = PROJECT
    name: str = ""
    verdicts: int = 0
    asked: int = 0
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    cost_nanos: int = 0

    @property
    def tokens(self) -> int:
        """All tokens, read and written."""
        return self.tokens_in + self.tokens_out

    @property
    def share(self) -> float:
        """The part of the verdicts that needed the LLM, 0 to 1."""
        return min(1.0, self.asked / self.verdicts) if self.verdicts else 0.0

    def saved(self, mean: LlmUse) -> tuple[int, int]:
        """Return the cost in billionths and the tokens that asking about everything would add.

        Args:
            mean: Whose verdicts say what one costs, where this event has asked for none.
        """
        by = self if self.asked else mean
        spared = max(self.verdicts - self.asked, 0)
        if not by.asked:
            return 0, 0
        return spared * by.cost_nanos // by.asked, spared * by.tokens // by.asked


def add_call(db: Connection, project_id: str, call: Call) -> None:
    """Book a call: once for the project, and in even shares for its events."""
    shares = zip(
        call.event_ids,
        split_usage(call.usage, len(call.event_ids)),
        split_evenly(call.cost_nanos, len(call.event_ids)),
        strict=True,
    )
    rows = [(PROJECT, call.usage, call.cost_nanos), *shares]
    _add(db, project_id, [_row(of, usage, cost_nanos=cost) for of, usage, cost in rows])


def add_shared(db: Connection, usage: Usage) -> None:
    """Book a call to the LLM that the environment names, which all projects pay from one budget."""
    db.execute(
        "insert into llm_shared_usage (day_ms, tokens) values (:day_ms, :tokens) "
        "on conflict (day_ms) do update set tokens = llm_shared_usage.tokens + excluded.tokens",
        {"day_ms": day_of(now_ms()), "tokens": usage.tokens},
    )


def shared_tokens_of_today(db: Connection) -> int:
    """Return what all projects have asked of the environment's LLM since midnight UTC."""
    row = db.row(
        "select tokens from llm_shared_usage where day_ms = :day_ms", {"day_ms": day_of(now_ms())}
    )
    return 0 if row is None else int(row["tokens"])


def count_verdicts(db: Connection, project_id: str, definition_id: str, number: int) -> None:
    """Note verdicts that an LLM could have been asked for."""
    rows = [{"definition_id": of, "verdicts": number} for of in (PROJECT, definition_id)]
    _add(db, project_id, rows)


def count_asked(db: Connection, project_id: str, asked: Mapping[str, int]) -> None:
    """Note verdicts that an LLM was asked for, by definition."""
    rows: list[dict[str, object]] = [
        {"definition_id": of, "asked": number} for of, number in asked.items()
    ]
    _add(db, project_id, [*rows, {"definition_id": PROJECT, "asked": sum(asked.values())}])


def _row(definition_id: str, usage: Usage, *, cost_nanos: int) -> dict[str, object]:
    return {"definition_id": definition_id, "calls": 1, **vars(usage), "cost_nanos": cost_nanos}


def _add(db: Connection, project_id: str, rows: Sequence[Mapping[str, object]]) -> None:
    same = {"project_id": project_id, "day_ms": day_of(now_ms()), **dict.fromkeys(_NUMBERS, 0)}
    db.execute_many(_ADD, [{**same, **row} for row in rows])


def use_of_today(db: Connection, project_id: str) -> LlmUse:
    """Return what the project has asked for since midnight UTC."""
    row = db.row(
        f"select definition_id, {', '.join(_NUMBERS)} from llm_usage "
        "where project_id = :project_id and definition_id = :of and day_ms = :day_ms",
        {"project_id": project_id, "of": PROJECT, "day_ms": day_of(now_ms())},
    )
    return LlmUse() if row is None else LlmUse(**dict(row))


def list_uses(db: Connection, project_id: str, *, since_ms: int) -> Sequence[LlmUse]:
    """Return what each event has asked for, the costliest first; all that are deleted in one."""
    sums = ", ".join(f"sum(u.{name}) as {name}" for name in _NUMBERS)
    rows = db.rows(
        f"select coalesce(d.id, '') as definition_id, coalesce(d.name, '') as name, {sums} "
        "from llm_usage u left join event_definitions d on d.id = u.definition_id "
        "and d.deleted_at_ms is null where u.project_id = :project_id "
        "and u.definition_id <> :project and u.day_ms >= :since group by d.id, d.name "
        "order by cost_nanos desc, asked desc, d.name",
        {"project_id": project_id, "project": PROJECT, "since": since_ms},
    )
    return [LlmUse(**dict(row)) for row in rows]
