"""An embedder that asks an OpenAI-compatible endpoint, where one is named in the environment.

Source: `POST /embeddings` with `{"model", "input": [...]}`, answered by
`{"data": [{"index", "embedding"}, ...]}`, as OpenAI, Ollama, vLLM and others serve it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from phospho.detectors.cached_encoder import CachedEncoder
from phospho.errors import DetectorError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BASE_URL = "PHOSPHO_EMBEDDINGS_BASE_URL"
MODEL = "PHOSPHO_EMBEDDINGS_MODEL"
API_KEY = "PHOSPHO_EMBEDDINGS_API_KEY"

# How long a model may think about a batch.
_TIMEOUT_S = 60.0

_LEAST_LENGTH = 1e-6

# How much of a refusal is worth showing.
_MAX_REASON_CHARS = 200


class EndpointEncoder(CachedEncoder):
    """Embeds texts with a model behind HTTP; `dim` is 0 until it was asked.

    Encoding raises `DetectorError` when the endpoint does not answer with vectors.

    Args:
        base_url: As in `https://api.openai.com/v1`, without `/embeddings`.
        model: The name of the model.
        api_key: Sent as a bearer token; empty for none.
    """

    is_metered = True

    # Beyond it, most models read no further.
    max_chars = 8_000

    # What endpoints take at once.
    max_batch = 256

    def __init__(self, base_url: str, model: str, api_key: str = "") -> None:
        super().__init__(f"endpoint/{model}", 0)
        self._url = base_url.rstrip("/") + "/embeddings"
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def _embed(self, texts: list[str]) -> NDArray[np.float64]:
        import httpx

        # Many refuse an empty text.
        body = {"model": self._model, "input": [text or " " for text in texts]}
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

    def _read(self, answer: Any, count: int) -> NDArray[np.float64]:
        import numpy as np

        rows = sorted(answer["data"], key=lambda row: row["index"])
        vectors = np.array([row["embedding"] for row in rows], dtype=np.float64)
        if vectors.ndim != 2 or len(vectors) != count or not np.isfinite(vectors).all():  # noqa: PLR2004
            raise ValueError(f"shape {vectors.shape} for {count} texts")
        if self.dim and vectors.shape[1] != self.dim:
            raise ValueError(f"{vectors.shape[1]} dimensions after {self.dim}")
        self.dim = int(vectors.shape[1])
        lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _LEAST_LENGTH)
        unit: NDArray[np.float64] = vectors / lengths
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
