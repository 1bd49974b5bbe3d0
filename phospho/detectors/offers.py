"""Reads a message that accepts an offer together with what was offered.

"Yes, at eight" says little; after "Shall I book the table?" it books a table. Such a message gets
one more piece before all others, the question and the answer to it, which stands for the whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from phospho.detectors.closeness import embed_messages
from phospho.detectors.packing import pack, unpack
from phospho.detectors.sentences import first_sentence, last_sentence
from phospho.detectors.texts import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.detectors import Embedder
    from phospho.detectors.closeness import Messages
    from phospho.detectors.yardstick import Yardstick
    from phospho.models import Side, Turn

_QUESTION_MARKS = ("?", "？", "؟", "\u037e")  # noqa: RUF001 - what is typed


def embed_turns(
    embedder: Embedder,
    yardstick: Yardstick,
    batch: Sequence[Turn],
    side: Side,
    kept: Sequence[bytes | None] = (),
) -> Messages:
    """Embed the messages of one side, those that accept an offer together with it.

    Args:
        embedder: Makes the vectors.
        yardstick: What is said every day on this side.
        batch: The turns.
        side: Whose messages.
        kept: The packed vectors of each, where they are kept.
    """
    messages = embed_messages(embedder, [text_of(turn, side) for turn in batch], kept)
    if not yardstick.accepts:
        return messages
    answers = {
        row: (offer, first_sentence(messages.texts[row]).of(messages.texts[row]))
        for row in map(int, messages.filled)
        if (not kept or kept[row] is None) and (offer := offered(batch[row]))
    }
    if not answers:
        return messages
    first = embedder.encode([answer for _, answer in answers.values()])
    accepts = np.min([axis.positions(first) for axis in yardstick.accepts], axis=0) > 0
    read = {
        row: " ".join(both)
        for (row, both), is_accepted in zip(answers.items(), accepts, strict=True)
        if is_accepted
    }
    return _with_wholes(messages, embedder, read) if read else messages


def offered(turn: Turn) -> str:
    """Return the question that the assistant ended with just before a turn; empty if none."""
    before = (turn.history[-1].output or "") if turn.history else ""
    said = last_sentence(before).of(before)
    return said if said.endswith(_QUESTION_MARKS) else ""


def _with_wholes(messages: Messages, embedder: Embedder, read: dict[int, str]) -> Messages:
    """Put before the pieces of some messages one that stands for all of each."""
    places = np.searchsorted(messages.filled, list(read))
    wholes = unpack(pack(embedder.encode(list(read.values()))))
    vectors = np.insert(messages.vectors, messages.starts[places], wholes, axis=0)
    added = np.zeros(len(messages.filled), dtype=np.intp)
    added[places] = 1
    return replace(
        messages,
        starts=messages.starts + np.cumsum(added) - added,
        accepts=messages.accepts | (added == 1),
        vectors=vectors,
    )
