from __future__ import annotations

import pytest

from phospho.detectors.semantic import SemanticDetector
from phospho.detectors.use_encoder import UseEncoder


@pytest.fixture(scope="session")
def encoder() -> UseEncoder:
    return UseEncoder()


@pytest.fixture(scope="session")
def semantic(encoder: UseEncoder) -> SemanticDetector:
    return SemanticDetector(encoder)
