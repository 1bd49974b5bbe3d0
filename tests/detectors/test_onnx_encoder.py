from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from phospho.detectors.onnx_encoder import OnnxEncoder, from_environment
from phospho.detectors.onnx_folder import read_folder
from phospho.detectors.registry import load_detectors, run_detector
from phospho.detectors.semantic import SemanticDetector
from phospho.errors import DetectorError, MissingDependencyError
from phospho.plugins import Plugins
from phospho.testing import check_embedder
from tests.detectors.builders import event, turn
from tests.detectors.onnx_models import DIM, KINDS, unit, vectors_of, write_folder, write_minilm

SETTINGS = st.sampled_from(
    [
        *("max_seq_length", "max_position_embeddings", "pad_token_id", "type"),
        *("pooling_mode", "pooling_mode_mean_tokens", "pooling_mode_cls_token"),
    ]
)

QUESTION = ("where", "is", "my", "order")


@pytest.fixture(scope="session")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> OnnxEncoder:
    return OnnxEncoder(write_minilm(tmp_path_factory.mktemp("onnx") / "all-MiniLM-L6-v2"))


@pytest.fixture(scope="module")
def settings_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("settings"))


def embed(folder: Path, *texts: str) -> NDArray[np.float32]:
    return OnnxEncoder(folder).encode(texts)


def loaded(folder: Path) -> OnnxEncoder:
    encoder = OnnxEncoder(folder)
    encoder.encode(["hello"])
    return encoder


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Callable[[Path], object]:
    def written(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")

    return written


def test_minilm_sees_what_its_authors_say_it_sees(minilm: OnnxEncoder) -> None:
    # https://sbert.net/docs/quickstart.html; the weights here have 8 bits.
    texts = [
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    ]
    vectors = minilm.encode(texts)
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert vectors @ vectors.T == pytest.approx(np.array(published), abs=0.01)
    assert minilm.dim == 384


def test_minilm_keeps_what_an_embedder_promises(minilm: OnnxEncoder) -> None:
    check_embedder(minilm)


@pytest.mark.slow
def test_semantic_finds_a_plain_event_with_the_model_that_the_environment_names(
    minilm: OnnxEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert from_environment() is None
    monkeypatch.setenv("PHOSPHO_EMBEDDINGS_FOLDER", str(minilm._folder))
    semantic = load_detectors(Plugins(entry_points=False))["semantic"]
    assert isinstance(semantic, SemanticDetector)
    sorry = event("The assistant apologised")
    said = ["I am so sorry about this, I apologise.", "Your train leaves at noon."]
    found = semantic.detect([turn("Hello", answer) for answer in said], [sorry])
    assert [(d.detected, d.embedder) for d in found] == [(True, minilm.id), (False, minilm.id)]


@pytest.mark.parametrize("has_kinds", [False, True], ids=["two inputs", "kinds of tokens"])
def test_a_vector_is_the_mean_of_those_of_its_tokens(tmp_path: Path, has_kinds: bool) -> None:
    write_folder(tmp_path, has_kinds=has_kinds)
    extra = KINDS[0] if has_kinds else 0
    long, short = embed(tmp_path, " ".join(QUESTION), "No")
    assert long == pytest.approx(unit(vectors_of(*QUESTION).mean(axis=0) + extra), abs=1e-3)
    assert short == pytest.approx(unit(vectors_of("no").mean(axis=0) + extra), abs=1e-3)


@pytest.mark.parametrize(
    ("config", "pool"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, lambda v: v[0]),
        ({"pooling_mode": "cls"}, lambda v: v[0]),
        ({"pooling_mode_mean_tokens": True}, lambda v: v.mean(axis=0)),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, lambda v: v.mean(axis=0)),
        ({"pooling_mode": "mean", "include_prompt": True}, lambda v: v.mean(axis=0)),
        ({"word_embedding_dimension": DIM}, lambda v: v.mean(axis=0)),
        ([], lambda v: v.mean(axis=0)),
    ],
)
def test_a_model_says_how_it_pools(
    tmp_path: Path,
    config: object,
    pool: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> None:
    write_folder(tmp_path, settings={"1_Pooling/config.json": config})
    expected = unit(pool(vectors_of(*QUESTION)))
    assert embed(tmp_path, "no", " ".join(QUESTION))[1] == pytest.approx(expected, abs=1e-3)


def test_a_graph_that_pools_is_believed(tmp_path: Path) -> None:
    modules = [{"type": "sentence_transformers.models.Dense"}]
    write_folder(tmp_path, outputs="pooled", settings={"modules.json": modules})
    all_tokens = vectors_of("thank", "you")
    # The mean of what each means, less what each knows of the others.
    expected = unit(all_tokens.sum(axis=0) / (len(all_tokens) + 1))
    assert embed(tmp_path, "thank you")[0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"sentence_bert_config.json": {"max_seq_length": 4}}, 2),
        ({"config.json": {"max_position_embeddings": 5}}, 3),
        ({"config.json": {"max_position_embeddings": 100_000}}, 510),
        ({"sentence_bert_config.json": {"max_seq_length": None}}, 254),
        ({"sentence_bert_config.json": ["max_seq_length"]}, 254),
        ({}, 254),
    ],
    ids=str,
)
def test_a_text_is_cut_where_the_model_ends(
    tmp_path: Path, said: dict[str, object], kept: int
) -> None:
    write_folder(tmp_path, settings=said)
    vector = embed(tmp_path, "no " * kept + "thank you " * 200)[0]
    assert vector == pytest.approx(unit(vectors_of(*["no"] * kept).mean(axis=0)), abs=1e-3)


def test_shorter_texts_are_filled_up_with_the_token_of_the_model(tmp_path: Path) -> None:
    told: list[NDArray[np.int64]] = []
    encoder = loaded(write_folder(tmp_path, settings={"config.json": {"pad_token_id": 1}}))
    assert encoder._model is not None
    session = encoder._model._session

    class Watched:
        def run(self, outputs: list[str], given: dict[str, NDArray[np.int64]]) -> object:
            told.append(given["input_ids"])
            return session.run(outputs, given)

    encoder._model._session = Watched()
    encoder.encode(["no", "thank you"])
    assert told[0].tolist() == [[2, 10, 3, 1], [2, 8, 9, 3]]


@pytest.mark.parametrize("is_quantized", [False, True], ids=["plain", "quantized"])
def test_it_keeps_what_an_embedder_promises(tmp_path: Path, is_quantized: bool) -> None:
    check_embedder(OnnxEncoder(write_folder(tmp_path, is_quantized=is_quantized)))


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "quantized"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("small"), is_quantized=request.param)


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(st.text() | st.sampled_from(["no " * 300, "thank you", "where"])))
def test_any_text_has_its_vector_whatever_else_is_encoded(small: Path, texts: list[str]) -> None:
    together = loaded(small).encode(texts)
    one_by_one = loaded(small)
    assert together.shape == (len(texts), DIM)
    for text, vector in zip(texts, together, strict=True):
        assert one_by_one.encode([text])[0] == pytest.approx(vector, abs=2e-3)
        assert np.linalg.norm(vector) == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize(
    "name", ["model.onnx", "onnx/model.onnx", "onnx/model_quantized.onnx", "model_qint8_avx2.onnx"]
)
def test_a_model_is_found_where_the_hub_has_it(tmp_path: Path, name: str) -> None:
    assert embed(write_folder(tmp_path, name=name), "no").shape == (1, DIM)


def test_of_several_models_the_one_called_model_is_used(tmp_path: Path) -> None:
    write_folder(tmp_path, name="onnx/model.onnx")
    (tmp_path / "onnx" / "model_O4.onnx").write_bytes(b"not used")
    assert embed(tmp_path, "no").shape == (1, DIM)


def test_the_id_names_the_folder_and_not_where_it_is(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "small")
    first = OnnxEncoder(folder).id
    assert first.startswith("onnx/small/")
    (folder / "README.md").write_text("About it", encoding="utf-8")
    assert OnnxEncoder(shutil.copytree(folder, tmp_path / "elsewhere" / "small")).id == first


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.onnx", "other weights"),
        ("model.onnx_data", "more weights"),
        ("tokenizer.json", "{}"),
        ("1_Pooling/config.json", '{"pooling_mode": "cls"}'),
        ("sentence_bert_config.json", '{"max_seq_length": 64}'),
    ],
)
def test_the_id_changes_with_what_makes_other_vectors(
    tmp_path: Path, name: str, content: str
) -> None:
    first = OnnxEncoder(write_folder(tmp_path)).id
    write(name, content)(tmp_path)
    assert OnnxEncoder(tmp_path).id != first


def test_a_folder_that_was_mended_is_read_and_named_anew(tmp_path: Path) -> None:
    encoder = OnnxEncoder(tmp_path / "small")
    with pytest.raises(DetectorError):
        encoder.encode(["no"])
    write_folder(tmp_path / "small")
    encoder.encode(["no"])
    assert (encoder.id, encoder.dim) == (OnnxEncoder(tmp_path / "small").id, DIM)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (shutil.rmtree, r"There is no folder .*small\. Check PHOSPHO_EMBEDDINGS_FOLDER"),
        (remove("tokenizer.json"), r"has no tokenizer\.json\. Copy it"),
        (remove("model.onnx"), r"has no model\.onnx, neither there nor in onnx/\. Copy it"),
        (write("model.onnx", ""), r"model that cannot be run: .*\. Copy it again"),
        (write("model.onnx", "<html>404"), r"model that cannot be run: .*\. Copy it again"),
        (write("tokenizer.json", "{}"), r"model that cannot be run: .*\. Copy it again"),
        (write("config.json", "{"), r"has a config\.json that cannot be read: .*\. Copy it again"),
        (
            write("1_Pooling/config.json", '{"pooling_mode_lasttoken": true}'),
            "one vector of many by lasttoken. Export it",
        ),
        (
            write("modules.json", '[{"type": "sentence_transformers.models.Dense"}]'),
            "one vector of many by mean and Dense. Export it",
        ),
    ],
)
def test_a_folder_that_cannot_be_used_says_what_to_do(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(write_folder(tmp_path / "small"))
    encoder = OnnxEncoder(tmp_path / "small")
    assert encoder.encode([]).shape == (0, 0)
    with pytest.raises(DetectorError, match=said):
        encoder.encode(["no"])


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(
        ["config.json", "sentence_bert_config.json", "1_Pooling/config.json", "modules.json"]
    ),
    said=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SETTINGS, inner, max_size=3),
    ),
)
def test_whatever_the_settings_say_the_folder_is_read(
    settings_folder: Path, name: str, said: object
) -> None:
    write(name, json.dumps(said))(settings_folder)
    files = read_folder(settings_folder)
    assert 3 <= files.max_tokens <= 512
    assert files.pooling
    write(name, "{}")(settings_folder)


def test_several_models_are_no_choice(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, name="onnx/model_O1.onnx")
    write_folder(tmp_path, name="onnx/model_O2.onnx")
    with pytest.raises(DetectorError, match=r"model_O1\.onnx, .*Call the one to use model\.onnx"):
        embed(folder, "no")


def test_a_model_that_wants_more_than_text_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, also_wants="pixels")
    with pytest.raises(DetectorError, match=r"cannot be run: .*pixels"):
        embed(folder, "no")


@pytest.mark.parametrize("package", ["onnxruntime", "tokenizers"])
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"{package}.*phospho\[onnx\]"):
        embed(write_folder(tmp_path), "no")


def test_a_folder_goes_before_an_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOSPHO_EMBEDDINGS_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("PHOSPHO_EMBEDDINGS_MODEL", "m")
    monkeypatch.setenv("PHOSPHO_EMBEDDINGS_FOLDER", str(write_folder(tmp_path)))
    semantic = load_detectors(Plugins(entry_points=False))["semantic"]
    assert isinstance(semantic, SemanticDetector)
    assert isinstance(semantic.embedder, OnnxEncoder)


def test_a_folder_that_cannot_be_used_is_not_replaced_by_the_built_in_embedder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOSPHO_EMBEDDINGS_FOLDER", str(tmp_path / "small"))
    semantic = load_detectors(Plugins(entry_points=False))["semantic"]
    with pytest.raises(DetectorError, match="There is no folder"):
        run_detector(semantic, [turn("Thanks")], [event("The user thanked the assistant")])


def test_naming_a_folder_loads_nothing_until_it_is_needed(tmp_path: Path) -> None:
    program = (
        "import sys; from phospho.detectors import builtin; "
        "print(builtin.phospho_register_embedders()[-1].id); "
        "print([m for m in ('numpy', 'onnxruntime', 'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PHOSPHO_EMBEDDINGS_FOLDER": str(write_folder(tmp_path / "small"))},
    )
    assert done.stdout.split("\n")[0].startswith("onnx/small/")
    assert done.stdout.split("\n")[1] == "[]"


def test_the_model_runs_on_one_thread(tmp_path: Path) -> None:
    model = loaded(write_folder(tmp_path))._model
    assert model is not None
    chosen = model._session.get_session_options()
    assert (chosen.intra_op_num_threads, chosen.inter_op_num_threads) == (1, 1)
