"""An embedder that runs a sentence-transformers model as ONNX, from a folder the environment names.

Source: onnxruntime 1.32, tokenizers 0.23. All-MiniLM-L6-v2 and its siblings are such models.
"""

from __future__ import annotations

import importlib.util
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phospho.detectors.cached_encoder import CachedEncoder
from phospho.detectors.onnx_folder import FIRST, FOLDER, MEAN, OnnxFolder, broken, read_folder
from phospho.errors import DetectorError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

# How many tokens are run at once, with those that fill up. On one thread, more are not faster, and
# take more memory.
_BATCH_TOKENS = 512

# Run alone and together, they show whether a vector depends on what else is run: the whole numbers
# of a quantized graph may be scaled by the largest in the batch.
_PROBES = ("no", "Where is my order? It should have been here on Monday, or so I was told!")
_SAME = 1e-4

_LEAST_LENGTH = 1e-6
_MAX_REASON_CHARS = 200


class OnnxEncoder(CachedEncoder):
    """Embeds texts with the model of a folder, on one thread; loads it at the first call.

    A vector does not depend on what else is encoded with it. `dim` is 0 until the model is loaded.
    Encoding raises `MissingDependencyError` where a package is missing, and `DetectorError` where
    the folder has no model that can be run.

    Args:
        folder: The folder of a model as it is on the Hugging Face hub.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(f"onnx/{folder.name}", 0)
        # What is wrong with the folder is said when vectors are asked for.
        with suppress(DetectorError):
            self.id = read_folder(folder).id
        self._folder = folder
        self._model: _Model | None = None

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        try:
            return self._loaded().embed(texts)
        except (DetectorError, MissingDependencyError):
            raise
        except Exception as exc:
            reason = f"{type(exc).__name__}: {exc}"[:_MAX_REASON_CHARS]
            raise broken(
                self._folder,
                f"has a model that cannot be run: {reason}",
                "Copy it again, or use another",
            ) from exc

    def _loaded(self) -> _Model:
        if self._model is None:
            for package in ("onnxruntime", "tokenizers"):
                if importlib.util.find_spec(package) is None:
                    raise MissingDependencyError(package, extra="onnx")
            files = read_folder(self._folder)
            model = _Model(files)
            if not model.pools and files.pooling not in {MEAN, FIRST}:
                raise broken(
                    self._folder,
                    f"has a model that makes one vector of many by {files.pooling}",
                    "Export it with that step, as the output sentence_embedding, or use another",
                )
            self.id, self.dim = files.id, model.dim
            self._model = model
        return self._model


class _Model:
    """A graph and its tokenizer."""

    def __init__(self, files: OnnxFolder) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self._files = files
        self._tokenizer: Any = Tokenizer.from_file(str(files.tokenizer))
        padding = self._tokenizer.padding or {}
        self._pad_id = files.pad_id if files.pad_id is not None else padding.get("pad_id", 0)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(files.max_tokens)
        options = onnxruntime.SessionOptions()
        # One thread: the worker shares its machine with the app.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Only errors, which are raised as well.
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            str(files.model), options, providers=["CPUExecutionProvider"]
        )
        self._inputs = {each.name for each in self._session.get_inputs()}
        outputs = self._session.get_outputs()
        self._output = next((o for o in outputs if o.name == "sentence_embedding"), outputs[0])
        self._batch_tokens = _BATCH_TOKENS
        probed = self.embed(_PROBES)
        self.dim = int(probed.shape[1])
        alone = [self.embed([probe])[0] for probe in _PROBES]
        if abs(probed - alone).max() > _SAME:
            self._batch_tokens = 0

    @property
    def pools(self) -> bool:
        """Tell whether the graph itself makes one vector of those of all tokens."""
        return len(self._output.shape) == 2  # noqa: PLR2004

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return a vector of unit length for each of some texts, at least one."""
        import numpy as np

        # One by one: a batch would be spread over the threads of the tokenizer.
        tokens = [self._tokenizer.encode(text).ids for text in texts]
        rows: list[NDArray[np.float32]] = [np.empty(0, np.float32)] * len(texts)
        for places in self._batches([len(ids) for ids in tokens]):
            vectors = self._run([tokens[place] for place in places])
            for place, vector in zip(places, vectors, strict=True):
                rows[place] = vector
        return np.stack(rows)

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Yield the places of texts of about the same length, together short enough."""
        places: list[int] = []
        for place in sorted(range(len(lengths)), key=lengths.__getitem__):
            if places and (len(places) + 1) * lengths[place] > self._batch_tokens:
                yield places
                places = []
            places.append(place)
        yield places

    def _run(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        import numpy as np

        longest = max(1, *map(len, tokens))
        ids = np.full((len(tokens), longest), self._pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, of_text in enumerate(tokens):
            ids[row, : len(of_text)] = of_text
            mask[row, : len(of_text)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        found = self._session.run(
            [self._output.name], {name: given[name] for name in given if name in self._inputs}
        )[0].astype(np.float32)
        vectors = found if self.pools else _pooled(found, mask, self._files.pooling)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = vectors / np.maximum(lengths, _LEAST_LENGTH)
        return np.nan_to_num(unit)


def _pooled(
    vectors: NDArray[np.float32], mask: NDArray[np.int64], pooling: str
) -> NDArray[np.float32]:
    """Return one vector for the tokens of each text."""
    import numpy as np

    if pooling == FIRST:
        return vectors[:, 0]
    weights = mask[:, :, np.newaxis].astype(np.float32)
    mean: NDArray[np.float32] = (vectors * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
    return mean


def from_environment() -> OnnxEncoder | None:
    """Return the embedder of the folder that the environment names, if it names one."""
    folder = os.environ.get(FOLDER, "").strip()
    return OnnxEncoder(Path(folder)) if folder else None
