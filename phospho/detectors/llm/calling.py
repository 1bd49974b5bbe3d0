"""A call until it is answered: tries, ways of asking for JSON, and what of it must be paid.

Servers differ in what they take: a strict JSON schema, any JSON object, or neither; `max_tokens` or
its newer name; a temperature or none. What one refuses is remembered and not sent to it again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from phospho.detectors.llm.client import BadRequestError, Reply, TryAgainError
from phospho.detectors.llm.cost import Budget, Usage, count_tokens
from phospho.detectors.llm.ledger import Call, Ledger
from phospho.errors import LlmError, LlmPausedError

if TYPE_CHECKING:
    from phospho.detectors.llm.limits import Pace

MAX_TRIES = 5

# So many tries of any calls in a row without an answer, and the judge is taken to be away. A try
# that was waited for to its end counts as five: waiting is what costs most.
_MAX_FAILED_TRIES = 2 * MAX_TRIES
_TRIES_OF_A_TIMEOUT = 5

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 20.0

# Of all tries of one call together, once the first may begin.
CALL_S = 90.0

# The answer to one event, and what stands around the answers.
_TOKENS_AN_EVENT = 150
_TOKENS_AROUND = 100
# What an answer has mostly, as an event that did not occur has no evidence.
_TOKENS_OF_AN_ANSWER = 40
# A model that thinks before it answers does so within the same limit.
_TOKENS_TO_THINK = 8_000

_MODES = ("json_schema", "json_object", "text")


class Sends(Protocol):
    """What makes one call: `client.ChatClient`, or a stand-in."""

    def send(self, request: Mapping[str, Any], *, until_s: float) -> Reply:
        """Return what came back."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


@dataclass(frozen=True)
class Asked:
    """A call to be made.

    Args:
        messages: As chat completions take them.
        schema: Of the answer.
        events: How many events it asks for, a decoy included.
        event_ids: Those that pay for it.
    """

    messages: Sequence[Mapping[str, str]]
    schema: Mapping[str, Any]
    events: int
    event_ids: Sequence[str]


@dataclass(frozen=True)
class Form:
    """What a server takes, as far as it is known."""

    mode: int = 0
    length_name: str = "max_tokens"
    has_temperature: bool = True

    def request(self, asked: Asked, *, is_thinking: bool) -> dict[str, Any]:
        """Return the body of a request."""
        length = _TOKENS_AROUND + _TOKENS_AN_EVENT * asked.events
        if is_thinking or self.length_name != "max_tokens":
            length += _TOKENS_TO_THINK
        request: dict[str, Any] = {"messages": asked.messages, self.length_name: length}
        if self.has_temperature:
            request["temperature"] = 0
        mode = _MODES[self.mode]
        if mode == "json_schema":
            schema = {"name": "events", "strict": True, "schema": asked.schema}
            request["response_format"] = {"type": mode, "json_schema": schema}
        elif mode == "json_object":
            request["response_format"] = {"type": mode}
        return request

    def without_what_is_refused(self, words: str) -> Form | None:
        """Return another form; None where there is none.

        The words of a refusal mostly name what is refused; where they do not, it is the schema.
        """
        words = words.casefold()
        if "max_completion_tokens" in words and self.length_name == "max_tokens":
            return replace(self, length_name="max_completion_tokens")
        if "temperature" in words and self.has_temperature:
            return replace(self, has_temperature=False)
        if self.mode + 1 < len(_MODES) and not _is_too_long(words):
            return replace(self, mode=self.mode + 1)
        return None


class _Tries:
    """The tries of one call: five, within a time that begins with the first."""

    def __init__(self) -> None:
        self.failed = 0
        self._until_s: float | None = None

    @property
    def until_s(self) -> float:
        """When to give up, on the clock of `time.monotonic`."""
        if self._until_s is None:
            self._until_s = time.monotonic() + CALL_S
        return self._until_s

    def is_over(self, pause_s: float) -> bool:
        """Tell whether there is no other try after such a pause."""
        return self.failed >= MAX_TRIES or time.monotonic() + pause_s > self.until_s


class Caller:
    """Makes calls to one endpoint, several at once, and remembers what it takes.

    Args:
        client: Makes one call.
        budget: What may be spent.
        ledger: Where costs are booked.
        pace: How fast to ask.
        on_begin: Called before each batch of calls.
    """

    def __init__(
        self,
        client: Sends,
        *,
        budget: Budget,
        ledger: Ledger,
        pace: Pace,
        on_begin: Callable[[], None] = lambda: None,
    ) -> None:
        self.client = client
        self.budget = budget
        self.ledger = ledger
        self.pace = pace
        self._on_begin = on_begin
        self.stopped_by: LlmError | None = None
        self._failed_tries = 0
        self._form = Form()
        self._is_thinking = False

    def begin(self) -> None:
        """Begin to ask again, after it was stopped or not."""
        self._on_begin()
        self.stopped_by, self._failed_tries = None, 0

    def call(
        self,
        asked: Asked,
        read: Callable[[Reply], Mapping[str, str]],
        give_up: Callable[[], bool],
    ) -> Reply:
        """Return the answer to a call, once its cost is booked and what was read is remembered.

        Args:
            asked: The call.
            read: Returns the answers to remember.
            give_up: Whether to begin no further try.

        Raises:
            TryAgainError: Every try failed.
            BadRequestError: The server takes it in no form.
            LlmPausedError: The server refuses us.
            BudgetSpentError: There is no budget left for it.
            GivenUpError: Nothing was sent, as `give_up` said so (`limits.py`).
        """
        form, tries = self._form, _Tries()
        while True:
            result = self._try(asked, form, tries, read, give_up)
            if isinstance(result, Reply):
                self._form = form
                self._is_thinking = self._is_thinking or result.is_cut
                return result
            form = result

    def _try(
        self,
        asked: Asked,
        form: Form,
        tries: _Tries,
        read: Callable[[Reply], Mapping[str, str]],
        give_up: Callable[[], bool],
    ) -> Reply | Form:
        """Return the answer, or the form to ask in next, once it is time to."""
        try:
            with self.pace.turn(_estimate(asked).tokens, give_up):
                return self._pay(asked, form, read, tries.until_s, give_up)
        except TryAgainError as exc:
            tries.failed += 1
            pause_s = max(_pause_s(tries.failed), self.pace.wait_s)
            if self.stopped_by is not None or tries.is_over(pause_s):
                raise
            _sleep(pause_s, give_up, exc)
            return form
        except BadRequestError as exc:
            other = form.without_what_is_refused(exc.said)
            if other is None:
                raise
            return other

    def _pay(
        self,
        asked: Asked,
        form: Form,
        read: Callable[[Reply], Mapping[str, str]],
        until_s: float,
        give_up: Callable[[], bool],
    ) -> Reply:
        """Make one try and book what it cost, also where it broke off after it was sent."""
        if self.stopped_by is not None:
            raise self.stopped_by
        estimate = _estimate(asked)
        held = self.budget.hold(estimate, give_up=give_up)
        paid: Usage | None = None
        answers: Mapping[str, str] = {}
        try:
            reply = self.client.send(
                form.request(asked, is_thinking=self._is_thinking), until_s=until_s
            )
            paid = reply.usage
            answers = read(reply)
            self._failed_tries = 0
            self.pace.went_well(reply.headers)
        except TryAgainError as exc:
            if exc.is_billed:
                paid = Usage(estimate.tokens_in)
            self.pace.met_a_limit(exc.headers)
            self._failed_tries += _TRIES_OF_A_TIMEOUT if exc.is_timeout else 1
            # Calls that wait for their turn must not each find out by themselves.
            if self._failed_tries >= _MAX_FAILED_TRIES or self.pace.wait_s > CALL_S:
                self.stopped_by = exc
            raise
        except LlmPausedError as exc:
            self.stopped_by = exc
            raise
        finally:
            cost = self.budget.settle(held, paid)
            if paid is not None:
                self.ledger.keep(Call(asked.event_ids, paid, cost, answers))
        return reply


def _estimate(asked: Asked) -> Usage:
    texts = [message["content"] for message in asked.messages]
    return Usage(count_tokens(*texts), _TOKENS_OF_AN_ANSWER * asked.events)


def _sleep(pause_s: float, give_up: Callable[[], bool], failure: LlmError) -> None:
    end_s = time.monotonic() + pause_s
    while (left_s := end_s - time.monotonic()) > 0:
        if give_up():
            raise failure
        time.sleep(min(left_s, 0.25))


def _is_too_long(words: str) -> bool:
    return "context length" in words or "context_length" in words or "too long" in words


def _pause_s(failures: int) -> float:
    """Return a pause that doubles, drawn from its upper half so that calls do not meet again."""
    longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** (failures - 1))
    jitter: float = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
    return longest * jitter
