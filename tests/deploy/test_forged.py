"""A model's file that was cut, changed or made of parts that do not belong together is refused, and so is what it gives
where that is no probability."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper

from p2pfl_me.console.words import in_words
from p2pfl_me.data.manifest import write_manifest
from p2pfl_me.data.reading import read_clips
from p2pfl_me.deploy.clips import export_clips, require_strangers
from p2pfl_me.deploy.export import Agreement
from p2pfl_me.errors import DataError, P2pmeError, WeightsError
from p2pfl_me.learning.onnx_file import save_described
from p2pfl_me.learning.onnx_seal import is_whole, sealed
from p2pfl_me.learning.recogniser import load_recogniser
from p2pfl_me.learning.run_models import UNKNOWN, final_params, run_warnings, whose
from p2pfl_me.run.events import Data
from p2pfl_me.run.manifest import ManifestFile
from tests.deploy.runs import pictures_run
from tests.learning.runs import contract, random_model, write_run
from tests.run.making import log, start

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3), dtype=np.uint8)
Change = Callable[[Any], None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model.onnx`, as an export writes it but for the network, whose classes are the means of the colours."""
    folder = tmp_path_factory.mktemp("forged")
    agreed = contract("model.backbone=ststnet", "model.input_size=28", "model.trainable=all")
    nodes = [
        helper.make_node("Cast", ["images"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 28, 28, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.eye(3, dtype=np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    save_described(model, agreed, "run r, peer 0", folder / "model.onnx", ("drawn faces",))
    assert load_recogniser(folder / "model.onnx", home=folder).scores(IMAGES).shape == (3, 3)
    return folder


def forged(folder: Path, to: Path, change: Change, **said: str | None) -> Path:
    """The folder's model with other metadata or another graph, under a digest of its own."""
    model = onnx.load(str(folder / "model.onnx"))
    known = {each.key: each.value for each in model.metadata_props if each.key != "sha256"} | said
    del model.metadata_props[:]
    helper.set_model_props(model, {key: value for key, value in known.items() if value is not None})
    change(model)
    to.write_bytes(sealed(model.SerializeToString()))
    return to


def with_model(folder: Path, **values: object) -> str:
    """The contract that the file tells, with another model."""
    (text,) = (e.value for e in onnx.load(str(folder / "model.onnx")).metadata_props if e.key == "contract")
    told = yaml.safe_load(text)
    told["model"].update(values)
    return yaml.safe_dump(told)


def nothing(model: Any) -> None:
    pass


def gives(operation: str, kind: int, shape: list[object], **options: object) -> Change:
    """What the network gives goes through one more operation."""

    def change(model: Any) -> None:
        last = model.graph.output[0].name
        model.graph.node.append(helper.make_node(operation, [last], ["other"], **options))
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info("other", kind, shape))

    return change


def of_nan(model: Any) -> None:
    for each in model.graph.initializer:
        values = numpy_helper.to_array(each)
        if values.dtype == np.float32 and values.size > 4:
            each.CopyFrom(numpy_helper.from_array(np.full_like(values, np.nan), each.name))


def another_input(model: Any) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def test_every_byte_of_a_file_counts(folder: Path, tmp_path: Path) -> None:
    data = (folder / "model.onnx").read_bytes()
    assert is_whole(data)
    assert [each.key for each in onnx.load_from_string(data).metadata_props][-1] == "sha256"
    places = np.random.default_rng(1).choice(len(data), 60, replace=False).tolist()
    for place in (0, len(data) - 1, *places):
        assert not is_whole(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]), place
    assert not is_whole(data + b"\0") and not is_whole(b"") and is_whole(data[:-1]) is None
    (tmp_path / "cut.onnx").write_bytes(data[: len(data) // 2])
    (tmp_path / "bit.onnx").write_bytes(data.replace(b"positive", b"negative"))
    for name, says in (("cut", "no digest stands at its end"), ("bit", "was changed after it was written")):
        with pytest.raises(WeightsError, match=says):
            load_recogniser(tmp_path / f"{name}.onnx", home=folder)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"contract": None}, "was not written by p2pme"),
        ({"warnings": None}, "was not written by p2pme"),
        ({"warnings": '"drawn faces"'}, "no list of words"),
        ({"warnings": '{"a": 1}'}, "no list of words"),
        ({"warnings": "[3]"}, "no list of words"),
        ({"warnings": '["\\u001b[2J"]'}, "no list of words"),
        ({"warnings": "[" * 100_000}, "not an exported model"),
    ],
)
def test_what_a_file_does_not_say_is_not_made_up(
    folder: Path, tmp_path: Path, said: dict[str, str | None], says: str
) -> None:
    with pytest.raises(WeightsError, match=says):
        load_recogniser(forged(folder, tmp_path / "m.onnx", nothing, **said), home=folder)


@pytest.mark.parametrize(
    "values",
    [{"classes": ["a", "b"]}, {"classes": ["a", "b", "c", "d"]}, {"input_size": 32}, {"backbone": "vgg16"}],
)
def test_a_contract_beside_weights_of_another_shape_is_refused(
    folder: Path, tmp_path: Path, values: dict[str, object]
) -> None:
    path = forged(folder, tmp_path / "m.onnx", nothing, contract=with_model(folder, **values))
    with pytest.raises(P2pmeError):
        load_recogniser(path, home=folder)


@pytest.mark.parametrize(
    "change",
    [
        another_input,
        gives("Cast", TensorProto.DOUBLE, ["n", 3], to=TensorProto.DOUBLE),
        gives("Cast", TensorProto.INT64, ["n", 3], to=TensorProto.INT64),
        gives("ArgMax", TensorProto.INT64, ["n", 1], axis=1),
        gives("ReduceMax", TensorProto.FLOAT, ["n", 1], keepdims=1),
        gives("ReduceMax", TensorProto.FLOAT, ["n", "k"], keepdims=1),
        gives("ReduceMean", TensorProto.FLOAT, [1, 3], keepdims=1, axes=[0]),
        gives("Neg", TensorProto.FLOAT, ["n", 3]),
        gives("Log", TensorProto.FLOAT, ["n", 3]),
        of_nan,
    ],
)
def test_what_takes_or_gives_something_else_names_no_class(folder: Path, tmp_path: Path, change: Change) -> None:
    with pytest.raises(WeightsError, match=r"than its contract says|no probabilities|not an exported model|gives \("):
        load_recogniser(forged(folder, tmp_path / "m.onnx", change), home=folder).scores(IMAGES)


@pytest.mark.parametrize("name", [b"n", b"images", b"probabilities"])
def test_names_that_are_no_text_are_refused_as_no_export(folder: Path, tmp_path: Path, name: bytes) -> None:
    """ONNX Runtime reads them as bytes, and Python, later, as text."""
    data = (folder / "model.onnx").read_bytes()
    whole = data[: -len(sealed(b""))]
    length = bytes([len(name)])
    spoiled = whole.replace(length + name, length + b"\xc3" * len(name))
    assert spoiled != whole
    (tmp_path / "m.onnx").write_bytes(sealed(spoiled))
    with pytest.raises(WeightsError, match=r"not an exported model|cannot be computed"):
        load_recogniser(tmp_path / "m.onnx", home=folder).scores(IMAGES)


def test_a_checkpoint_is_believed_of_its_own_peer_whole_and_as_it_was_written(tmp_path: Path) -> None:
    agreed = contract()
    good = {peer: random_model(agreed, peer) for peer in (0, 1)}
    for name in ("swapped", "changed", "folder", "link"):
        write_run(tmp_path / name, agreed, good)
    first, second = (tmp_path / "swapped" / f"checkpoint-{peer}.safetensors" for peer in (0, 1))
    shutil.copy(second, first)
    torn = tmp_path / "changed" / "checkpoint-0.safetensors"
    data = torn.read_bytes()
    torn.write_bytes(data[:-4096] + bytes(4096))
    for name in ("folder", "link"):
        (tmp_path / name / "checkpoint-0.safetensors").unlink()
    (tmp_path / "folder" / "checkpoint-0.safetensors").mkdir()
    (tmp_path / "link" / "checkpoint-0.safetensors").symlink_to(tmp_path / "nowhere")
    for name, says in (
        ("swapped", "is the model of peer 1"),
        ("changed", "not written to its end, or changed since"),
        ("folder", "not a checkpoint"),
        ("link", "not a checkpoint"),
    ):
        with pytest.raises(WeightsError, match=says):
            final_params(tmp_path / name, agreed)


def test_finite_weights_that_give_nothing_are_told(tmp_path: Path) -> None:
    agreed = contract("model.backbone=ststnet", "model.input_size=28", "model.trainable=all")
    model = np.full_like(random_model(agreed, 0), 3e38)
    with pytest.raises(WeightsError, match="the model of t: gives numbers that are no probabilities"):
        load_recogniser(write_run(tmp_path / "run", agreed, {0: model}), home=tmp_path).scores(IMAGES)


def test_what_a_model_is_measured_on_is_compared_with_what_it_learned_from(tmp_path: Path) -> None:
    run = pictures_run(tmp_path)
    clips = read_clips(run / "shards" / "test.csv", None).clips
    learned = read_clips(run / "shards" / "peer-0.csv", None).clips
    strange = [replace(clip, subject="x/9", dataset="x") for clip in learned]
    again = [replace(clip, path=clips[0].path) for clip in learned]
    assert require_strangers(run, clips, tmp_path)
    for seen in (learned, strange, again, [*clips, strange[0]]):
        with pytest.raises(DataError, match="learned from subjects or pictures of"):
            require_strangers(run, seen, tmp_path)
    shutil.rmtree(run / "shards")
    assert not require_strangers(run, learned, tmp_path), "nobody can say"
    write_manifest(tmp_path / "data.csv", [replace(clip, split="train") for clip in clips] + [
        replace(clip, split="test") for clip in learned
    ])  # fmt: skip
    found = export_clips(contract(), run, tmp_path / "data.csv", tmp_path)
    agreement = Agreement(3, 1, 0.0, 0, 1.0, 1.0, found.strangers)
    assert "which clips it learned from, the run folder does not say" in agreement.of
    with pytest.raises(DataError, match="learned from subjects or pictures of 6 of the 6"):
        export_clips(contract(), pictures_run(tmp_path / "other"), tmp_path / "data.csv", tmp_path)


def test_what_a_peers_log_says_of_its_clips_goes_with_its_model(tmp_path: Path) -> None:
    agreed = contract()
    run = write_run(tmp_path / "run", agreed, {0: random_model(agreed, 0)})
    seen = "weights were trained on subjects of 2 of 2 scored clips"
    clips = Data(train=5, validation=1, test=1, subjects=2)
    drawn = replace(clips, drawn=3)
    for data, words in (
        (clips, ()),
        (drawn, ("drawn faces",)),
        (replace(clips, seen=seen), (seen,)),
        (replace(drawn, seen=seen), ("drawn faces", seen)),
    ):
        told = start(data=data)
        (run / "peer-0.jsonl").unlink(missing_ok=True)
        log(run, 0, told)
        assert run_warnings(run) == words
        assert in_words(told) is not None and all(each in str(in_words(told)) for each in words)
    (run / "manifest.json").write_text("{")
    assert run_warnings(run) == (UNKNOWN,), "a manifest that cannot be read may have said more"


def test_whose_model_it_is_and_what_it_learned_from_is_said_as_far_as_it_is_known(tmp_path: Path) -> None:
    agreed = contract()
    models = {peer: random_model(agreed, peer) for peer in range(3)}
    for there, words in (((0, 1, 2), "average of the peers"), ((0, 2), "average of 2 of 3 peers"), ((1,), "peer 1")):
        run = write_run(tmp_path / str(len(there)), agreed, {peer: models[peer] for peer in there})
        assert whose(run, agreed) == words
    assert whose(run, agreed, 1) == "peer 1"
    assert run_warnings(run) == (UNKNOWN,), "no manifest is no word that all is well"
    for text in ("[]", "{", json.dumps({"warnings": "x"}), "\xff"):
        (run / "manifest.json").write_text(text, encoding="latin-1")
        assert run_warnings(run) == (UNKNOWN,)
    manifest = ManifestFile(run, agreed)
    assert run_warnings(run) == ()
    manifest.warn("drawn faces")
    assert run_warnings(run) == ("drawn faces",)
