"""Costs are exact, shares add up, and a budget is kept by calls at the same time."""

from __future__ import annotations

import contextlib
import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho.detectors.llm.cost import (
    Budget,
    Prices,
    Usage,
    count_tokens,
    split_evenly,
    split_usage,
)
from phospho.detectors.llm.limits import GivenUpError
from phospho.errors import BudgetSpentError

PRICES = Prices(Decimal("0.15"), Decimal("0.60"), Decimal("0.075"))


def test_a_call_costs_what_its_tokens_cost() -> None:
    assert PRICES.cost_nanos(Usage(1_000_000, 0)) == 150_000_000
    assert PRICES.cost_nanos(Usage(1_000_000, 1_000_000, 1_000_000)) == 675_000_000
    assert PRICES.cost_nanos(Usage(7, 3, 2)) == 5 * 150 + 2 * 75 + 3 * 600
    assert Prices(Decimal(1), Decimal(1)).cost_nanos(Usage(10, 0, 10)) == 10_000


@given(st.integers(0, 10**12), st.integers(1, 50))
def test_shares_add_up_and_are_even(total: int, parts: int) -> None:
    shares = split_evenly(total, parts)
    assert (len(shares), sum(shares)) == (parts, total)
    assert max(shares) - min(shares) <= 1


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 20))
def test_shares_of_a_usage_add_up(tokens_in: int, tokens_out: int, parts: int) -> None:
    usage = Usage(tokens_in, tokens_out, tokens_in // 2)
    assert sum(split_usage(usage, parts), Usage()) == usage


def test_tokens_are_estimated_by_bytes() -> None:
    assert count_tokens("a" * 400) == 100
    assert count_tokens("\u4f60" * 400) == 300
    assert count_tokens("\ud800", "") == 1


def test_a_budget_is_spent_and_not_overspent_by_what_is_known() -> None:
    budget = Budget(limit_tokens=1_000)
    for _ in range(3):
        held = budget.hold(Usage(200, 50))
        budget.settle(held, Usage(200, 50))
    budget.settle(budget.hold(Usage(200, 50)), Usage(200, 50))
    assert budget.is_spent
    with pytest.raises(BudgetSpentError, match="midnight UTC"):
        budget.hold(Usage(1, 0))


def test_the_mean_of_earlier_calls_corrects_an_estimate_that_is_too_low() -> None:
    budget = Budget(limit_tokens=2_500)
    for _ in range(2):
        budget.settle(budget.hold(Usage(10, 10)), Usage(900, 100))
    with pytest.raises(BudgetSpentError):
        budget.hold(Usage(10, 10))
    assert budget.spent_tokens == 2_000


def test_what_was_not_made_costs_nothing() -> None:
    budget = Budget(limit_tokens=100)
    budget.settle(budget.hold(Usage(90, 10)), None)
    assert budget.settle(budget.hold(Usage(90, 10)), Usage(90, 10)) == 0


def test_money_is_what_counts_where_prices_are_known() -> None:
    budget = Budget(prices=PRICES, limit_nanos=1_000_000)
    assert budget.settle(budget.hold(Usage(1_000, 100)), Usage(1_000, 100)) == 210_000
    with pytest.raises(BudgetSpentError):
        budget.hold(Usage(5_000, 100))
    assert not Budget(limit_nanos=1).is_spent  # nobody can tell


def test_a_wait_for_calls_under_way_can_be_given_up_without_the_budget_being_spent() -> None:
    budget = Budget(limit_tokens=150)
    budget.hold(Usage(100))
    with pytest.raises(GivenUpError):
        budget.hold(Usage(100), give_up=lambda: True)
    assert not budget.is_spent


def test_calls_at_the_same_time_keep_to_the_budget() -> None:
    budget = Budget(limit_tokens=10_000)
    made: list[int] = []

    def work() -> None:
        for _ in range(50):
            try:
                held = budget.hold(Usage(90, 10))
            except BudgetSpentError:
                return
            made.append(budget.settle(held, Usage(90, 10)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 100
    assert budget.spent_tokens == 10_000


@given(st.lists(st.integers(1, 500), max_size=60), st.integers(0, 5_000))
def test_no_call_is_made_that_is_known_not_to_fit(sizes: list[int], limit: int) -> None:
    budget = Budget(limit_tokens=limit)
    for size in sizes:
        with contextlib.suppress(BudgetSpentError):
            budget.settle(budget.hold(Usage(size)), Usage(size))
    assert budget.spent_tokens <= limit
