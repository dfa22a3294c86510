"""The frozen half: where its weights come from, the cache of its output, and the mended import of torchvision."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.numpy import save_file
from torch.torch_version import TorchVersion

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.data.row_cache import RowCache
from p2pfl_me.errors import WeightsError
from p2pfl_me.learning.architectures import architecture_of
from p2pfl_me.learning.backbone import load_backbone
from p2pfl_me.learning.features import feature_rows, frozen_layers, normalise
from p2pfl_me.learning.vision import torchvision_models
from p2pfl_me.learning.weight_files import CHANNELS, KERAS, read_weights

Image = npt.NDArray[np.uint8]
VGG16 = architecture_of("vgg16")


def contract(*overrides: str) -> Contract:
    text = "version: 1\nname: t\ntopology: {kind: ring}\npeers:\n  loopback: {count: 3}\n"
    return contract_from_yaml(text, overrides=overrides)


@pytest.fixture(scope="module")
def tensors() -> dict[str, npt.NDArray[np.float32]]:
    random = np.random.default_rng(0)
    return {name: random.standard_normal(shape, dtype=np.float32) for name, shape in VGG16.shapes.items()}


def as_pth(path: Path, tensors: dict[str, npt.NDArray[np.float32]]) -> None:
    whole = {f"features.{name}": torch.from_numpy(value) for name, value in tensors.items()}
    torch.save({**whole, "classifier.0.bias": torch.zeros(3)}, path)


def as_safetensors(path: Path, tensors: dict[str, npt.NDArray[np.float32]]) -> None:
    save_file(dict(tensors), path)


def as_keras(path: Path, tensors: dict[str, npt.NDArray[np.float32]]) -> None:
    with h5py.File(path, "w") as file:
        for (index, _, _), layer in zip(CHANNELS, KERAS, strict=True):
            file[f"{layer}/{layer}/kernel:0"] = tensors[f"{index}.weight"].transpose(2, 3, 1, 0)
            file[f"{layer}/{layer}/bias:0"] = tensors[f"{index}.bias"]


def as_old_keras(path: Path, tensors: dict[str, npt.NDArray[np.float32]]) -> None:
    with h5py.File(path, "w") as file:
        for (index, _, _), layer in zip(CHANNELS, KERAS, strict=True):
            file[f"{layer}/{layer}_W_1:0"] = tensors[f"{index}.weight"].transpose(2, 3, 1, 0)
            file[f"{layer}/{layer}_b_1:0"] = tensors[f"{index}.bias"]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("name", "write"),
    [("w.pth", as_pth), ("w.safetensors", as_safetensors), ("w.h5", as_keras), ("old.h5", as_old_keras)],
)
def test_every_format_gives_the_same_weights(
    tmp_path: Path, tensors: dict[str, npt.NDArray[np.float32]], name: str, write: Callable[..., None]
) -> None:
    path = tmp_path / name
    write(path, tensors)
    found = read_weights(path, VGG16)
    for key, value in tensors.items():
        np.testing.assert_array_equal(found[key], value)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    agreed = contract(f"model.weights={{source: file, sha256: '{digest}'}}")
    kept = load_backbone(agreed, cache=tmp_path, weights=path)
    np.testing.assert_array_equal(kept.tensors["28.weight"], tensors["28.weight"])
    other = contract(f"model.weights={{source: file, sha256: '{'0' * 64}'}}")
    with pytest.raises(WeightsError, match="the contract names 0000"):
        load_backbone(other, cache=tmp_path, weights=path)
    assert load_backbone(agreed, cache=tmp_path).digest == kept.digest, "once read, the cache has it"
    (tmp_path / "new").mkdir()
    with pytest.raises(WeightsError, match="none was named"):
        load_backbone(agreed, cache=tmp_path / "new")


def test_files_that_are_no_vgg16_are_named(tmp_path: Path, tensors: dict[str, npt.NDArray[np.float32]]) -> None:
    few = {name: value for name, value in tensors.items() if name != "5.bias"}
    save_file(few, tmp_path / "few.safetensors")
    save_file({**tensors, "5.bias": np.zeros(3, np.float32)}, tmp_path / "odd.safetensors")
    save_file({**tensors, "5.bias": np.full(128, np.nan, np.float32)}, tmp_path / "nan.safetensors")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    (tmp_path / "junk.h5").write_bytes(b"junk")
    for name, says in [
        ("few.safetensors", "features.5.bias` is missing"),
        ("odd.safetensors", r"has shape \(3,\)"),
        ("nan.safetensors", "NaN"),
        ("junk.pth", "cannot be read"),
        ("junk.h5", "cannot be read"),
        ("weights.onnx", "unknown ending"),
    ]:
        with pytest.raises(WeightsError, match=says):
            read_weights(tmp_path / name, VGG16)


def test_a_torch_whose_reader_runs_code_reads_no_state_dict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip installs none so old; another installer may have."""
    torch.save({}, tmp_path / "w.pth")
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.5.1+cu121"))
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(WeightsError, match=r"(?s)torch 2\.5\.1.* can be made to run code.*2\.6"):
        read_weights(tmp_path / "w.pth", VGG16)


def test_a_pth_that_is_no_state_dict_is_told_in_our_words(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("hello, these are weights\n")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    for name in ("text.pth", "module.pth", "list.pth"):
        with pytest.raises(WeightsError, match="no state dict") as caught:
            read_weights(tmp_path / name, VGG16)
        said = str(caught.value)
        assert "weights_only" not in said and "torch.save(model.state_dict()" in said and len(said) < 400
    with pytest.raises(WeightsError, match="No such file"):
        read_weights(tmp_path / "nowhere.pth", VGG16)


def test_the_seeded_backbone_is_the_seeds_and_private(tmp_path: Path) -> None:
    one, again = (load_backbone(contract(), cache=tmp_path) for _ in range(2))
    other = load_backbone(contract("seed=2"), cache=tmp_path)
    assert one.digest == again.digest != other.digest
    weights = one.tensors["14.weight"]
    assert abs(float(weights.std()) - np.sqrt(2 / (256 * 9))) < 1e-3
    assert np.abs(weights.mean(axis=(1, 2, 3))).max() < 1e-6, "filters that sum to zero"
    files = list(tmp_path.glob("backbone-*.safetensors"))
    assert len(files) == 2 and all(file.stat().st_mode & 0o777 == 0o600 for file in files)


def pictures(count: int) -> list[Image]:
    return [np.random.default_rng(k).integers(0, 256, (64, 64, 3), dtype=np.uint8) for k in range(count)]


@pytest.mark.few(1)
@pytest.mark.parametrize(("trainable", "width"), [("head", 2048), ("block5", 8192)])
def test_a_feature_is_computed_once_and_kept(tmp_path: Path, trainable: str, width: int) -> None:
    agreed = contract(f"model.trainable={trainable}")
    images = pictures(5)
    computed: list[int] = []

    def loader(index: int) -> Callable[[], Image]:
        def load() -> Image:
            computed.append(index)
            return images[index]

        return load

    pairs = [(bytes([index]) * 32, loader(index)) for index in range(5)]
    bank, rows = feature_rows(agreed, pairs[:3], cache=tmp_path, device="cpu")
    bank, rows = feature_rows(agreed, [pairs[4], *pairs[:3], pairs[4]], cache=tmp_path, device="cpu")
    assert sorted(computed) == [0, 1, 2, 4]
    assert bank.shape == (4, width) and rows[0] == rows[4]
    with torch.no_grad():
        layers = frozen_layers(load_backbone(agreed, cache=tmp_path), trainable)
        direct = layers(normalise(np.stack(images[:3]))).flatten(1).numpy()
    np.testing.assert_allclose(bank[rows[1:4]], direct, rtol=1e-3, atol=1e-5)
    files = [path for path in tmp_path.glob("features-*") if path.suffix != ".lock"]
    assert len(files) == 2 and all(path.stat().st_mode & 0o777 == 0o600 for path in files)


def test_a_torn_write_is_harmless(tmp_path: Path) -> None:
    cache = RowCache(tmp_path, "f", (4,), "<f4")
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    with cache.writing():
        cache.append([b"a" * 32, b"b" * 32], rows[:2])
    with (tmp_path / "f.rows").open("ab") as file:
        file.write(b"half a row")
    with (tmp_path / "f.keys").open("ab") as file:
        file.write(b"half a key")
    assert cache.index() == {b"a" * 32: 0, b"b" * 32: 1}
    with cache.writing():
        cache.append([b"c" * 32], rows[2:])
    assert cache.index()[b"c" * 32] == 2
    np.testing.assert_array_equal(cache.bank(), rows)


IMPORT = """
import torch

lib = torch.library.Library("torchvision", "DEF")
lib.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
lib.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from p2pfl_me.learning import vision

models = vision.torchvision_models()
from torchvision.transforms import v2

with torch.device("meta"):  # no memory is filled with numbers that nobody reads
    network = models.vgg16(weights=None)
print(sum(p.numel() for p in network.features.parameters()), len(vision._declared))
"""


def test_torchvision_imports_beside_this_build_of_torch() -> None:
    models = torchvision_models()
    from torchvision.transforms import v2  # noqa: F401

    with torch.device("meta"):
        network = models.vgg16(weights=None)
    assert sum(p.numel() for p in network.features.parameters()) == 14_714_688 and torchvision_models() is models


@pytest.mark.thorough
def test_where_the_operator_is_there_already_nothing_is_declared_over_it() -> None:
    """As beside a matching build of torch."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["14714688", "0"], done.stderr
