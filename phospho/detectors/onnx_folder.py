"""Reads the folder of a sentence-transformers model that was exported to ONNX, but not the model.

Source: sentence-transformers 5 and optimum 2, as on the Hugging Face hub: `tokenizer.json`;
`model.onnx`, or variants of it, here or in `onnx/`; `sentence_bert_config.json` and `config.json`;
`1_Pooling/config.json`; `modules.json`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phospho.errors import DetectorError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOLDER = "PHOSPHO_EMBEDDINGS_FOLDER"

# Where a model says nothing, and where one would read more: a message of more tokens has lost its
# meaning as one vector, and time and memory grow with the square.
_DEFAULT_TOKENS = 256
_MOST_TOKENS = 512

# The first of these that is there, then any other that is the only one.
_MODELS = ("model.onnx", "model_quantized.onnx")
_SETTINGS = ("sentence_bert_config.json", "config.json", "1_Pooling/config.json", "modules.json")

# What is done with the vectors of tokens. Of unit length, the mean divided by a root is the mean.
MEAN, FIRST = "mean", "cls"
_SAME_POOLING = {"mean_tokens": MEAN, "mean_sqrt_len_tokens": MEAN, "cls_token": FIRST}
_MODE = "pooling_mode"

# The steps of a model that are asked for elsewhere, or always taken.
_USUAL_STEPS = ("Transformer", "Pooling", "Normalize")

_HASHED_CHARS = 12
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class OnnxFolder:
    """What is needed to run a model.

    Args:
        id: Names the folder and its content: with other files, the vectors are others.
        model: The graph.
        tokenizer: The tokenizer, as the library `tokenizers` reads it.
        max_tokens: How many tokens of a text are read, with those that mark its ends.
        pad_id: The token that fills up shorter texts; None where only the tokenizer says it.
        pooling: How the vectors of tokens become one, where the graph does not do it itself:
            `MEAN`, `FIRST`, or something else in words.
    """

    id: str
    model: Path
    tokenizer: Path
    max_tokens: int
    pad_id: int | None
    pooling: str


def read_folder(folder: Path) -> OnnxFolder:
    """Read what a folder says about its model.

    Raises:
        DetectorError: When it is no folder of a model; says what is missing or wrong in it.
    """
    try:
        return _read(folder)
    except OSError as exc:
        raise broken(folder, f"cannot be read: {exc}", "Let the server read it") from exc


def _read(folder: Path) -> OnnxFolder:
    if not folder.is_dir():
        raise DetectorError(f"There is no folder {folder}. Check {FOLDER}.")
    model, tokenizer = _find_model(folder), folder / "tokenizer.json"
    if not tokenizer.is_file():
        raise broken(folder, "has no tokenizer.json", "Copy it from where the model comes from")
    settings = {name: _read_json(folder, name) for name in _SETTINGS}
    sentence, config, pooling, modules = settings.values()
    # Weights that are too large for a graph lie beside it, as in model.onnx_data.
    beside = sorted(model.parent.glob(f"{model.name}*"))
    used = [*beside, tokenizer, *(folder / name for name in _SETTINGS)]
    return OnnxFolder(
        id=f"onnx/{folder.resolve().name}/{_fingerprint(path for path in used if path.is_file())}",
        model=model,
        tokenizer=tokenizer,
        max_tokens=_max_tokens(sentence, config),
        pad_id=_whole(config, "pad_token_id", least=0),
        pooling=" and ".join([*(_pooling_modes(pooling) or [MEAN]), *_unusual_steps(modules)]),
    )


def _find_model(folder: Path) -> Path:
    places = (folder, folder / "onnx")
    for name in _MODELS:
        for place in places:
            if (place / name).is_file():
                return place / name
    others = sorted(path for place in places for path in place.glob("*.onnx"))
    if len(others) == 1:
        return others[0]
    if others:
        names = ", ".join(str(path.relative_to(folder)) for path in others)
        raise broken(folder, f"has several models: {names}", "Call the one to use model.onnx")
    raise broken(
        folder,
        "has no model.onnx, neither there nor in onnx/",
        "Copy it from where the model comes from, or export it to ONNX",
    )


def _read_json(folder: Path, name: str) -> Any:
    """Return what a file of settings says; nothing where there is none."""
    path = folder / name
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as exc:
        raise broken(folder, f"has a {name} that cannot be read: {exc}", "Copy it again") from exc


def _max_tokens(sentence: Any, config: Any) -> int:
    said = _whole(sentence, "max_seq_length", least=3) or _whole(
        config, "max_position_embeddings", least=3
    )
    return min(said or _DEFAULT_TOKENS, _MOST_TOKENS)


def _pooling_modes(config: Any) -> list[str]:
    """Return the ways of `"pooling_mode": "mean"`, or `"pooling_mode_mean_tokens": true`."""
    said = config if isinstance(config, dict) else {}
    named = said.get(_MODE, [])
    modes = [str(mode) for mode in (named if isinstance(named, list) else [named])]
    modes += [key[len(_MODE) + 1 :] for key in said if key.startswith(f"{_MODE}_") and said[key]]
    return list(dict.fromkeys(_SAME_POOLING.get(mode, mode) for mode in modes))


def _unusual_steps(modules: Any) -> list[str]:
    said = modules if isinstance(modules, list) else []
    kinds = [str(each.get("type")).split(".")[-1] for each in said if isinstance(each, dict)]
    return [kind for kind in kinds if kind not in _USUAL_STEPS]


def _whole(settings: Any, name: str, *, least: int) -> int | None:
    value = settings.get(name) if isinstance(settings, dict) else None
    return value if type(value) is int and value >= least else None


def _fingerprint(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()[:_HASHED_CHARS]


def broken(folder: Path, what: str, advice: str) -> DetectorError:
    """Return the error that says what is wrong with a folder, and what to do."""
    return DetectorError(f"The folder {folder} of {FOLDER} {what}. {advice}.")
