"""An exported file says what PyTorch says, names itself, holds no address, and is not written when it is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from p2pfl_me.cli.main import cli
from p2pfl_me.contract import contract_from_yaml, digest
from p2pfl_me.deploy import export as room
from p2pfl_me.deploy.export import export_model
from p2pfl_me.errors import DataError, RunError, WeightsError
from p2pfl_me.learning.onnx_file import Precision
from p2pfl_me.learning.recogniser import clip_scores, load_recogniser
from p2pfl_me.run.manifest import ManifestFile
from tests.data.make import picture, save
from tests.deploy.runs import pictures_run
from tests.learning.runs import TEXT, random_model, write_run

IMAGES = np.stack([picture(seed, 64) for seed in range(5)])
MEMBERS = TEXT.replace(
    "{loopback: {count: 3}}",
    "{members: [" + ", ".join(
        f"{{id: {k}, address: 'tcp://lab-{k}.example:4710{k}', public_key: '{'A' * 42}{k}='}}" for k in range(3)
    ) + "]}",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three laboratories, and `new/model.onnx`, its average."""
    folder = tmp_path_factory.mktemp("export")
    ManifestFile(pictures_run(folder, agreed := contract_from_yaml(MEMBERS)), agreed).warn("drawn faces")
    exported(folder, "new/model.onnx")
    return folder


@pytest.fixture(scope="module")
def int8(folder: Path) -> Path:
    """Peer 1's model in few bits, of the same run."""
    done = exported(folder, "int8.onnx", "--int8", "--peer", "1", "--max-loss", "1", "--json")
    path, told = folder / "int8.onnx", json.loads(done.stdout)
    assert told["checked"]["clips"] == 6 and told["precision"] == "int8" and told["warnings"] == ["drawn faces"]
    assert told["file"] == str(path) and told["bytes"] == path.stat().st_size and Path(told["card"]).is_file()
    return path


def exported(folder: Path, name: str, *options: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P2PME_HOME", str(folder))
        done = CliRunner().invoke(cli, ["export", str(folder / "run"), "-o", str(folder / name), *options])
    assert done.exception is None and "checked on 6 clips of 2 subjects" in done.output, done.output
    return done


@pytest.mark.thorough
def test_the_float_file_is_pytorchs_average(folder: Path) -> None:
    path = folder / "new" / "model.onnx"
    file, run = load_recogniser(path, home=folder), load_recogniser(folder / "run", home=folder)
    np.testing.assert_allclose(file.scores(IMAGES), run.scores(IMAGES), atol=1e-4)
    assert file.scores(IMAGES[:1]).shape == (1, 3) and file.scores(IMAGES[:0]).shape == (0, 3)
    assert file.classes == run.classes
    assert file.contract.model == run.contract.model
    assert file.warnings == run.warnings == ("drawn faces",)


@pytest.mark.thorough
def test_the_int8_file_is_one_peers_and_small(folder: Path, int8: Path) -> None:
    file, run = load_recogniser(int8, home=folder), load_recogniser(folder / "run", peer=1, home=folder)
    assert np.abs(file.scores(IMAGES) - run.scores(IMAGES)).max() < 0.1
    assert int8.stat().st_size < 0.3 * (folder / "new" / "model.onnx").stat().st_size
    kinds = {node.op_type for node in onnx.load(str(int8)).graph.node}
    assert "QuantizeLinear" in kinds


@pytest.mark.thorough
def test_the_command_predicts_with_either(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2PME_HOME", str(folder))
    image = save(folder / "face.png", picture(7, 64))
    said = []
    for model in (folder / "new" / "model.onnx", folder / "run"):
        table = (
            CliRunner().invoke(cli, ["predict", "--as-it-is", str(model), str(image)], catch_exceptions=False).stdout
        )
        found = (
            CliRunner()
            .invoke(cli, ["predict", "--as-it-is", str(model), str(image), "--json"], catch_exceptions=False)
            .stdout
        )
        said.append(json.loads(found))
        assert said[-1].pop("model_warnings") == ["drawn faces"]
        assert table.splitlines()[0] == f"{image} (image): {said[-1]['class']}" and len(table.splitlines()) == 4
    assert said[0]["probabilities"] == pytest.approx(said[1]["probabilities"], abs=1e-4)


@pytest.mark.thorough
def test_the_file_says_what_it_is_and_not_where_the_peers_are(folder: Path) -> None:
    says_what_it_is(folder / "new" / "model.onnx", "float32", "average")


@pytest.mark.thorough
def test_so_does_the_small_file(int8: Path) -> None:
    says_what_it_is(int8, "int8", "peer 1")


def says_what_it_is(path: Path, precision: str, model: str) -> None:
    content = path.read_bytes()
    said = {each.key: each.value for each in onnx.load_from_string(content).metadata_props}
    assert json.loads(said["classes"]) == ["negative", "positive", "surprise"]
    assert said["precision"] == precision and model in said["model"]
    assert said["contract_digest"] == digest(contract_from_yaml(MEMBERS)).hex()
    assert json.loads(said["preprocess"])["input"] == "image"
    assert b"lab-1.example" not in content and b"A" * 42 not in content


@pytest.mark.thorough
def test_a_file_that_disagrees_is_not_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, out = folder / "run", folder / "refused.onnx"

    def the_averages(network: object, agreed: object, source: str, path: Path, *said: object) -> None:
        shutil.copyfile(folder / "new" / "model.onnx", path)

    monkeypatch.setattr(room, "write_onnx", the_averages)
    with pytest.raises(WeightsError, match="is not written: ONNX Runtime's probabilities differ"):
        export_model(run, out, peer=1, home=folder)
    assert not out.exists()
    export_model(run, out, home=folder)
    assert out.read_bytes() == (folder / "new" / "model.onnx").read_bytes()


def test_lost_scores_refuse_a_small_file(tmp_path: Path) -> None:
    found = room.Agreement(clips=80, subjects=9, difference=0.2, changed=3, uf1_torch=0.70, uf1_onnx=0.68)
    with pytest.raises(WeightsError, match=r"loses 0\.020 UF1 on 80 clips"):
        room._refuse_disagreement(found, Precision.INT8, 0.01, tmp_path / "m.onnx")
    room._refuse_disagreement(found, Precision.INT8, 0.03, tmp_path / "m.onnx")


@pytest.mark.thorough
def test_what_cannot_be_exported_or_loaded_is_named(folder: Path, tmp_path: Path) -> None:
    agreed = contract_from_yaml(TEXT)
    bare = write_run(tmp_path / "bare", agreed, {0: random_model(agreed, 0)})
    with pytest.raises(DataError, match="left no list of clips"):
        export_model(bare, tmp_path / "m.onnx", home=folder)
    with pytest.raises(RunError, match=r"no contract\.yaml"):
        export_model(tmp_path / "none", tmp_path / "m.onnx", home=folder)
    with pytest.raises(WeightsError, match="ONNX Runtime cannot compute"):
        load_recogniser(bare, runtime="onnx", home=folder)
    with pytest.raises(WeightsError, match="PyTorch cannot compute"):
        load_recogniser(folder / "new" / "model.onnx", runtime="torch", home=folder)
    with pytest.raises(WeightsError, match="holds one model"):
        load_recogniser(folder / "new" / "model.onnx", peer=0, home=folder)
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(WeightsError, match="not an exported model"):
        load_recogniser(tmp_path / "junk.onnx", home=folder)


def test_a_clips_scores_are_the_softmax_of_its_mean_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32) * 3

    def softmax(x: np.ndarray) -> np.ndarray:
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    np.testing.assert_allclose(clip_scores(softmax(logits)), softmax(logits.mean(axis=0)), atol=1e-6)
    assert np.isfinite(clip_scores(np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32))).all()
