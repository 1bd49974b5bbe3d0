"""For your own tests: see what your app logs, while nothing leaves the process.

with phospho.testing.capture() as logged:
    answer("Hi")
assert logged.interactions[0]["output"] == "Hello!"

For the tests of a plugin: `check_detector` and `check_embedder`.

As a pytest plugin, `pytest_plugins = ["phospho.testing"]`, it brings the fixture `phospho_logged`.

PYTEST_DONT_REWRITE: it asserts nothing, and a `conftest.py` may import it before pytest does.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import reprlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from phospho import default, guard, lifecycle
from phospho.backlog import Item, Stats
from phospho.client import Client
from phospho.conformance import check_detector, check_embedder
from phospho.encoding import NOT_JSON
from phospho.errors import ConfigurationError

if TYPE_CHECKING:
    from phospho.api.calls import Calls
    from phospho.backlog import Waiting
    from phospho.config import Settings
    from phospho.plugins import Plugins
    from phospho.worker import Worker

__all__ = ["CaptureClient", "Logged", "capture", "check_detector", "check_embedder"]

# Stands in for a key or project that is not set; the project is in each record.
STAND_IN = "test"

_SENT = "sent"
_NOT_SAMPLED = "not_sampled"
# Why what cannot be encoded is dropped: the sender counts it as what a server rejects.
_REJECTED = "rejected"
_FEEDBACK_REJECTED = "feedback_rejected"

# pytest cuts a longer one in the middle.
_MAX_SHOWN = 5

_texts = reprlib.Repr()
_texts.maxstring = _texts.maxother = 40


@dataclass(repr=False)
class Logged:
    """What would have arrived at a server, in order, as JSON brings it there.

    Args:
        interactions: The record of each interaction, after extractors, sampling and
            `phospho_before_send`: `input`, `output`, `task_id`, `session_id`, `metadata`, ...
        feedback: What `user_feedback` was told, after `phospho_before_send_feedback`, as
            `task_id`, `flag`, `notes` and `source`.
        unsent: Why, for each interaction or feedback that would not have arrived: `not_sampled`,
            or the reason under which `phospho.stats().dropped` counts it.
    """

    interactions: list[dict[str, Any]] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    unsent: list[str] = field(default_factory=list)

    @property
    def inputs(self) -> list[Any]:
        """What the users said."""
        return [record.get("input") for record in self.interactions]

    @property
    def outputs(self) -> list[Any]:
        """What the app answered."""
        return [record.get("output") for record in self.interactions]

    def clear(self) -> None:
        """Forget what was logged so far."""
        for part in (self.interactions, self.feedback, self.unsent):
            part.clear()

    def __len__(self) -> int:
        """Count the interactions."""
        return len(self.interactions)

    def __repr__(self) -> str:
        """Show each interaction in short, and what is missing."""
        told = [_show(record) for record in self.interactions[:_MAX_SHOWN]]
        if len(self) > _MAX_SHOWN:
            told.append(f"and {len(self) - _MAX_SHOWN} more")
        parts = [", ".join(told) or "no interactions"]
        if self.feedback:
            parts.append("feedback: " + ", ".join(str(one["flag"]) for one in self.feedback))
        if self.unsent:
            counts = sorted(Counter(self.unsent).items())
            parts.append("unsent: " + ", ".join(f"{count} {reason}" for reason, count in counts))
        return f"<Logged {'; '.join(parts)}>"


def _show(record: dict[str, Any]) -> str:
    shown = f"{_texts.repr(record.get('input'))} -> {_texts.repr(record.get('output'))}"
    return f"{shown} ({record['status']})" if "status" in record else shown


class CaptureClient(Client):
    """A client that keeps what it would send, for code that takes a client.

    It needs no settings: a key or project that is not given may be missing, and
    `PHOSPHO_DISABLED` does not stop it. Those that are there count as for any client.

    Args:
        api_key: Checked as usual, and not used.
        project_id: The project in each record.
        logged: Where to keep what is logged; by default one of its own.
        **settings: All others of `phospho.Client`; nothing connects to `base_url`.

    Raises:
        ConfigurationError: When a setting is unusable.
        PluginError: When a plugin implements a hook that does not exist.
    """

    def __init__(
        self,
        api_key: str | None = None,
        project_id: str | None = None,
        *,
        logged: Logged | None = None,
        **settings: Any,
    ) -> None:
        if logged is not None:
            self.logged = logged
        super().__init__(
            api_key or _from_environment("PHOSPHO_API_KEY"),
            project_id or _from_environment("PHOSPHO_PROJECT_ID"),
            **settings,
        )

    @classmethod
    def _instead_of(cls, client: Client | None, logged: Logged) -> CaptureClient:
        """Return one that reads and redacts as `client` does, which it leaves untouched."""
        if client is None or client._unsent_reason == "not_initialised":
            return cls(logged=logged)
        instead = cls.__new__(cls)
        instead.logged = logged
        instead._set_up(client._settings, client.plugins.afresh())
        return instead

    def _set_up(self, settings: Settings, plugins: Plugins, unsent_reason: str = "") -> None:
        super()._set_up(replace(settings, is_disabled=False), plugins, unsent_reason)

    def _make_worker(self, settings: Settings) -> Worker:  # noqa: ARG002 - as in `Client`
        return cast("Worker", _Recorder(self.logged))

    @functools.cached_property
    def logged(self) -> Logged:
        """What was logged with this client."""
        return Logged()

    @property
    def _calls(self) -> Calls:
        raise ConfigurationError(
            "A client of phospho.testing has no server to read. Hand what reads another client, or "
            "what it would have read."
        )

    @property
    def interactions(self) -> list[dict[str, Any]]:  # type: ignore[override]  # it reads no server
        """The interactions logged with this client; see `Logged`."""
        return self.logged.interactions

    @property
    def feedback(self) -> list[dict[str, Any]]:
        """The feedback given with this client; see `Logged`."""
        return self.logged.feedback


def _from_environment(variable: str) -> str:
    return os.environ.get(variable, "").strip() or STAND_IN


class _Recorder:
    """Answers what a client asks of `Worker`, as if a server stored everything at once.

    It only appends, so that threads, signal handlers and forks meet no lock.
    """

    # There is no sender, so nothing is its own traffic.
    sending_thread = None

    def __init__(self, logged: Logged) -> None:
        self._logged = logged
        # What became of each interaction, and of feedback that was lost.
        self._fates: list[str] = []
        self._lost_before = 0

    def put(self, waiting: Waiting) -> None:
        """Keep an item as a server would read it."""
        item = Item(*waiting)
        is_feedback = item.task_id is not None
        try:
            body = json.loads(item.text)
        except NOT_JSON as exc:
            self.count_unsent(_FEEDBACK_REJECTED if is_feedback else _REJECTED)
            guard.report_failure("encode what was logged", exc)
            return
        if is_feedback:
            self._logged.feedback.append(
                {
                    "task_id": item.task_id,
                    "flag": body["human_eval"],
                    "notes": body["notes"],
                    "source": body["source"],
                }
            )
        else:
            self._fates.append(_SENT)
            self._logged.interactions.append(body)

    def count_unsent(self, reason: str | None) -> None:
        """Count what is not sent; see `Backlog.count_unsent`."""
        reason = reason or _NOT_SAMPLED
        self._fates.append(reason)
        self._logged.unsent.append(reason)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - as in `Worker`
        """Tell whether everything since the latest flush arrived."""
        lost = self._fates.count(_REJECTED) + self._fates.count(_FEEDBACK_REJECTED)
        lost_before, self._lost_before = self._lost_before, lost
        return lost == lost_before

    def close(self, timeout_s: float) -> bool:
        """Flush; there is no thread to end."""
        return self.flush(timeout_s)

    def release_spool(self) -> None:
        """Nothing is on disk."""

    def stats(self) -> Stats:
        """Return what became of everything so far."""
        fates = Counter(self._fates)
        return Stats(
            logged=sum(n for fate, n in fates.items() if not fate.startswith("feedback")),
            sent=fates.pop(_SENT, 0),
            not_sampled=fates.pop(_NOT_SAMPLED, 0),
            dropped=dict(fates),
        )


class _State(NamedTuple):
    """What a `capture` changes for the whole process."""

    client: Client | None
    make_client: Callable[..., Client]
    raises_errors: bool


@dataclass(eq=False)
class _Aside:
    """What an open `capture` puts back when it ends."""

    state: _State


# Of the captures that are open, the innermost last; changed while `lifecycle.loading` is held.
_open: list[_Aside] = []


@contextlib.contextmanager
def capture(*, raise_errors: bool = False) -> Iterator[Logged]:
    """Keep what the code in this block logs with `import phospho`, in all threads.

    Nothing is sent and no thread starts. Settings and plugins are those of the `phospho.init`
    before the block, if any, until one inside it brings others; none is needed. Afterwards the
    former client is back. Of nested blocks, the innermost keeps what is logged.

    Args:
        raise_errors: Whether mistakes that phospho would only report, in a plugin, in an argument
            or of its own, are raised to the code that logs.

    Yields:
        What was logged so far.

    Raises:
        ConfigurationError: When a setting in the environment is unusable.
    """
    logged = Logged()
    make_client = functools.partial(CaptureClient, logged=logged)
    with lifecycle.loading:
        client = CaptureClient._instead_of(default._client, logged)
        aside = _Aside(_exchange(_State(client, make_client, raise_errors)))
        _open.append(aside)
    try:
        yield logged
    finally:
        with lifecycle.loading:
            _put_back(aside)


def _put_back(aside: _Aside) -> None:
    """End a capture; those of concurrent tasks may end in any order."""
    place = _open.index(aside)
    del _open[place]
    if place == len(_open):
        _exchange(aside.state)
    else:
        _open[place].state = aside.state


def _exchange(state: _State) -> _State:
    client, make_client = default.exchange(state.client, state.make_client)
    return _State(client, make_client, guard.raise_under_test(enabled=state.raises_errors))


# Without pytest there is no fixture, and nobody to ask for it.
with contextlib.suppress(ImportError):
    import pytest

    @pytest.fixture
    def phospho_logged() -> Iterator[Logged]:
        """Keep what is logged during the test; see `phospho.testing.capture`."""
        with capture() as logged:
            yield logged
