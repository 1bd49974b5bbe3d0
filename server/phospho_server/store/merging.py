"""Conversations that come again, longer or changed: what a session has is not stored twice.

An exchange is the same as a stored one when both texts are; where one of them has no answer yet,
the question says it. Its answer is then kept in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from phospho_server.errors import InvalidError
from phospho_server.store import Connection
from phospho_server.store.changing import add_metadata, answer
from phospho_server.store.erasing import remove_interactions
from phospho_server.store.feedback import add_feedback
from phospho_server.store.interactions import CHUNK, add_interactions
from phospho_server.store.rows import NewInteraction

MergeMode = Literal["resolve", "append", "replace"]

# The newest exchanges of a session that are compared with what comes.
MOST_COMPARED = 1_000

# More than a session has.
_ALL = 1_000_000_000


@dataclass(frozen=True)
class Conversation:
    """A conversation as it arrives, checked.

    Args:
        mode: What becomes of what its session has already: `resolve` adds what is new, `append`
            adds all, and after `replace` the session is this conversation.
        interactions: In the order of the messages.
    """

    session_id: str
    mode: MergeMode
    interactions: Sequence[NewInteraction]


@dataclass(frozen=True)
class _Stored:
    """An exchange that a session has."""

    id: int
    task_id: str
    created_at_ms: int
    input: str
    output: str | None
    flag: str | None


@dataclass(frozen=True)
class _Plan:
    """What is to be done with a conversation.

    Args:
        same: Exchanges that are there, each with what came of it.
        new: Those to add.
        gone: Those to remove.
    """

    same: Sequence[tuple[_Stored, NewInteraction]]
    new: Sequence[NewInteraction]
    gone: Sequence[_Stored] = ()


def merge_conversation(db: Connection, project_id: str, conversation: Conversation) -> int:
    """Keep a conversation beside what its session has, as its mode says; return how many are new.

    Args:
        db: A connection in a write transaction.
        project_id: The project.
        conversation: Its interactions are in the order of time.

    Raises:
        NotFoundError: The project was deleted meanwhile.
    """
    given = conversation.interactions
    is_all = conversation.mode == "replace"
    stored = _load(db, project_id, conversation.session_id, is_all=is_all)
    plan = {"resolve": _resolve, "append": _append, "replace": _replace}[conversation.mode](
        stored, given
    )
    for known, new in plan.same:
        _follow(db, project_id, known, new)
    # Added before others go: what is said of a session stays while it has an interaction.
    last_at_ms = max((each.created_at_ms for each in _kept(stored, plan)), default=0)
    added = add_interactions(
        db,
        project_id,
        [replace(new, created_at_ms=max(new.created_at_ms, last_at_ms)) for new in plan.new],
    )
    gone = [each.id for each in plan.gone]
    for start in range(0, len(gone), CHUNK):
        remove_interactions(db, project_id, gone[start : start + CHUNK])
    return added


def _kept(stored: Sequence[_Stored], plan: _Plan) -> Sequence[_Stored]:
    return [known for known, _ in plan.same] if plan.gone else stored


def _load(db: Connection, project_id: str, session_id: str, *, is_all: bool) -> list[_Stored]:
    """Return the newest exchanges of a session, or all of them, in the order of time."""
    rows = db.rows(
        "select id, task_id, created_at_ms, input, output, flag from interactions "
        "where project_id = :project_id and session_id = :session_id "
        "order by created_at_ms desc, id desc limit :most",
        {
            "project_id": project_id,
            "session_id": session_id,
            "most": _ALL if is_all else MOST_COMPARED,
        },
    )
    return [_Stored(**dict(row)) for row in reversed(rows)]


def _resolve(stored: Sequence[_Stored], given: Sequence[NewInteraction]) -> _Plan:
    """Add what follows on what is there: after all of it, after its end, or after its beginning."""
    for start in range(len(stored) - len(given) + 1):
        if _goes_on(stored[start:], given):
            return _Plan(list(zip(stored[start:], given, strict=False)), [])
    begun = _count_same(stored, given)
    if there := _find_rest(stored, given, begun):
        return _Plan([*zip(stored, given[:begun], strict=False), *there], [])
    shared = _overlap(stored, given)
    if shared:
        return _continue(stored, given, shared)
    return _Plan(list(zip(stored[:begun], given, strict=False)), given[begun:])


def _find_rest(
    stored: Sequence[_Stored], given: Sequence[NewInteraction], begun: int
) -> list[tuple[_Stored, NewInteraction]]:
    """Return what follows on what both begin with, where it stands at the end: it came before."""
    rest = given[begun:]
    end = stored[max(begun, len(stored) - len(rest)) :]
    if not begun or len(end) != len(rest) or _count_same(end, rest) != len(rest):
        return []
    return list(zip(end, rest, strict=True))


def _append(stored: Sequence[_Stored], given: Sequence[NewInteraction]) -> _Plan:
    """Add all, but for what the end of the session shows to have been sent before."""
    return _continue(stored, given, _overlap(stored, given))


def _continue(stored: Sequence[_Stored], given: Sequence[NewInteraction], shared: int) -> _Plan:
    same = list(zip(stored[len(stored) - shared :], given, strict=False)) if shared else []
    return _Plan(same, given[shared:])


def _replace(stored: Sequence[_Stored], given: Sequence[NewInteraction]) -> _Plan:
    """Keep what both begin with; the rest goes, and the rest comes."""
    begun = _count_same(stored, given)
    # A conversation without an answer is not one that has it.
    while begun and given[begun - 1].output is None and stored[begun - 1].output is not None:
        begun -= 1
    return _Plan(list(zip(stored[:begun], given, strict=False)), given[begun:], stored[begun:])


def _overlap(stored: Sequence[_Stored], given: Sequence[NewInteraction]) -> int:
    """Return how many of the last stored exchanges the given ones begin with."""
    for shared in range(min(len(stored), len(given)), 0, -1):
        if _goes_on(stored[len(stored) - shared :], given):
            return shared
    return 0


def _goes_on(stored: Sequence[_Stored], given: Sequence[NewInteraction]) -> bool:
    """Tell whether exchanges are the same as far as both go; what comes may begin in the midst."""
    pairs = list(zip(stored, given, strict=False))
    return all(
        _is_same(known, new) or (number == 0 and _is_answer(known, new))
        for number, (known, new) in enumerate(pairs)
    )


def _count_same(stored: Sequence[_Stored], given: Sequence[NewInteraction]) -> int:
    count = 0
    for known, new in zip(stored, given, strict=False):
        if not _is_same(known, new):
            break
        count += 1
    return count


def _is_same(known: _Stored, new: NewInteraction) -> bool:
    if known.input != new.input:
        return False
    return known.output == new.output or known.output is None or new.output is None


def _is_answer(known: _Stored, new: NewInteraction) -> bool:
    """Tell whether an assistant's message alone answers what has no answer yet, or this one."""
    return not new.input and new.output is not None and known.output in {None, new.output}


def _follow(db: Connection, project_id: str, known: _Stored, new: NewInteraction) -> None:
    """Let a stored exchange be as it came again."""
    if known.output is None and new.output is not None:
        answer(db, project_id, known.id, new.output)
    metadata: Mapping[str, object] = json.loads(new.metadata or "{}")
    # Metadata that grew too long stays as it was: no conversation is refused for it.
    with suppress(InvalidError):
        add_metadata(
            db,
            project_id,
            known.task_id,
            metadata,
            user_id=new.user_id,
            version_id=new.version_id,
        )
    if new.flag is not None and new.flag != known.flag:
        add_feedback(db, project_id, known.task_id, flag=new.flag, notes=None, source="user")
