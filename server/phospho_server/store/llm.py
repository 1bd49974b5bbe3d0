"""Which LLM a project asks, whether that is paused, and what it has answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phospho_server.clock import now_ms
from phospho_server.store import Connection, in_list

# Answers a project remembers: about 30 MB.
MAX_ANSWERS = 100_000


@dataclass(frozen=True)
class LlmSettings:
    """What was set for a project.

    Args:
        is_off: Nothing of this project is sent to an LLM.
        base_url: Empty where the environment names the LLM.
        model: The same.
        api_key: Empty, `env:NAME` or `sealed:TOKEN`; never the key itself.
        currency: Of the prices, as people write it.
        price_in: Decimal text, of a million tokens; the same for the others.
        daily_budget: Decimal text, in the currency.
        daily_tokens: The budget in tokens.
        is_trusted: Whether an owner of the server named the base URL, so that it may lead into a
            private network.
    """

    is_off: bool = False
    base_url: str = ""
    model: str = ""
    api_key: str = ""
    currency: str = ""
    price_in: str | None = None
    price_out: str | None = None
    price_cached: str | None = None
    daily_budget: str | None = None
    daily_tokens: int | None = None
    is_trusted: bool = False


_COLUMNS = (
    "is_off, base_url, model, api_key, currency, price_in, price_out, price_cached, daily_budget, "
    "daily_tokens, is_trusted"
)
_FLAGS = ("is_off", "is_trusted")


def find_settings(db: Connection, project_id: str) -> LlmSettings | None:
    """Return what was set for a project, if anything."""
    row = db.row(
        f"select {_COLUMNS} from llm_settings where project_id = :project_id",
        {"project_id": project_id},
    )
    if row is None:
        return None
    return LlmSettings(**{**dict(row), **{name: bool(row[name]) for name in _FLAGS}})


def is_off(db: Connection, project_id: str) -> bool:
    """Tell whether nothing of a project is to be sent to any LLM."""
    held = find_settings(db, project_id)
    return held is not None and held.is_off


def save_settings(db: Connection, project_id: str, settings: LlmSettings) -> None:
    """Replace what was set for a project; what waited for it goes on."""
    names = _COLUMNS.split(", ")
    db.execute(
        f"insert into llm_settings (project_id, {_COLUMNS}, updated_at_ms) values "
        f"(:project_id, {', '.join(f':{name}' for name in names)}, :now) "
        "on conflict (project_id) do update set "
        f"{', '.join(f'{name} = excluded.{name}' for name in names)}, "
        "updated_at_ms = excluded.updated_at_ms",
        {
            **vars(settings),
            **{name: int(vars(settings)[name]) for name in _FLAGS},
            "project_id": project_id,
            "now": now_ms(),
        },
    )
    resume(db, project_id)


def pause(db: Connection, project_id: str, reason: str) -> None:
    """Make no more calls for a project."""
    db.execute(
        "insert into llm_pauses values (:project_id, :reason, :now) "
        "on conflict (project_id) do update set reason = excluded.reason, "
        "paused_at_ms = excluded.paused_at_ms",
        {"project_id": project_id, "reason": reason, "now": now_ms()},
    )


def resume(db: Connection, project_id: str) -> None:
    """Make calls again, and first for what waited or was given up."""
    db.execute("delete from llm_pauses where project_id = :project_id", {"project_id": project_id})
    db.execute(
        "update jobs set run_at_ms = :now, attempts = 0, parked_at_ms = null, error = null "
        "where project_id = :project_id and kind = 'llm' and leased_until_ms <= :now",
        {"project_id": project_id, "now": now_ms()},
    )


def find_pause(db: Connection, project_id: str) -> str | None:
    """Return why no calls are made for a project, or None where they are."""
    row = db.row(
        "select reason from llm_pauses where project_id = :project_id", {"project_id": project_id}
    )
    return None if row is None else str(row["reason"])


def find_answers(db: Connection, project_id: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the answers that are remembered, by key."""
    text, params = in_list("k", keys)
    rows = db.rows(
        f"select key, answer from llm_answers where project_id = :project_id and key {text}",
        {"project_id": project_id, **params},
    )
    return {row["key"]: row["answer"] for row in rows}


def keep_answers(db: Connection, project_id: str, answers: Mapping[str, str]) -> None:
    """Remember answers; the first one to a question stands."""
    now = now_ms()
    db.execute_many(
        "insert into llm_answers values (:project_id, :key, :answer, :now) on conflict do nothing",
        [
            {"project_id": project_id, "key": key, "answer": answer, "now": now}
            for key, answer in answers.items()
        ],
    )


def forget_old_answers(db: Connection, project_id: str, *, most: int = MAX_ANSWERS) -> int:
    """Forget the oldest answers beyond so many; return how many those were."""
    row = db.row(
        "select created_at_ms from llm_answers where project_id = :project_id "
        "order by created_at_ms desc limit 1 offset :most",
        {"project_id": project_id, "most": most},
    )
    if row is None:
        return 0
    return db.execute(
        "delete from llm_answers where project_id = :project_id and created_at_ms <= :oldest",
        {"project_id": project_id, "oldest": row["created_at_ms"]},
    )
