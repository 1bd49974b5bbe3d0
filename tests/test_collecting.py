"""What the chunks of a stream amount to, whatever they are."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable
from typing import Any

import attrs
import pytest
from pydantic import BaseModel

from phospho.testing import CaptureClient


def read(chunks: Iterable[Any]) -> dict[str, Any]:
    """Return the record of a stream that gave these chunks."""
    client = CaptureClient()
    for _ in client.log("q", iter(chunks), stream=True)["output"]:
        pass
    return client.interactions[-1]


def test_bytes_that_are_no_text_are_counted() -> None:
    noise = random.Random(1)
    assert read(noise.randbytes(1000) for _ in range(5))["output"] == "(5000 bytes)"
    assert read([b"RIFF", b"\xff\xfe" * 50, b"data"])["output"] == "(108 bytes)"
    assert read(["Sound: ", b"RIFF", b"\xff\xfe"])["output"] == "Sound: (6 bytes)"


@dataclasses.dataclass
class Token:
    token: str


@attrs.define
class Slotted:
    token: str


class Modelled(BaseModel):
    token: str


class Plain:
    def __init__(self, token: str) -> None:
        self.token = token


@pytest.mark.parametrize("kind", [Token, Slotted, lambda token: Modelled(token=token), Plain])
def test_a_token_of_an_object_is_text(kind: Any) -> None:
    assert read([kind("a "), kind("b")])["output"] == "a b"
