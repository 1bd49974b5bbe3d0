"""Asks the LLM about one turn, in one call for all its events, and believes what can be checked.

What holds whatever the model does: a positive is believed only with a quote that occurs in the
message it is about; an answer that affirms a decoy is not believed at all; sentences that speak to
the judge were never shown to it. What is not believed, or not answered, is told apart from what the
model denied, so that whoever asked can keep another detector's verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

from phospho.detectors.answers import settled
from phospho.detectors.llm.answer import Answer, read_answers, says_yes
from phospho.detectors.llm.calling import Asked, Caller
from phospho.detectors.llm.confidence import UNREVIEWED, claimed_log_odds
from phospho.detectors.llm.prompt import (
    MAX_EVENTS,
    Passage,
    Prompt,
    cache_key,
    looked_at,
    make_prompt,
)
from phospho.detectors.llm.quotes import find_quote
from phospho.detectors.texts import evidence, text_of
from phospho.models import Detection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phospho.detectors.llm.client import Reply
    from phospho.detectors.llm.ledger import Flights
    from phospho.models import EventDefinition, Evidence, Turn

# A score of half or more would read as a yes.
_MOST_UNBELIEVED = 0.49


class Judge:
    """Asks one endpoint.

    Args:
        caller: Makes the calls.
        flights: Which questions are being asked now.
        base_url: Of the endpoint; with the model, part of what is remembered.
        model: Its model; named in the evidence.
    """

    def __init__(self, caller: Caller, flights: Flights, *, base_url: str, model: str) -> None:
        self.caller = caller
        self._flights = flights
        self._base_url = base_url
        self.model = model

    def close(self) -> None:
        """Close what it holds open."""
        self.caller.client.close()

    def answer(
        self,
        passage: Passage,
        events: Sequence[EventDefinition],
        give_up: Callable[[], bool],
        note_call: Callable[[Iterable[EventDefinition]], None],
    ) -> dict[str, Answer]:
        """Return answers by event id; those that cannot be had are left out.

        Raises:
            LlmError: Nobody answers.
            GivenUpError: `give_up` said so before all was asked.
        """
        by_key: dict[str, list[EventDefinition]] = {}
        for event in events:
            key = cache_key(self._base_url, self.model, passage, event)
            by_key.setdefault(key, []).append(event)
        known = self.caller.ledger.find(list(by_key))
        while missing := [key for key in by_key if key not in known]:
            mine, others = self._flights.claim(missing)
            asked = {key: by_key[key][0] for key in mine}
            answers = self._ask_all(passage, asked, give_up, note_call)
            known |= answers | _wait_for(others)
            if len(answers) < len(mine):
                break
        return {
            event.id: Answer.from_json(known[key])
            for key, same in by_key.items()
            if key in known
            for event in same
        }

    def _ask_all(
        self,
        passage: Passage,
        asked: Mapping[str, EventDefinition],
        give_up: Callable[[], bool],
        note_call: Callable[[Iterable[EventDefinition]], None],
    ) -> dict[str, str]:
        """Return answers to questions that were claimed, and land each, answered or not."""
        known: dict[str, str] = {}
        try:
            # What landed just before it was claimed is remembered by now.
            known = self.caller.ledger.find(list(asked)) if asked else {}
            left = [(key, event) for key, event in asked.items() if key not in known]
            for chunk in _chunks(left, MAX_EVENTS):
                note_call(event for _, event in chunk)
                known |= self._ask_twice(passage, dict(chunk), give_up)
            return known
        finally:
            for key in asked:
                self._flights.land(key, known.get(key))

    def _ask_twice(
        self,
        passage: Passage,
        keyed: Mapping[str, EventDefinition],
        give_up: Callable[[], bool],
    ) -> dict[str, str]:
        """Return answers by their keys; what the first answer lacks is asked for once more."""
        known = self._ask(passage, keyed, give_up)
        missing = {key: event for key, event in keyed.items() if key not in known}
        return known | self._ask(passage, missing, give_up) if missing else known

    def _ask(
        self,
        passage: Passage,
        keyed: Mapping[str, EventDefinition],
        give_up: Callable[[], bool],
    ) -> dict[str, str]:
        prompt = make_prompt(passage, list(keyed.values()))
        key_of = {event.id: key for key, event in keyed.items()}
        answers: dict[str, str] = {}

        def read(reply: Reply) -> Mapping[str, str]:
            for name, answer in _read_trusted(reply.text, prompt).items():
                answers[key_of[prompt.events[name].id]] = answer.to_json()
            return answers

        asked = Asked(
            messages=prompt.messages,
            schema=prompt.schema,
            events=len(keyed) + (prompt.decoy is not None),
            event_ids=[event.id for event in keyed.values()],
        )
        self.caller.call(asked, read, give_up)
        return answers

    def verdict(
        self, turn: Turn, passage: Passage, event: EventDefinition, answer: Answer
    ) -> tuple[Detection, bool]:
        """Return the verdict that an answer gives, and whether it can be believed.

        What is not believed is no event, with half the judge's confidence in it.
        """
        why = _evidence(turn, passage, event, answer, self.model) if answer.is_trusted else None
        is_believed = answer.is_trusted and (why is not None or not answer.occurred)
        detected = answer.occurred and is_believed
        claimed = claimed_log_odds(answer.confidence, occurred=detected)
        score = UNREVIEWED.score(claimed, occurred=detected)
        if not is_believed:
            score = min(answer.confidence / 200, _MOST_UNBELIEVED)
        detection = Detection(
            event_id=event.id,
            task_id=turn.interaction.task_id,
            detected=detected,
            score=round(score, 4),
            evidence=why if detected else None,
            detector="llm",
            value=answer.value if detected else None,
        )
        return settled(detection, event), is_believed


def _read_trusted(text: str, prompt: Prompt) -> dict[str, Answer]:
    """Return answers by their keys in a prompt; none is trusted where the decoy is affirmed."""
    answers = read_answers(text, prompt.events)
    if prompt.decoy is None or not says_yes(text, prompt.decoy):
        return answers
    return {
        key: Answer(answer.occurred, "", answer.confidence, None, is_trusted=False)
        for key, answer in answers.items()
    }


def _evidence(
    turn: Turn, passage: Passage, event: EventDefinition, answer: Answer, model: str
) -> Evidence | None:
    """Return the evidence of a positive answer, if its words were said where the event may be."""
    if not answer.occurred:
        return None
    for side in looked_at(event):
        quote = find_quote(answer.evidence, passage.text(side))
        if quote is not None and quote in text_of(turn, side):
            return evidence(side, quote, f"judged by {model}")
    return None


def _wait_for(others: Mapping[str, Future[str | None]]) -> dict[str, str]:
    """Return what others were answered."""
    landed = {key: future.result() for key, future in others.items()}
    return {key: answer for key, answer in landed.items() if answer is not None}


def _chunks(
    items: list[tuple[str, EventDefinition]], size: int
) -> list[list[tuple[str, EventDefinition]]]:
    return [items[at : at + size] for at in range(0, len(items), size)]
