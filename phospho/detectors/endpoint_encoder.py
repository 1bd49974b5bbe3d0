"""An embedder that asks an OpenAI-compatible endpoint, where one is named in the environment.

Source: `POST /embeddings` with `{"model", "input": [...]}`, answered by
`{"data": [{"index", "embedding"}, ...]}`, as OpenAI, Ollama, vLLM and others serve it.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from phospho.detectors.texts import encodable
from phospho.errors import DetectorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

BASE_URL = "PHOSPHO_EMBEDDINGS_BASE_URL"
MODEL = "PHOSPHO_EMBEDDINGS_MODEL"
API_KEY = "PHOSPHO_EMBEDDINGS_API_KEY"

# What endpoints take at once, and how long a model may think about it.
_BATCH = 256
_TIMEOUT_S = 60.0

# Beyond it, most models read no further.
_MAX_CHARS = 8_000

_MAX_CACHED = 20_000
_LEAST_LENGTH = 1e-6

# How much of a refusal is worth showing.
_MAX_REASON_CHARS = 200


class EndpointEncoder:
    """Embeds texts with a model behind HTTP. Safe to share between threads.

    Args:
        base_url: As in `https://api.openai.com/v1`, without `/embeddings`.
        model: The name of the model.
        api_key: Sent as a bearer token; empty for none.
    """

    is_metered = True

    def __init__(self, base_url: str, model: str, api_key: str = "") -> None:
        self.id = f"endpoint/{model}"
        self._url = base_url.rstrip("/") + "/embeddings"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        # Known once the model has been asked for the first time.
        self.dim = 0
        self._cache: OrderedDict[str, NDArray[np.float16]] = OrderedDict()
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one vector of unit length for each text, shape `(len(texts), dim)`.

        Raises:
            DetectorError: When the endpoint does not answer with vectors; says why.
        """
        import numpy as np

        texts = [encodable(text[:_MAX_CHARS]) or " " for text in texts]
        with self._lock:
            unknown = [text for text in dict.fromkeys(texts) if text not in self._cache]
            for start in range(0, len(unknown), _BATCH):
                part = unknown[start : start + _BATCH]
                self._cache.update(zip(part, self._ask(part), strict=True))
            vectors = [self._cache[text] for text in texts]
            for text in texts:
                self._cache.move_to_end(text)
            while len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        if not vectors:
            return np.zeros((0, self.dim), dtype=np.float32)
        return np.stack(vectors).astype(np.float32)

    def _ask(self, texts: list[str]) -> NDArray[np.float16]:
        import httpx

        body = {"model": self._model, "input": texts}
        try:
            answer = httpx.post(self._url, json=body, headers=self._headers, timeout=_TIMEOUT_S)
            answer.raise_for_status()
            return self._read(answer.json(), len(texts))
        except httpx.HTTPStatusError as exc:
            reason = exc.response.text[:_MAX_REASON_CHARS]
            raise self._failure(f"answered {exc.response.status_code}: {reason}") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise self._failure(f"could not be asked: {exc} ({type(exc).__name__})") from exc
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as exc:
            raise self._failure(f"answered something else than vectors: {exc}") from exc

    def _read(self, answer: Any, count: int) -> NDArray[np.float16]:
        import numpy as np

        rows = sorted(answer["data"], key=lambda row: row["index"])
        vectors = np.array([row["embedding"] for row in rows], dtype=np.float64)
        if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():  # noqa: PLR2004
            raise ValueError(f"shape {vectors.shape} for {count} texts")
        if self.dim and vectors.shape[1] != self.dim:
            raise ValueError(f"{vectors.shape[1]} dimensions after {self.dim}")
        self.dim = int(vectors.shape[1])
        lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LEAST_LENGTH)
        unit: NDArray[np.float16] = (vectors / lengths).astype(np.float16)
        return unit

    def _failure(self, what: str) -> DetectorError:
        return DetectorError(
            f"The embeddings endpoint {self._url} {what}. Check {BASE_URL}, {MODEL} and {API_KEY}; "
            "what could not be judged is tried again."
        )


def from_environment() -> EndpointEncoder | None:
    """Return the embedder that the environment names, if it names one."""
    base_url, model = os.environ.get(BASE_URL, "").strip(), os.environ.get(MODEL, "").strip()
    if not base_url or not model:
        return None
    return EndpointEncoder(base_url, model, os.environ.get(API_KEY, "").strip())
