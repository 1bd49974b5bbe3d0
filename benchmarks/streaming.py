"""Measure what a streamed token costs with `phospho.wrap` over the bare loop.

    python benchmarks/streaming.py [--tokens 2000] [--rounds 9]

CPU of the thread that iterates, all of it: from the call to the logged interaction, divided by the
tokens. The input has 50,000 characters. Bare and wrapped loops take turns; the median of the
differences is shown, then the same with ten times the tokens: a cost that grows would show there.
Last, what is left in memory of 1,000 streams that were dropped after three tokens.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from openai.types.chat import ChatCompletionChunk

import phospho
from phospho.testing import capture

INPUT = "All work and no play makes Jack a dull boy. " * 1_137
ABANDONED = 1_000

Make = Callable[[int], list[Any]]


def make_texts(count: int) -> list[Any]:
    """Return tokens as an app's own generator yields them."""
    return [f"token{number} " for number in range(count)]


def make_dicts(count: int) -> list[Any]:
    """Return chunks of an app's own making."""
    return [{"type": "delta", "delta": {"content": f"token{number} "}} for number in range(count)]


def make_chunks(count: int) -> list[Any]:
    """Return the chunks of a chat completion, as the OpenAI library makes them."""
    return [
        ChatCompletionChunk.model_validate(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "gpt-x",
                "choices": [
                    {"index": 0, "delta": {"content": f"token{number} "}, "finish_reason": None}
                ],
            }
        )
        for number in range(count)
    ]


KINDS: dict[str, Make] = {"str": make_texts, "dict": make_dicts, "OpenAI chunk": make_chunks}


def streaming(tokens: list[Any]) -> Callable[[str], Iterator[Any]]:
    """Return a function that streams an answer that is there already: only the loop costs."""

    def answer(question: str) -> Iterator[Any]:  # noqa: ARG001 - what `wrap` reads
        yield from tokens

    return answer


def run(stream: Callable[[str], Iterator[Any]]) -> float:
    """Return the CPU microseconds of one whole stream."""
    started = time.thread_time()
    for _ in stream(INPUT):
        pass
    return (time.thread_time() - started) * 1e6


def microseconds_a_token(make: Make, count: int, rounds: int) -> float:
    """Return the median of what a wrapped loop costs more."""
    bare = streaming(make(count))
    wrapped = phospho.wrap(bare)
    run(wrapped)
    return statistics.median(run(wrapped) - run(bare) for _ in range(rounds)) / count


def count_left() -> int:
    """Return how many objects are left of abandoned streams."""
    wrapped = phospho.wrap(streaming(make_texts(10)))

    def abandon() -> None:
        for number, _ in enumerate(wrapped(INPUT)):
            if number == 2:
                break

    abandon()
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(ABANDONED):
        abandon()
    gc.collect()
    return len(gc.get_objects()) - before


def main() -> None:
    """Print one line for each kind of token."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with capture() as logged:
        for name, make in KINDS.items():
            few = microseconds_a_token(make, options.tokens, options.rounds)
            many = microseconds_a_token(make, options.tokens * 10, max(3, options.rounds // 3))
            print(
                f"{name:>13}: {few:5.2f} us a token of {options.tokens:,}, "
                f"{many:5.2f} of {options.tokens * 10:,}"
            )
        logged.interactions.clear()
    phospho.init("key", "project", sample_rate=0.0)
    print(f"objects left of {ABANDONED:,} abandoned streams: {count_left()}")


if __name__ == "__main__":
    main()
