"""What Settings tell of a project's LLM: where texts go, what it costs, what it spared."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from phospho.detectors.auto import doubtful
from phospho.detectors.deciding import threshold_of, with_cuts
from phospho.detectors.llm.band import Band, make_band
from phospho.detectors.llm.cost import NANOS
from phospho.detectors.llm.detector import NOT_CONFIGURED
from phospho.models import EventDefinition
from phospho_server.clock import DAY_MS, day_of, now_ms
from phospho_server.llm.setup import Setup, Setups
from phospho_server.store import (
    Connection,
    definitions,
    llm,
    llm_agreement,
    llm_jobs,
    llm_unasked,
    llm_usage,
)
from phospho_server.store.cuts import load_lessons
from phospho_server.store.llm_usage import LlmUse
from phospho_server.store.quality import list_clicked
from phospho_server.views.formats import counted, number, percent
from phospho_server.views.llm_form import LlmForm

# The uses that Settings add up.
_DAYS = 30

# Events that are no more; what they cost is part of what was spent.
_DELETED = "(deleted events)"

# Less than this is shown with four decimals.
_SMALL_NANOS = NANOS // 100


@dataclass(frozen=True)
class EventUse:
    """What one event asked of the LLM, in words; `scores` are those that it is asked about."""

    name: str
    scores: str
    is_narrowed: bool
    asked: str
    today: str
    total: str
    saved: str


@dataclass(frozen=True)
class LlmPanel:
    """The section of Settings.

    Args:
        setup: Which LLM is asked; its key is not shown.
        host: Where texts are sent; empty: nowhere.
        is_open: Whether they travel to another machine without encryption.
        paused: Why no calls are made, if so.
        waiting: Verdicts that it is still to give.
        unasked: Uncertain verdicts that it could not be asked about when they were given.
        today: What was asked today, in a sentence.
        is_spent: Whether the budget of today is spent.
        shared: What all projects that share the LLM have asked today; empty where it is its own.
        is_shared_spent: Whether nothing is left of what they may ask today.
        uses: What each event asked in the last 30 days.
        form: To change it.
    """

    setup: Setup
    host: str
    is_open: bool
    paused: str | None
    waiting: int
    unasked: int
    today: str
    is_spent: bool
    shared: str
    is_shared_spent: bool
    uses: Sequence[EventUse]
    form: LlmForm

    @property
    def why_not(self) -> str | None:
        """Why the LLM cannot be asked, for events that only it decides about."""
        if self.paused or self.setup.problem:
            return self.paused or self.setup.problem
        return None if self.host else NOT_CONFIGURED


def load_panel(
    db: Connection, project_id: str, setups: Setups, form: LlmForm | None = None
) -> LlmPanel:
    """Return the section of a project, with what was typed, if that was refused."""
    setup = setups.find(db, project_id)
    held = llm.find_settings(db, project_id)
    today = llm_usage.use_of_today(db, project_id)
    budget = setup.make_budget()
    setup.read_spent(db, project_id, budget)
    url = setup.endpoint.base_url if setup.endpoint else ""
    return LlmPanel(
        setup=setup,
        host=setup.endpoint.host if setup.endpoint else "",
        is_open=url.startswith("http://") and not _is_near(url),
        paused=llm.find_pause(db, project_id),
        waiting=llm_jobs.count(db, project_id),
        unasked=llm_unasked.count(db, project_id),
        today=_today(today, setup),
        is_spent=budget.is_spent and setup.endpoint is not None,
        shared=_shared(llm_usage.shared_tokens_of_today(db), setup),
        is_shared_spent=budget.is_ceiling_met,
        uses=_uses(db, project_id, setup),
        form=form or (LlmForm.of(held) if held else LlmForm()),
    )


def money(nanos: int, currency: str) -> str:
    """Return an amount as people write it: `$0.03`, `1.20 EUR`, `0.0007`."""
    decimals = 4 if 0 < nanos < _SMALL_NANOS else 2
    amount = f"{nanos / NANOS:,.{decimals}f}"
    if not currency:
        return amount
    is_sign = len(currency) == 1 and not currency.isalnum()
    return f"{currency}{amount}" if is_sign else f"{amount} {currency}"


def _today(use: LlmUse, setup: Setup) -> str:
    """Return what was asked and spent today, of which budget."""
    tokens = f"{number(use.tokens)} tokens"
    if setup.limit_tokens is not None:
        tokens = f"{number(use.tokens)} of {number(setup.limit_tokens)} tokens"
    parts = [counted(use.calls, "call"), tokens]
    if setup.prices is not None:
        cost = money(use.cost_nanos, setup.currency)
        if setup.limit_nanos is not None:
            cost += f" of {money(setup.limit_nanos, setup.currency)}"
        parts.append(cost)
    return ", ".join(parts)


def _shared(tokens: int, setup: Setup) -> str:
    if setup.shared_tokens is None:
        return ""
    return f"{number(tokens)} of {number(setup.shared_tokens)} tokens"


def _uses(db: Connection, project_id: str, setup: Setup) -> list[EventUse]:
    midnight_ms = day_of(now_ms())
    uses = llm_usage.list_uses(db, project_id, since_ms=midnight_ms - (_DAYS - 1) * DAY_MS)
    if not uses:
        return []
    today = {use.name: use for use in llm_usage.list_uses(db, project_id, since_ms=midnight_ms)}
    mean = LlmUse(
        asked=sum(use.asked for use in uses),
        tokens_in=sum(use.tokens for use in uses),
        cost_nanos=sum(use.cost_nanos for use in uses),
    )

    def worth(nanos: int, tokens: int) -> str:
        if setup.prices is None:
            return f"{number(tokens)} tokens"
        return money(nanos, setup.currency)

    events = {event.id: event for event in definitions.list_defined(db, project_id)}
    bands = _bands(db, project_id, list(events.values()))

    return [
        EventUse(
            name=use.name or _DELETED,
            scores=_scores(events.get(use.definition_id), bands.get(use.definition_id)),
            is_narrowed=use.definition_id in bands and bands[use.definition_id].is_narrowed,
            asked=f"{percent(use.share)} of {counted(use.verdicts, 'verdict')}",
            today=worth(*(_spent(today.get(use.name, LlmUse())))),
            total=worth(*_spent(use)),
            saved=worth(*use.saved(mean)),
        )
        for use in uses
    ]


def _bands(db: Connection, project_id: str, defined: Sequence[EventDefinition]) -> dict[str, Band]:
    """Return the bands of events whose uncertain verdicts an LLM is asked about."""
    events = doubtful(defined)
    lessons = load_lessons(db, project_id, events)
    taught = with_cuts(events, {event_id: each.cut for event_id, each in lessons.items()})
    reviewed = list_clicked(db, project_id)
    return {
        event.id: make_band(
            threshold_of(event),
            is_shown=bool(event.examples) or event.id in reviewed,
            answered=llm_agreement.load(db, project_id, event.id, event.version),
        )
        for event in taught
    }


def _scores(event: EventDefinition | None, band: Band | None) -> str:
    """Return between which scores an LLM is asked about an event as it is now."""
    if band is None:
        return "all" if event is not None and event.detector == "llm" else "none"
    low, high = band.scores
    return f"{low:.2f} to {high:.2f}"


def _spent(use: LlmUse) -> tuple[int, int]:
    return use.cost_nanos, use.tokens


def _is_near(url: str) -> bool:
    """Tell whether a server is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
