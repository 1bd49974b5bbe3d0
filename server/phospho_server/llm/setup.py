"""Which LLM a project asks: what was set for it, else what the environment names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from phospho.detectors.llm.cost import NANOS, Budget, Prices
from phospho.detectors.llm.settings import (
    Endpoint,
    daily_tokens_from_environment,
    endpoint_from_environment,
    make_endpoint,
)
from phospho.errors import PhosphoError
from phospho_server.llm.private_networks import is_private_allowed
from phospho_server.llm.sealing import Sealer
from phospho_server.store import Connection, Store, llm, llm_usage
from phospho_server.store.llm import LlmSettings
from phospho_server.store.sqlite import database_file

if TYPE_CHECKING:
    import httpx

# Where nobody says what may be spent: some thousand questions a day.
DEFAULT_DAILY_TOKENS = 1_000_000

Source = Literal["settings", "environment", ""]


@dataclass(frozen=True)
class Setup:
    """What is known of a project's LLM.

    Args:
        source: What names it; empty where nothing does, or where it is off.
        endpoint: Where it is; None where there is none, or it cannot be used.
        problem: Why it cannot be used although it is wanted.
        prices: None where they are not known.
        currency: Of the prices.
        limit_nanos: The daily budget in billionths of the currency.
        limit_tokens: The daily budget in tokens.
        shared_tokens: The daily budget in tokens of all projects that ask it; None where it is the
            project's own.
        is_trusted: Whether it may be anywhere: the environment or an owner of the server named it.
        allow_private: Whether it may be in a private network all the same.
    """

    source: Source = ""
    endpoint: Endpoint | None = None
    problem: str | None = None
    prices: Prices | None = None
    currency: str = ""
    limit_nanos: int | None = None
    limit_tokens: int | None = None
    shared_tokens: int | None = None
    is_trusted: bool = True
    allow_private: bool = False

    def make_client(self) -> httpx.Client | None:
        """Return what checks where the LLM is as it connects; None where it may be anywhere."""
        if self.is_trusted:
            return None
        # What speaks HTTP to others is loaded for the first project that asks.
        from phospho_server.llm.reaching import make_checked_client

        return make_checked_client(allow_private=self.allow_private)

    @property
    def is_shared(self) -> bool:
        """Whether it is the LLM of all projects that name none."""
        return self.shared_tokens is not None

    def make_budget(self) -> Budget:
        """Return the budget of a day of which nothing is spent."""
        return Budget(
            prices=self.prices, limit_nanos=self.limit_nanos, limit_tokens=self.limit_tokens
        )

    def read_spent(
        self, db: Connection, project_id: str, budget: Budget, *, share: float = 1.0
    ) -> None:
        """Have a budget begin from what is spent today, by the project and by all that share."""
        spent = llm_usage.use_of_today(db, project_id)
        ceiling = None
        if self.shared_tokens is not None:
            left = self.shared_tokens * share - llm_usage.shared_tokens_of_today(db)
            ceiling = spent.tokens + max(int(left), 0)
        budget.set_spent(
            nanos=spent.cost_nanos, tokens=spent.tokens, share=share, ceiling_tokens=ceiling
        )


class Setups:
    """Finds out which LLM each project asks.

    Args:
        sealer: Opens keys.
        environment: Names the LLM of projects that name none, and where others may be.
    """

    def __init__(self, sealer: Sealer, environment: Mapping[str, str]) -> None:
        self.sealer = sealer
        self.allow_private = is_private_allowed(environment)
        self._environment = environment

    def find(self, db: Connection, project_id: str) -> Setup:
        """Return which LLM a project asks, with its key."""
        held = llm.find_settings(db, project_id) or LlmSettings()
        if held.is_off:
            return Setup()
        source: Source = "settings" if held.base_url else "environment"
        try:
            endpoint = self._endpoint(held)
            shared = self._shared_tokens() if source == "environment" else None
        except PhosphoError as exc:
            return Setup(source, problem=str(exc))
        if endpoint is None:
            return Setup()
        prices = _read_prices(held)
        money = _nanos(held.daily_budget) if prices else None
        has_limit = not (money is None and held.daily_tokens is None and shared is None)
        return Setup(
            source=source,
            endpoint=endpoint,
            prices=prices,
            currency=held.currency,
            is_trusted=source == "environment" or held.is_trusted,
            allow_private=self.allow_private,
            limit_nanos=money,
            limit_tokens=held.daily_tokens if has_limit else DEFAULT_DAILY_TOKENS,
            shared_tokens=shared,
        )

    def is_ready(self, db: Connection, project_id: str) -> bool:
        """Tell whether the LLM of a project can be asked now, its budget aside."""
        held = llm.find_settings(db, project_id) or LlmSettings()
        if held.is_off or llm.find_pause(db, project_id) is not None:
            return False
        # Keys are opened when they are needed: this is asked for each batch that is judged.
        return bool(held.base_url) or self._is_in_environment()

    def _is_in_environment(self) -> bool:
        try:
            return endpoint_from_environment(self._environment) is not None
        except PhosphoError:
            return False

    def _shared_tokens(self) -> int:
        given = daily_tokens_from_environment(self._environment)
        return DEFAULT_DAILY_TOKENS if given is None else given

    def _endpoint(self, held: LlmSettings) -> Endpoint | None:
        if not held.base_url:
            return endpoint_from_environment(self._environment)
        return make_endpoint(held.base_url, held.model, self.sealer.open(held.api_key))


def setups_of(store: Store, environment: Mapping[str, str]) -> Setups:
    """Return which LLM each project of a store asks, by its settings or by the environment."""
    return Setups(Sealer(database_file(store)), environment)


def _read_prices(held: LlmSettings) -> Prices | None:
    if held.price_in is None or held.price_out is None:
        return None
    cached = None if held.price_cached is None else Decimal(held.price_cached)
    return Prices(Decimal(held.price_in), Decimal(held.price_out), cached)


def _nanos(amount: str | None) -> int | None:
    return None if amount is None else int(Decimal(amount) * NANOS)
