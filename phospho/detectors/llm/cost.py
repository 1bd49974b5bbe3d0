"""What calls cost, and a budget for them. Money is counted in whole billionths, so sums are exact.

A price is per million tokens, as providers publish it, in whatever currency the user pays in. Where
no price is known, tokens are what is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from phospho.detectors.llm.limits import GivenUpError
from phospho.errors import BudgetSpentError

NANOS = 1_000_000_000
_MILLION = 1_000_000

# Nobody's model reads or writes more in one call; a server that says so is mistaken.
MAX_TOKENS = 20_000_000

# English has four bytes a token, and other scripts have fewer characters a token and more bytes.
_BYTES_A_TOKEN = 4

_SPENT = (
    "The LLM's budget of today is spent. It goes on at midnight UTC; to go on now, raise the "
    "budget in Settings."
)
_SHARED_IS_SPENT = (
    "What all projects together may ask of the server's LLM today is spent. It goes on at midnight "
    "UTC; to go on now, give the project an LLM of its own in Settings."
)


@dataclass(frozen=True)
class Usage:
    """Tokens of one call. Those that the provider had cached are among `tokens_in`."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0

    @property
    def tokens(self) -> int:
        """All tokens, read and written."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.tokens_cached + other.tokens_cached,
        )

    def at_least(self, other: Usage) -> Usage:
        """Return the greater of each number."""
        return Usage(
            max(self.tokens_in, other.tokens_in),
            max(self.tokens_out, other.tokens_out),
            min(self.tokens_cached, other.tokens_cached),
        )


@dataclass(frozen=True)
class Prices:
    """Prices of a million tokens.

    Args:
        tokens_in: What the model reads.
        tokens_out: What it writes.
        tokens_cached: What it reads and had cached; None: the same as `tokens_in`.
    """

    tokens_in: Decimal
    tokens_out: Decimal
    tokens_cached: Decimal | None = None

    def cost_nanos(self, usage: Usage) -> int:
        """Return the cost of a call in billionths of the currency."""
        cached = min(usage.tokens_cached, usage.tokens_in)
        of_cached = self.tokens_in if self.tokens_cached is None else self.tokens_cached
        cost = (
            self.tokens_in * (usage.tokens_in - cached)
            + of_cached * cached
            + self.tokens_out * usage.tokens_out
        )
        return int((cost * NANOS / _MILLION).to_integral_value(ROUND_HALF_UP))


def count_tokens(*texts: str) -> int:
    """Return about how many tokens texts have."""
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return -(-size // _BYTES_A_TOKEN)


def split_evenly(total: int, parts: int) -> list[int]:
    """Return `parts` whole numbers that add up to `total` and differ by one at the most."""
    each, rest = divmod(total, parts)
    return [each + (n < rest) for n in range(parts)]


def split_usage(usage: Usage, parts: int) -> Sequence[Usage]:
    """Return the usage of one call as shares of its events."""
    columns = (usage.tokens_in, usage.tokens_out, usage.tokens_cached)
    return [Usage(*share) for share in zip(*(split_evenly(n, parts) for n in columns), strict=True)]


@dataclass
class Budget:
    """What may be spent in a day, shared by calls at the same time.

    A call sets aside what it will probably cost before it is made: its own estimate, or the mean
    of the calls before it where that is more. So the last call of a day may cost a little more
    than was left, and no further one is made.

    Args:
        prices: None where they are not known.
        limit_nanos: In the currency; needs prices. None: no limit.
        limit_tokens: None: no limit.
        spent_nanos: What has been spent today already.
        spent_tokens: The same in tokens.
        share: Which part of the limits may be used, up to 1.
        ceiling_tokens: At how many tokens spent nothing is left of what is shared with others;
            None: nothing is shared.
    """

    prices: Prices | None = None
    limit_nanos: int | None = None
    limit_tokens: int | None = None
    spent_nanos: int = 0
    spent_tokens: int = 0
    share: float = 1.0
    ceiling_tokens: int | None = None
    _held: list[Usage] = field(default_factory=list)
    _seen: Usage = field(default_factory=Usage)
    _calls: int = 0
    _free: threading.Condition = field(default_factory=threading.Condition)

    def cost_nanos(self, usage: Usage) -> int:
        """Return the cost of a call; 0 where no price is known."""
        return 0 if self.prices is None else self.prices.cost_nanos(usage)

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return not self._fits([])

    @property
    def is_ceiling_met(self) -> bool:
        """Whether nothing is left of what is shared with others."""
        return _is_over(self.spent_tokens + 1, self.ceiling_tokens)

    def set_spent(
        self, *, nanos: int, tokens: int, share: float = 1.0, ceiling_tokens: int | None = None
    ) -> None:
        """Begin from what others say has been spent today, and go on to a share of the limits."""
        with self._free:
            self.spent_nanos, self.spent_tokens, self.share = nanos, tokens, share
            self.ceiling_tokens = ceiling_tokens

    def hold(self, estimate: Usage, *, give_up: Callable[[], bool] = lambda: False) -> Usage:
        """Set aside what a call will cost, and return that.

        Waits for calls under way where what they set aside is all that stands in the way.

        Raises:
            BudgetSpentError: It does not fit any more today.
            GivenUpError: `give_up` said so while it waited.
        """
        with self._free:
            while True:
                held = estimate.at_least(self._mean())
                if self._fits([*self._held, held]):
                    self._held.append(held)
                    return held
                if not self._held or not self._fits([held]):
                    raise BudgetSpentError(
                        _SHARED_IS_SPENT if self._fits_limits([held]) else _SPENT
                    )
                if give_up():
                    raise GivenUpError
                self._free.wait(0.25)

    def settle(self, held: Usage, actual: Usage | None) -> int:
        """Book what a call did cost instead of what was set aside; None: nothing.

        Returns:
            The cost in billionths.
        """
        with self._free:
            self._held.remove(held)
            cost = 0
            if actual is not None:
                cost = self.cost_nanos(actual)
                self.spent_nanos += cost
                self.spent_tokens += actual.tokens
                self._seen += actual
                self._calls += 1
            self._free.notify_all()
            return cost

    def _mean(self) -> Usage:
        if not self._calls:
            return Usage()
        return Usage(
            self._seen.tokens_in // self._calls,
            self._seen.tokens_out // self._calls,
            self._seen.tokens_cached // self._calls,
        )

    def _fits(self, held: Sequence[Usage]) -> bool:
        """Tell whether this much more may be spent; with nothing held, whether anything may."""
        more_tokens = sum(usage.tokens for usage in held) or 1
        is_over = _is_over(self.spent_tokens + more_tokens, self.ceiling_tokens)
        return not is_over and self._fits_limits(held)

    def _fits_limits(self, held: Sequence[Usage]) -> bool:
        """Tell the same, whatever others have spent of what is shared with them."""
        more_tokens = sum(usage.tokens for usage in held) or 1
        more_nanos = sum(self.cost_nanos(usage) for usage in held)
        if _is_over(self.spent_tokens + more_tokens, self.limit_tokens, self.share):
            return False
        limit_nanos = None if self.prices is None else self.limit_nanos
        return not _is_over(self.spent_nanos + (more_nanos or 1), limit_nanos, self.share)


def _is_over(spent: int, limit: int | None, share: float = 1.0) -> bool:
    return limit is not None and spent > limit * share
