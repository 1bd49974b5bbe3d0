"""What tests of integrations share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from phospho.testing import Logged, capture


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Logged]:
    """Keep what is logged; no mistake of ours may be hidden by who calls us, or by ourselves."""
    with caplog.at_level(logging.WARNING), capture(raise_errors=True) as captured:
        yield captured
    said = [record.getMessage() for record in caplog.records if record.name.startswith(_NAMES)]
    assert said == []


_NAMES = ("phospho", "langchain_core.callbacks")
