from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
import pathlib
import types
import uuid
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from phospho import snapshot
from tests.costs import least_cpu_s
from tests.hostile import Bad, Colour, Loud, Nothing
from tests.waiting import not_endless


class Several(enum.Enum):
    TWO = (1, 2)


@dataclasses.dataclass
class Point:
    x: int
    api_key: str = "secret"
    _hidden: int = 1


class Slotted:
    __slots__ = ("text",)

    def __init__(self) -> None:
        self.text = "hi"


class Model(BaseModel):
    model_config = ConfigDict(extra="allow")
    text: str


class Machine:
    def __init__(self) -> None:
        self.name = "m"
        self.part = Nothing()
        self.settings = Point(1)


class Pair(NamedTuple):
    left: int
    right: int


def take(value: Any, max_chars: int = 10_000) -> Any:
    return snapshot.take(value, max_chars).value


@pytest.mark.parametrize(
    ("value", "copied"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(True, True, id="bool"),
        pytest.param(1.5, 1.5, id="float"),
        pytest.param(float("nan"), "nan", id="nan"),
        pytest.param(float("-inf"), "-inf", id="inf"),
        pytest.param(2**63, hex(2**63), id="int-64"),
        pytest.param("a\ud800b", "a\ufffdb", id="surrogate"),
        pytest.param("a\0é", "a\ufffdé", id="nul"),
        pytest.param("a\0", "a\ufffd", id="nul-in-ascii"),
        pytest.param("\ud83d\ude00\ude00", "\U0001f600\ufffd", id="surrogate-pair"),
        pytest.param(b"caf\xc3\xa9", "café", id="bytes"),
        pytest.param(b"\xff\xfe", "(2 bytes)", id="binary"),
        pytest.param(memoryview(b"ab"), "ab", id="memoryview"),
        pytest.param((1, [2]), [1, [2]], id="tuple"),
        pytest.param({1}, [1], id="set"),
        pytest.param({1: "a", "1": "b", None: 2}, {"1": "a", "1 (2)": "b", "None": 2}, id="keys"),
        pytest.param(
            {(1, 2): 1, (3, "4"): 2, Colour.RED: 3, Several.TWO: 4, dt.date(2026, 1, 2): 5},
            {"(1, 2)": 1, "(3, '4')": 2, "red": 3, "(1, 2) (2)": 4, "2026-01-02": 5},
            id="keys-of-other-types",
        ),
        pytest.param(
            {Nothing(): 1, Nothing(): 2, "(Nothing) (2)": 3, Nothing(): 4, Loud(): 5},
            {
                "(Nothing)": 1,
                "(Nothing) (2)": 2,
                "(Nothing) (2) (2)": 3,
                "(Nothing) (3)": 4,
                "(Loud)": 5,
            },
            id="keys-without-text",
        ),
        pytest.param(collections.OrderedDict(a=1), {"a": 1}, id="dict-subclass"),
        pytest.param(Pair(1, 2), {"left": 1, "right": 2}, id="namedtuple"),
        pytest.param(Colour.RED, "red", id="enum"),
        pytest.param({"e": Several.TWO}, {"e": [1, 2]}, id="enum-of-a-container"),
        pytest.param(dt.date(2026, 1, 2), "2026-01-02", id="date"),
        pytest.param(dt.timedelta(hours=1), "1:00:00", id="timedelta"),
        pytest.param(decimal.Decimal("1.10"), "1.10", id="decimal"),
        pytest.param(uuid.UUID(int=1), str(uuid.UUID(int=1)), id="uuid"),
        pytest.param(pathlib.PurePosixPath("/a"), "/a", id="path"),
        pytest.param(Point(1), {"x": 1}, id="dataclass-without-secrets"),
        pytest.param(Slotted(), {"text": "hi"}, id="slots"),
        pytest.param(Model(text="hi", more=1), {"text": "hi", "more": 1}, id="pydantic-extra"),
        pytest.param(types.SimpleNamespace(a=1), {"a": 1}, id="namespace"),
        pytest.param(
            Machine(), {"name": "m", "part": "(Nothing)", "settings": {"x": 1}}, id="objects-inside"
        ),
        pytest.param(ValueError("bad"), "ValueError: bad", id="exception"),
        pytest.param(print, "print", id="function"),
        pytest.param((letter for letter in ""), "test_snapshot.<genexpr>", id="generator"),
        pytest.param(Nothing(), "(Nothing)", id="plain-object"),
        pytest.param(Bad("text"), "text", id="str-subclass"),
        pytest.param(
            {"data": "QUJD" * 300, "url": "data:image/png;base64,QUJD"},
            {"data": "(data of 1200 characters)", "url": "(data of 26 characters)"},
            id="base64",
        ),
    ],
)
def test_a_value_becomes_plain_json(value: Any, copied: Any) -> None:
    result = take(value)
    if isinstance(copied, str) and copied.startswith("test_snapshot"):
        assert "genexpr" in result
    else:
        assert result == copied
    json.dumps(result, allow_nan=False)


def test_a_hostile_object_is_named_and_nothing_else() -> None:
    assert take({"a": Loud(), "b": 1}) == {"a": "(Loud that could not be read)", "b": 1}


def test_a_cycle_is_marked() -> None:
    cycle: list[Any] = [1]
    cycle.append(cycle)
    assert take(cycle) == [1, snapshot.CIRCLE_MARK]


def test_depth_is_bounded() -> None:
    deep: Any = "core"
    for _ in range(2000):
        deep = {"d": deep}
    result = snapshot.take(deep, 10_000)
    assert result.is_cut
    assert json.dumps(result.value).count("d") < 40


def test_a_list_of_itself_many_times_does_not_explode() -> None:
    value: list[Any] = []
    for _ in range(40):
        value = [value, value]
    with not_endless():
        assert len(json.dumps(take(value))) < 100_000


def test_size_is_bounded_and_the_cut_is_visible() -> None:
    result = snapshot.take({"a": "x" * 1_000_000, "b": list(range(100_000))}, 5_000)
    text = json.dumps(result.value)
    assert result.is_cut
    assert len(text) < 12_000
    assert snapshot.CUT_MARK in text


def test_ten_thousand_keys_of_one_name_cost_no_more_than_others() -> None:
    alike: dict[Any, int] = {Nothing(): number for number in range(10_000)}
    others: dict[Any, int] = {f"name {number}": number for number in range(10_000)}
    assert len(take(alike, 10**6)) == 10_000
    # In quadratic time, 10,000 names cost a thousand times as much.
    assert least_cpu_s(lambda: take(alike, 10**6)) < 20 * least_cpu_s(lambda: take(others, 10**6))


def test_a_long_list_says_how_long_it_was() -> None:
    assert take(list(range(20_000)), 10**6)[-1] == "[cut by phospho, 20000 items]"
    assert take(dict.fromkeys(range(20_000)), 10**6)[snapshot.CUT_MARK] == 20_000


def test_a_long_text_is_cut_with_a_mark() -> None:
    text = snapshot.clean_text("é" * 200, 100)
    assert len(text) == 100
    assert text.endswith("… [cut by phospho, 200 characters]")


def test_long_bytes_are_read_only_as_far_as_they_are_kept() -> None:
    assert len(take(b"x" * 5_000_000, 10**6)) <= 10**6
    assert take(memoryview(bytearray(8))) == "\ufffd" * 8


def test_numpy_values_are_known_by_name() -> None:
    class generic:  # noqa: N801 - stands in for numpy's
        def item(self) -> float:
            return 2.5

    generic.__module__ = "numpy"
    assert take(type("float64", (generic,), {"__module__": "numpy"})()) == 2.5


def test_the_copy_shares_nothing_mutable() -> None:
    inner = {"a": [1]}
    copied = take({"inner": inner})
    inner["a"].append(2)
    assert copied == {"inner": {"a": [1]}}
    again = snapshot.copy_again(copied)
    again["inner"]["a"].append(3)
    assert copied == {"inner": {"a": [1]}}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.datetimes() | st.uuids() | st.decimals() | st.builds(Loud) | st.characters(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner)
    | st.tuples(inner, inner),
    max_leaves=20,
)  # fmt: skip


@given(anything)
def test_any_value_can_be_encoded_after_a_snapshot(value: Any) -> None:
    json.dumps(take(value), allow_nan=False).encode()


@given(st.dictionaries(st.text(max_size=5), st.none() | st.text() | st.integers() | st.floats()))
def test_the_fast_path_agrees_with_the_slow_one(metadata: dict[str, Any]) -> None:
    flat = snapshot.take_flat(metadata)
    if flat is not None:
        assert flat[0] == take(metadata, 10**6)
        assert flat[0] is not metadata
