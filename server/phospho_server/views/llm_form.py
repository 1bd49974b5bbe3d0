"""The form of a project's LLM: read, check, and keep what was typed; a key is never shown again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from phospho.detectors.llm.settings import check_address, make_endpoint
from phospho.errors import PhosphoError
from phospho_server.errors import InvalidError
from phospho_server.llm.private_networks import IS_PRIVATE
from phospho_server.llm.sealing import Sealer, is_by_name
from phospho_server.llm.setup import Setups
from phospho_server.networks import leads_inside
from phospho_server.store.llm import LlmSettings

# Not even an owner of the server should have just any of its variables sent somewhere.
_NAMED_KEY = re.compile(r"env:[A-Z][A-Z0-9_]*API_KEY")

# A comma parts thousands for some people, and decimals for others.
_AMBIGUOUS = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")

_MAX_CURRENCY_CHARS = 8
_MOST = Decimal(1_000_000)
_MOST_TOKENS = 10**12
_DECIMALS = 6


@dataclass(frozen=True)
class LlmForm:
    """A project's LLM as it stands in the form, right or wrong.

    Args:
        is_off: Nothing of the project is sent to an LLM.
        api_key: What was typed now; never what is held.
        held_key: How the held key is told of: "kept", "env:NAME", or empty.
        is_trusted: Whether an owner of the server lets the held base URL lead anywhere.
        asks_for_trust: Whether they may: somebody else named it.
        problem: What must be changed; None while nothing is known to be wrong.
    """

    is_off: bool = False
    base_url: str = ""
    model: str = ""
    api_key: str = ""
    held_key: str = ""
    currency: str = ""
    price_in: str = ""
    price_out: str = ""
    price_cached: str = ""
    daily_budget: str = ""
    daily_tokens: str = ""
    is_trusted: bool = False
    asks_for_trust: bool = False
    problem: str | None = None

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> LlmForm:
        """Return what was typed."""
        names = ("base_url", "model", "api_key", "currency", "price_in", "price_out",
                 "price_cached", "daily_budget", "daily_tokens")  # fmt: skip
        return cls(
            is_off=fields.get("is_off") == "1",
            is_trusted=fields.get("is_trusted") == "1",
            asks_for_trust=False,
            **{name: fields.get(name, "").strip() for name in names},
        )

    @classmethod
    def of(cls, held: LlmSettings) -> LlmForm:
        """Return the form that would make these settings, without the key."""
        return cls(
            is_off=held.is_off,
            base_url=held.base_url,
            model=held.model,
            held_key=_told(held.api_key),
            currency=held.currency,
            price_in=held.price_in or "",
            price_out=held.price_out or "",
            price_cached=held.price_cached or "",
            daily_budget=held.daily_budget or "",
            daily_tokens="" if held.daily_tokens is None else str(held.daily_tokens),
            asks_for_trust=_asks_for_trust(held),
        )

    @property
    def is_advanced(self) -> bool:
        """Tell whether there is anything to be seen below the fold."""
        return self != LlmForm(held_key=self.held_key)

    def refused(self, error: PhosphoError, held: LlmSettings) -> LlmForm:
        """Return the form with the reason why it was not accepted, and without the key."""
        return replace(
            self,
            api_key="",
            held_key=_told(held.api_key),
            asks_for_trust=_asks_for_trust(held),
            problem=str(error),
        )

    def to_settings(self, held: LlmSettings, setups: Setups, *, owns_server: bool) -> LlmSettings:
        """Return the settings this form describes, their key sealed.

        A key that was typed for one server is never sent to another: with another address it is
        forgotten, unless it is typed again.

        Args:
            held: What it replaces.
            setups: Seals the key, and knows where LLMs may be.
            owns_server: Whether it was typed by who may know the server's own keys and networks.

        Raises:
            PhosphoError: Something must be changed; the message says what.
        """
        prices = [_read_amount(text, "price") for text in self._prices]
        if (prices[0] is None) != (prices[1] is None) or (prices[2] and prices[0] is None):
            raise InvalidError(
                "Costs need both prices: of what the model reads, and of what it writes."
            )
        budget = _read_amount(self.daily_budget, "daily budget")
        if budget is not None and prices[0] is None:
            raise InvalidError(
                "A budget in money needs the prices. Give them, or a budget in tokens."
            )
        if len(self.currency) > _MAX_CURRENCY_CHARS:
            raise InvalidError(
                f"The currency has more than {_MAX_CURRENCY_CHARS} characters. Write its sign or "
                "its code, as in $ or EUR."
            )
        endpoint = self._check_endpoint()
        is_trusted = self._is_to_be_trusted(held, endpoint[0], owns_server=owns_server)
        is_asked = bool(endpoint[0]) and not self.is_off
        if is_asked and not (is_trusted or setups.allow_private) and _is_inside(endpoint[0]):
            raise InvalidError(IS_PRIVATE)
        return LlmSettings(
            is_off=self.is_off,
            base_url=endpoint[0],
            model=endpoint[1],
            api_key=self._key(held, endpoint[0], setups.sealer, owns_server=owns_server),
            currency=self.currency,
            price_in=prices[0],
            price_out=prices[1],
            price_cached=prices[2],
            daily_budget=budget,
            daily_tokens=_read_tokens(self.daily_tokens),
            is_trusted=is_trusted,
        )

    @property
    def _prices(self) -> tuple[str, str, str]:
        return self.price_in, self.price_out, self.price_cached

    def _check_endpoint(self) -> tuple[str, str]:
        if not (self.base_url or self.model or self.api_key):
            return "", ""
        if not self.base_url:
            raise InvalidError(
                "Give the base URL of the LLM as well, for example https://api.openai.com/v1. "
                "Leave it, the model and the key empty to use the LLM that the environment names."
            )
        # A key by name is looked up when it is needed.
        key = "" if is_by_name(self.api_key) else self.api_key
        endpoint = make_endpoint(self.base_url, self.model, key)
        check_address(endpoint.base_url)
        return endpoint.base_url, endpoint.model

    def _is_to_be_trusted(self, held: LlmSettings, base_url: str, *, owns_server: bool) -> bool:
        """Tell whether an owner of the server stands behind a base URL.

        Who changes a budget does not stand behind what somebody else has typed above it.
        """
        if not base_url:
            return False
        if base_url == held.base_url:
            return held.is_trusted or (owns_server and self.is_trusted)
        return owns_server

    def _key(self, held: LlmSettings, base_url: str, sealer: Sealer, *, owns_server: bool) -> str:
        # Everybody who signs in may make a project, and name an address of their own there.
        if is_by_name(self.api_key) and not owns_server:
            raise InvalidError(
                "Only owners of the server may use a key of its environment. Type the key itself, "
                "or ask one of them."
            )
        if is_by_name(self.api_key) and not _NAMED_KEY.fullmatch(self.api_key):
            raise InvalidError(
                "A variable that holds a key must be named like env:OPENAI_API_KEY: capital "
                "letters that end in API_KEY. Set such a variable for the server."
            )
        if self.api_key:
            return sealer.seal(self.api_key)
        return held.api_key if _origin(base_url) == _origin(held.base_url) else ""


def _told(api_key: str) -> str:
    """Return how a held key is told of."""
    if not api_key:
        return ""
    return api_key if is_by_name(api_key) else "kept"


def _asks_for_trust(held: LlmSettings) -> bool:
    return bool(held.base_url) and not held.is_trusted


def _is_inside(base_url: str) -> bool:
    return leads_inside(urlsplit(base_url).hostname or "")


def _origin(base_url: str) -> tuple[str, str]:
    parts = urlsplit(base_url)
    return parts.scheme, parts.netloc.lower()


def _read_amount(text: str, what: str) -> str | None:
    """Return a decimal as text, None where nothing was typed.

    Raises:
        InvalidError: It is no number, negative, or too large.
    """
    if not text:
        return None
    if _AMBIGUOUS.fullmatch(text):
        whole, decimal = text.replace(",", ""), text.replace(",", ".")
        raise InvalidError(
            f"The {what} {text!r} may be {whole} or {decimal}. Write it as one of these."
        )
    try:
        amount = Decimal(text.replace(",", ".") if text.count(",") == 1 else text)
    except InvalidOperation:
        amount = Decimal(-1)
    if not (amount.is_finite() and 0 <= amount <= _MOST):
        raise InvalidError(
            f"The {what} {text[:40]!r} is no amount. Write a number such as 0.15, or nothing."
        )
    return f"{round(amount, _DECIMALS).normalize():f}"


def _read_tokens(text: str) -> int | None:
    plain = re.sub(r"[\s,._']", "", text)
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit() and int(plain) <= _MOST_TOKENS):
        raise InvalidError(
            f"The budget of {text[:40]!r} tokens is no whole number. Write one such as 1000000, "
            "or nothing."
        )
    return int(plain)
