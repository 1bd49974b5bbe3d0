"""What sending a webhook may take, where it may go, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

# For resolving the name, connecting, sending and reading together.
TIMEOUT_S = 5.0

ALLOW_PRIVATE = "PHOSPHO_ALLOW_PRIVATE_WEBHOOKS"


@dataclass(frozen=True)
class Outcome:
    """What came of sending.

    Args:
        status: Of the answer; None where there was none.
        duration_ms: Until the answer, or until it was given up.
        error: Why it does not count as received; None where it does.
    """

    status: int | None
    duration_ms: int
    error: str | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants to hear nothing more."""
        return self.status == HTTPStatus.GONE


def is_private_allowed(environ: Mapping[str, str]) -> bool:
    """Tell whether the environment allows webhooks that lead into private networks."""
    return environ.get(ALLOW_PRIVATE, "").strip() == "1"
