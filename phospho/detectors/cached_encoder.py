"""What all embedders of phospho do around their models: clean texts, and remember their vectors."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import TYPE_CHECKING, ClassVar

from phospho.detectors.texts import encodable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

# Messages repeat ("yes please"): 10,000 vectors of 512 halves are 10 MB.
_MAX_CACHED = 10_000


class CachedEncoder(ABC):
    """An embedder that asks its model only for texts it does not remember.

    Safe to share between threads: the model is asked by one at a time.

    Args:
        id: Names model and version.
        dim: How many numbers a vector has; 0 until the model was asked, where only it knows.
        max_cached: How many vectors are remembered.
    """

    # A text this long has lost its meaning as one vector long before.
    max_chars: ClassVar[int] = 4_000

    # What the model is handed at once; what it answered is kept, should it fail at the next.
    max_batch: ClassVar[int] = 1_024

    def __init__(self, id: str, dim: int, *, max_cached: int = _MAX_CACHED) -> None:
        self.id = id
        self.dim = dim
        self._max_cached = max_cached
        self._cache: OrderedDict[str, NDArray[np.float16]] = OrderedDict()
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector of unit length for each text, shape `(len(texts), dim)`.

        Raises:
            PhosphoError: When the model cannot be asked; says why.
        """
        import numpy as np

        texts = [encodable(text[: self.max_chars]) for text in texts]
        with self._lock:
            self._embed_unknown(texts)
            vectors = np.empty((len(texts), self.dim), dtype=np.float32)
            for row, text in enumerate(texts):
                vectors[row] = self._cache[text]
                self._cache.move_to_end(text)
            while len(self._cache) > self._max_cached:
                self._cache.popitem(last=False)
        return vectors

    def _embed_unknown(self, texts: Sequence[str]) -> None:
        import numpy as np

        unknown = [text for text in dict.fromkeys(texts) if text not in self._cache]
        for start in range(0, len(unknown), self.max_batch):
            part = unknown[start : start + self.max_batch]
            # Halves cost nothing measurable in quality; a vector is the same from cache and model.
            vectors = self._embed(part).astype(np.float16)
            for text, vector in zip(part, vectors, strict=True):
                # By itself, or it would keep all others of its batch.
                self._cache[text] = vector.copy()

    @abstractmethod
    def _embed(self, texts: list[str]) -> NDArray[np.floating]:
        """Return one vector of unit length for each of some distinct texts.

        From then on, `dim` is known.
        """
