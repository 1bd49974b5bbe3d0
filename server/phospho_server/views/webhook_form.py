"""The form of a webhook: read, check, and keep what was typed."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from werkzeug.datastructures import MultiDict

from phospho.errors import MissingDependencyError, PhosphoError
from phospho_server.errors import InvalidError
from phospho_server.networks import is_public
from phospho_server.store.webhooks import FORMATS, HEARS, Webhook
from phospho_server.webhooks.outcomes import ALLOW_PRIVATE

NEEDS_PACKAGE = (
    "Addresses and secrets are kept encrypted, which needs the package cryptography. "
    "Install it with: pip install 'phospho[webhooks]'"
)

_MAX_URL = 2_000

# Of an address that is a secret, as those of Slack are, its end is enough to know it by.
_SHOWN_END = 4


def explain(error: PhosphoError) -> str:
    """Return what to do about an error of a webhook, for people at its pages."""
    return NEEDS_PACKAGE if isinstance(error, MissingDependencyError) else str(error)


@dataclass(frozen=True)
class WebhookForm:
    """A webhook as it stands in the form, right or wrong.

    Args:
        scope: `all` events, or `some` of them.
        events: Ids of definitions.
        hears: What of these: one of `HEARS`.
        problem: What must be changed; None while nothing is known to be wrong.
    """

    url: str = ""
    format: str = "json"
    scope: str = "all"
    events: tuple[str, ...] = ()
    hears: str = "both"
    problem: str | None = None

    @classmethod
    def read(cls, fields: MultiDict[str, str]) -> WebhookForm:
        """Return what was typed."""
        return cls(
            url=fields.get("url", "").strip(),
            format=fields.get("format", "json"),
            scope=fields.get("scope", "all"),
            events=tuple(fields.getlist("event")),
            hears=fields.get("hears", "both"),
        )

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookForm:
        """Return the form that would make a webhook, without its address."""
        ids = webhook.definition_ids
        return cls(
            format=webhook.format,
            scope="all" if ids is None else "some",
            events=ids or (),
            hears=webhook.hears,
        )

    def refused(self, error: PhosphoError) -> WebhookForm:
        """Return the form with the reason why it was not accepted."""
        return replace(self, problem=explain(error))

    def to_events(self, defined: Sequence[str]) -> tuple[str, ...] | None:
        """Return the events it is for; None: every one.

        Args:
            defined: Ids of the definitions there are.

        Raises:
            InvalidError: None was chosen, or what it hears is no choice.
        """
        if self.hears not in HEARS:
            raise InvalidError("Choose what is told: each event, alerts, or both.")
        if self.scope == "all":
            return None
        chosen = tuple(each for each in defined if each in self.events)
        if not chosen:
            raise InvalidError("Choose at least one event, or choose all of them.")
        return chosen

    def check(self, *, allow_private: bool) -> None:
        """Refuse what can never work.

        Args:
            allow_private: Whether addresses that are not of the internet are allowed. Names are
                looked up when something is sent.

        Raises:
            InvalidError: Something must be changed; the message says what.
        """
        if self.format not in FORMATS:
            raise InvalidError(f"There is no format {self.format[:20]!r}. Choose one of the list.")
        host = _read_host(self.url)
        if not allow_private and not _may_be_public(host):
            raise InvalidError(
                f"The address {host} is one of a private network, where nothing is sent. Give one "
                f"of the internet, or set {ALLOW_PRIVATE}=1 where the server runs."
            )

    @property
    def shown_url(self) -> str:
        """As much of the address as pages show: never what may be a secret in it."""
        parts = urlsplit(self.url)
        if self.format == "slack":
            return f"{parts.scheme}://{parts.netloc}/…{self.url[-_SHOWN_END:]}"
        return f"{parts.scheme}://{parts.netloc}{parts.path}" + ("?…" if parts.query else "")


def _read_host(url: str) -> str:
    """Return the host of an address.

    Raises:
        InvalidError: It is no http or https address, or holds a password.
    """
    if not url:
        raise InvalidError("Give the address that events are sent to, as in https://example.com/.")
    if len(url) > _MAX_URL:
        raise InvalidError(f"The address has more than {_MAX_URL:,} characters. Give another.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, 0
    is_plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not is_plain or not host or parts.scheme not in ("http", "https") or port == 0:
        raise InvalidError(
            f"{url[:60]!r} is no address that events can be sent to. Give one that begins with "
            "https:// or http://."
        )
    if "@" in parts.netloc:
        raise InvalidError(
            "Leave name and password out of the address: receivers know phospho by its signature."
        )
    return host


def _may_be_public(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return is_public(host)
