"""Where the LLM is: base URL, model and key, from the environment or from Settings."""

from __future__ import annotations

import ipaddress
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from phospho.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE_URL = "PHOSPHO_LLM_BASE_URL"
MODEL = "PHOSPHO_LLM_MODEL"
API_KEY = "PHOSPHO_LLM_API_KEY"
DAILY_TOKENS = "PHOSPHO_LLM_DAILY_TOKENS"

# What a request of OpenAI's own client goes to; a model and a key suffice then.
OPENAI_URL = "https://api.openai.com/v1"

# Of AWS, Google, Alibaba and Azure, outside of what is link-local.
_SECRETS_OF_CLOUDS = frozenset(
    map(
        ipaddress.ip_address,
        ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16"),
    )
)

MAX_URL_CHARS = 500
MAX_MODEL_CHARS = 200
MAX_KEY_CHARS = 1_000


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible endpoint and the model to ask there.

    Args:
        base_url: As OpenAI's client takes it, mostly ending in `/v1`.
        model: The model's name there.
        api_key: Empty where none is needed, as on Ollama; never shown.
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The server texts are sent to, as people know it: name and port."""
        return urlsplit(self.base_url).netloc


def make_endpoint(base_url: str, model: str, api_key: str = "") -> Endpoint:
    """Return an endpoint that can be asked.

    Raises:
        ConfigurationError: Something must be changed; says what.
    """
    base_url, model, api_key = base_url.strip().rstrip("/"), model.strip(), api_key.strip()
    _check_url(base_url)
    if not model or len(model) > MAX_MODEL_CHARS or not model.isprintable():
        raise ConfigurationError(
            "The model must be named as the LLM's server names it, for example gpt-4.1-mini or "
            "llama3.1:8b."
        )
    if len(api_key) > MAX_KEY_CHARS or not (api_key.isascii() and api_key.isprintable()):
        raise ConfigurationError(
            "The API key has characters that no key has. Copy it again, on one line."
        )
    return Endpoint(base_url, model, api_key)


def _check_url(base_url: str) -> None:
    try:
        parts = urlsplit(base_url)
        is_plain = parts.hostname and parts.port != 0 and not (parts.query or parts.fragment)
    except ValueError:
        is_plain = False
    if len(base_url) > MAX_URL_CHARS or not is_plain or parts.scheme not in {"http", "https"}:
        raise ConfigurationError(
            "The base URL must begin with http:// or https:// and name a server, for example "
            f"{OPENAI_URL} or http://127.0.0.1:11434/v1."
        )
    if "@" in parts.netloc:
        raise ConfigurationError(
            "The base URL must not hold a user or password. Put the key into the API key."
        )


def check_address(base_url: str) -> None:
    """Refuse a server at a link-local address: clouds answer there with secrets of the machine.

    Asked before each call, as a name may lead elsewhere than it did. A name that cannot be resolved
    here passes: a proxy may know it, and where there is none the call fails by itself.

    Raises:
        ConfigurationError: The base URL leads to such an address.
    """
    try:
        found = socket.getaddrinfo(urlsplit(base_url).hostname, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    for *_, place in found:
        if holds_secrets(address := str(place[0])):
            raise ConfigurationError(
                f"The base URL leads to {address}, where clouds keep secrets of their machines and "
                "no LLM is. Correct it."
            )


def holds_secrets(address: str) -> bool:
    """Tell whether clouds answer at an IP address with secrets of the machine that asks."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_link_local or ip.is_multicast or ip in _SECRETS_OF_CLOUDS


def endpoint_from_environment(environment: Mapping[str, str] | None = None) -> Endpoint | None:
    """Return the endpoint that the environment names, or None where it names none.

    The model, or the base URL, is what says that one is wanted.

    Raises:
        ConfigurationError: A variable is missing or wrong; says which.
    """
    environment = os.environ if environment is None else environment
    base_url, model = environment.get(BASE_URL, "").strip(), environment.get(MODEL, "").strip()
    if not base_url and not model:
        return None
    if not model:
        raise ConfigurationError(
            f"{BASE_URL} is set and {MODEL} is not. Set it to the name of a model there."
        )
    try:
        return make_endpoint(base_url or OPENAI_URL, model, environment.get(API_KEY, ""))
    except ConfigurationError as exc:
        raise ConfigurationError(f"{BASE_URL}, {MODEL} or {API_KEY}: {exc}") from exc


def daily_tokens_from_environment(environment: Mapping[str, str] | None = None) -> int | None:
    """Return how many tokens a day may cost, or None where the environment does not say.

    Raises:
        ConfigurationError: It is no number.
    """
    environment = os.environ if environment is None else environment
    given = environment.get(DAILY_TOKENS, "").strip().replace("_", "").replace(",", "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit()):
        raise ConfigurationError(
            f"{DAILY_TOKENS} must be a whole number of tokens, for example 1000000."
        )
    return int(given)
