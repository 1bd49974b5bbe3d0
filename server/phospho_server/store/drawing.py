"""Verdicts drawn by chance, without looking at all of them, however many there are.

A draw of the yes takes all that lie in some stretches of interactions, a draw of the no asks for
interactions at random, where there are many for two neighbours at once; so each verdict of a word
has the same chance.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

from phospho.models import EventDefinition
from phospho_server.auditing import Drawn
from phospho_server.store import Connection, in_list

# Drawn of each word: enough to know how scores are spread, few enough for every page.
MOST_YES, _MOST_NO = 120, 400

# To look up two neighbours costs little more than one of them, where interactions are many. They
# may be of one session: how common the unsure are is known a little less well for it, of which
# clicks leave far more open.
_NEIGHBOURS, _MANY = 2, 20_000

# Stretches that the drawn yes come from, with ten in each; where they come in bursts some more.
_STRETCHES = 12
_MOST_OF_STRETCH = 80

# Where few yes are known all are taken, also among events that people added.
_MOST_OF_FEW = 1_000

# Asked for where the project's interactions are few among those of others.
_MORE_NO = 6_000
_FEW_NO = 150

# The index of events has all that is drawn; SQLite takes it where an id is bounded on one side.
_EVENTS = (
    "from detections where project_id = :project_id and definition_id = :definition_id "
    "and detected = 1"
)
_ENDS = (
    f"select (select interaction_id {_EVENTS} and interaction_id > 0 "
    "order by interaction_id limit 1) as first, "
    f"(select interaction_id {_EVENTS} and interaction_id < :end "
    "order by interaction_id desc limit 1) as last"
)

_COLUMNS = "interaction_id, definition_version, score, reviewed, judged"

_STRETCH = (
    "select interaction_id, score, reviewed from "
    f"(select {_COLUMNS} {_EVENTS} and interaction_id >= :start_{{at}} "
    "order by interaction_id limit :limit) e{at} where interaction_id < :end_{at} "
    "and definition_version = :version and (reviewed is null or judged = 1)"
)

_SAID = "case when reviewed is null then detected else judged end"


def draw_yes(
    db: Connection,
    project_id: str,
    definition: EventDefinition,
    positives: int,
    chance: random.Random,
) -> list[Drawn]:
    """Return some verdicts of yes that stand; what a person rejected is none of them.

    Args:
        db: A connection.
        project_id: The project.
        definition: Only verdicts of this version are drawn.
        positives: About how many there are.
        chance: What decides; the same one draws the same.
    """
    mine = {"project_id": project_id, "definition_id": definition.id, "end": 2**62}
    ends = db.row(_ENDS, mine)
    if ends is None or ends["first"] is None:
        return []
    stretches = _stretches(ends["first"], ends["last"], positives, chance)
    limit = _MOST_OF_FEW if positives <= MOST_YES else _MOST_OF_STRETCH
    params = {**mine, "version": definition.version, "limit": limit}
    for at, (start, end) in enumerate(stretches):
        params[f"start_{at}"], params[f"end_{at}"] = start, end
    rows = db.tuples(_all_of(len(stretches)), params)
    # Stretches may overlap.
    return [
        Drawn(interaction_id, said=True, score=score, is_reviewed=reviewed is not None)
        for interaction_id, score, reviewed in sorted(set(rows))
    ]


@lru_cache
def _all_of(stretches: int) -> str:
    """Return one statement for all stretches, which takes less time than each of them."""
    return " union all ".join(_STRETCH.format(at=at) for at in range(stretches))


def _stretches(
    first: int, last: int, positives: int, chance: random.Random
) -> list[tuple[int, int]]:
    """Return stretches of interactions that hold about as many yes as are wanted."""
    length = last - first + 1
    if positives <= MOST_YES:
        return [(first, last + 1)]
    width = max(1, length * MOST_YES // (positives * _STRETCHES))
    starts = (first - width + 1 + chance.randrange(length + width) for _ in range(_STRETCHES))
    return [(start, start + width) for start in sorted(starts)]


def draw_no(
    db: Connection, project_id: str, definition: EventDefinition, chance: random.Random
) -> list[Drawn]:
    """Return some verdicts of no; arguments are as those of `draw_yes`."""
    ends = db.row(
        "select (select min(interaction_id) from detections where project_id = :project_id) "
        "as first, (select max(interaction_id) from detections where project_id = :project_id) "
        "as last",
        {"project_id": project_id},
    )
    if ends is None or ends["first"] is None:
        return []
    span = range(ends["first"], ends["last"] + 1)
    found = _look_up_no(db, project_id, definition, _draw_ids(span, _MOST_NO, chance))
    if len(found) < _FEW_NO and len(span) > _MOST_NO:
        ids = _draw_ids(span, _MORE_NO, chance)
        found = _look_up_no(db, project_id, definition, ids)
    return found


def _draw_ids(span: range, most: int, chance: random.Random) -> Sequence[int]:
    """Return ids of which each has the same chance; with their neighbours, where there are many."""
    if len(span) <= most:
        return span
    if len(span) < _MANY:
        return chance.sample(span, most)
    # What begins before the first ends at it, so that it lies in as many groups as the others.
    starts = chance.sample(range(span.start - _NEIGHBOURS + 1, span.stop), most // _NEIGHBOURS)
    ids = {start + at for start in starts for at in range(_NEIGHBOURS)}
    return sorted(each for each in ids if each in span)


def _look_up_no(
    db: Connection, project_id: str, definition: EventDefinition, ids: Sequence[int]
) -> list[Drawn]:
    """Return the verdicts of no on those interactions that have one.

    A yes that is no event, as its session has one before it, is none.
    """
    text, params = in_list("i", ids)
    rows = db.tuples(
        "select interaction_id, score, reviewed from detections "
        f"where project_id = :project_id and interaction_id {text} "
        "and definition_id = :definition_id and definition_version = :version "
        f"and {_SAID} = 0 and repeated is null order by interaction_id",
        {
            "project_id": project_id,
            "definition_id": definition.id,
            "version": definition.version,
            **params,
        },
    )
    return [
        Drawn(interaction_id, said=False, score=score, is_reviewed=reviewed is not None)
        for interaction_id, score, reviewed in rows
    ]
