"""How often a password may be tried, and what makes one acceptable."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phospho_server import passwords
from phospho_server.errors import BusyError, InvalidError
from phospho_server.passwords import check_password, hash_password, is_password, needs_new_hash
from phospho_server.trying import MOST, WINDOW_S, Tries, network_of
from tests.waiting import HELD_S, PATIENCE_S, wait_until


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tries(clock: Clock) -> Tries:
    return Tries(clock)


def test_ten_tries_a_minute_are_taken_and_the_next_has_to_wait(tries: Tries, clock: Clock) -> None:
    for _ in range(MOST):
        assert tries.begin("of ana") is None
        clock.now += 1
    assert tries.begin("of ana") == ("of ana", 50)
    assert tries.begin("of ben") is None
    clock.now += 49.5
    assert tries.begin("of ana") == ("of ana", 1)
    clock.now += 0.5
    assert tries.begin("of ana") is None
    assert tries.begin("of ana") == ("of ana", 1)


def test_a_refused_try_counts_for_nobody(tries: Tries) -> None:
    for _ in range(MOST):
        assert tries.begin("at x", "of ana") is None
    for _ in range(5):
        refusal = tries.begin("at x", "of ben")
        assert refusal is not None
        assert refusal.key == "at x"
    assert tries.begin("at y", "of ben") is None
    both = tries.begin("at x", "of ana")
    assert both is not None
    assert both.key == "of ana"


def test_a_try_that_succeeds_is_taken_back(tries: Tries) -> None:
    for _ in range(3 * MOST):
        assert tries.begin("at x", "of ana") is None
        tries.take_back("at x", "of ana")


def test_many_tries_at_once_are_no_more_than_ten(tries: Tries) -> None:
    barrier, let_in = threading.Barrier(40), []

    def attempt() -> None:
        barrier.wait()
        if tries.begin("of ana") is None:
            let_in.append(1)

    threads = [threading.Thread(target=attempt) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_in) == MOST


def test_failed_tries_are_told_to_whoever_succeeds(tries: Tries) -> None:
    tries.fail("ana")
    tries.fail("ana")
    assert tries.pop_failed("ana") == 2
    assert tries.pop_failed("ana") == 0


def test_something_is_told_once_a_minute(tries: Tries, clock: Clock) -> None:
    assert tries.tell_once("x")
    assert not tries.tell_once("x")
    assert tries.tell_once("y")
    clock.now += WINDOW_S
    assert tries.tell_once("x")


def test_strangers_cannot_fill_the_memory(tries: Tries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phospho_server.trying._MOST_KEYS", 100)
    for n in range(1_000):
        tries.begin(f"of {n}")
        tries.fail(str(n))
        tries.tell_once(str(n))
    assert len(tries._tries) == len(tries._failed) == len(tries._told) == 100


@given(waits=st.lists(st.floats(0, 30), max_size=60))
def test_no_minute_has_more_than_ten_tries(waits: list[float]) -> None:
    clock = Clock()
    tries, taken = Tries(clock), []
    for wait in waits:
        clock.now += wait
        if tries.begin("of ana") is None:
            taken.append(clock.now)
    for start in taken:
        assert sum(start <= at < start + WINDOW_S for at in taken) <= MOST


@pytest.mark.parametrize(
    ("address", "network"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", id="ipv4"),
        pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="ipv6-network"),
        pytest.param("2001:db8:1:2::9", "2001:db8:1:2::/64", id="neighbour"),
        pytest.param("::ffff:192.0.2.7", "192.0.2.7", id="ipv4-written-as-ipv6"),
        pytest.param("fe80::1%eth0", "fe80::/64", id="zone"),
        pytest.param("", "", id="none"),
        pytest.param("unix:", "unix:", id="socket"),
    ],
)
def test_tries_of_ipv6_count_for_the_network(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("password", "says"),
    [
        pytest.param("123456789", "at least 10", id="short"),
        pytest.param("x" * 201, "at most 200", id="long"),
        pytest.param("ana@example.com", "is your e-mail", id="e-mail"),
        pytest.param(" Ana@Example.com ", "is your e-mail", id="e-mail-written-otherwise"),
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused(password: str, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        check_password(password, "ana@example.com")


@pytest.mark.parametrize("password", ["1234567890", "x" * 200, "пароль из слов", "🐎🔋 and more"])
def test_length_is_all_that_is_asked_of_a_password(password: str) -> None:
    check_password(password, "ana@example.com")
    stored = hash_password(password)
    assert stored.startswith("$argon2id$")
    assert password not in stored
    assert is_password(stored, password)
    assert not is_password(stored, password + "x")
    assert not is_password(stored, "")
    assert not needs_new_hash(stored)
    assert hash_password(password) != stored


def test_a_password_is_the_same_however_it_is_composed() -> None:
    assert is_password(hash_password("caf\u00e9 au lait"), "cafe\u0301 au lait")


@pytest.mark.parametrize("password", ["", "x" * 10_000_000, "\ud800 half a character", "\0" * 12])
def test_any_password_may_be_tried(password: str) -> None:
    assert not is_password(hash_password("the right one"), password)
    assert not is_password(None, password)


def test_a_hash_that_is_none_lets_nobody_in() -> None:
    assert not is_password("", "the password of nobody")
    assert not is_password("x", "the password of nobody")
    assert not is_password(None, "the password of nobody")


def test_many_who_sign_in_at_once_leave_threads_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, entered = threading.Event(), threading.Semaphore(0)

    class Slow:
        def hash(self, _password: bytes) -> str:
            entered.release()
            gate.wait(HELD_S)
            return "done"

    monkeypatch.setattr(passwords, "_hasher", Slow)
    threads = [threading.Thread(target=hash_password, args=("x",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        assert entered.acquire(timeout=PATIENCE_S)
    wait_until(lambda: passwords._in_all._value == 0, what="all six are at it")
    assert not entered.acquire(timeout=0.05)
    with pytest.raises(BusyError, match="in a few seconds"):
        hash_password("x")
    gate.set()
    for thread in threads:
        thread.join()
    assert hash_password("x") == "done"


def test_an_unknown_account_costs_as_much_work_as_a_known_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verified: list[str] = []
    real = passwords._hasher().verify

    def verify(stored: str, given: bytes) -> bool:
        verified.append(stored.rpartition("$")[0].rpartition("$")[0])
        return real(stored, given)

    class Watched:
        def __init__(self) -> None:
            self.verify = verify

    stored = hash_password("the right one")
    monkeypatch.setattr(passwords, "_hasher", Watched)
    for each in (stored, None):
        assert not is_password(each, "another one")
    assert len(verified) == 2
    assert verified[0] == verified[1]
