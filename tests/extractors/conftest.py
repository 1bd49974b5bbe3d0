from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from phospho import implementation


@pytest.fixture
def own_loop() -> Iterator[None]:
    """Set an event loop that is closed: some libraries make their own and leave it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(scope="session", autouse=True)
def _on_a_busy_machine() -> Iterator[None]:
    """Count no extractor as failed because the machine was slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(implementation, "MAX_CALL_S", float("inf"))
        yield
