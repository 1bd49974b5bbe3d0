"""Fixtures for tests with the libraries' real classes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from phospho import guard
from phospho.testing import Logged, capture

_NAMES = ("phospho", "langchain_core.callbacks")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Logged]:
    """Keep what is logged; no mistake of ours may be hidden by who calls us, or by ourselves."""
    with caplog.at_level(logging.WARNING), capture(raise_errors=True) as captured:
        yield captured
    said = [record.getMessage() for record in caplog.records if record.name.startswith(_NAMES)]
    assert said == []


@pytest.fixture
def own_loop() -> Iterator[None]:
    """Set an event loop that is closed: LlamaIndex makes its own, and leaves it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def of_llama_index(phospho_logged: Logged, own_loop: None) -> Iterator[Logged]:
    """Listen to LlamaIndex; afterwards nothing is left of it, and nothing of ours has failed."""
    from phospho.integrations import llama_index

    llama_index.instrument_llama_index()
    yield phospho_logged
    kept = len(llama_index._calls.open)
    llama_index.uninstrument_llama_index()
    assert kept == 0
    assert guard._reported == set()
