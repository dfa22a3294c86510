"""Other backbones by name: their sizes, their files, and seeded weights whose features tell clips apart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.numpy import save_file

from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError, WeightsError
from p2pfl_me.learning.architectures import architecture_of
from p2pfl_me.learning.backbone import load_backbone
from p2pfl_me.learning.features import feature_rows, frozen_layers, normalise
from p2pfl_me.learning.network import assemble
from p2pfl_me.learning.seeded import seeded_tensors
from p2pfl_me.learning.vision import torchvision_models
from p2pfl_me.learning.weight_files import read_weights
from p2pfl_me.networks.layers import HIDDEN
from tests.learning.runs import contract, random_model

NAMES = ("resnet18", "mobilenet_v3_small")
PUBLISHED = {"vgg16": 14_714_688, "resnet18": 11_176_512, "mobilenet_v3_small": 927_008}
"""Parameters without the classifier: torchvision's published totals less it."""
STILL = (124, 116, 104)


def of(name: str, *more: str) -> Contract:
    return contract(f"model.backbone={name}", *more)


@pytest.fixture(scope="module", params=NAMES)
def seeded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A backbone's name and a cache that holds it."""
    cache = tmp_path_factory.mktemp(request.param)
    load_backbone(of(request.param), cache=cache)
    return request.param, cache


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_sizes_are_torchvisions_and_the_layouts(name: str) -> None:
    architecture = architecture_of(name)
    layers = architecture.build()
    assert sum(p.numel() for p in layers.parameters()) == PUBLISHED[name]
    model = of(name).model
    with torch.device("meta"):
        out = layers.to("meta").eval()(torch.zeros(1, 3, 64, 64))
    assert out.shape[2:] == (2, 2) and out.numel() == model.input_width
    assert model.layout.size == model.input_width * HIDDEN + HIDDEN + 3 * HIDDEN + 3


def _quiet_motion(count: int) -> npt.NDArray[np.uint8]:
    """Flow images: still but for one soft blob that moves, somewhere else in each."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:64, 0:64]
    images = []
    for _ in range(count):
        row, column, right, down = random.uniform((14, 14, -60, -60), (50, 50, 60, 60))
        blob = np.exp(-((x - column) ** 2 + (y - row) ** 2) / 40)
        images.append(np.array(STILL) + np.stack([right * blob, down * blob, 20 * blob], axis=-1))
    return np.clip(images, 0, 255).astype(np.uint8)


@pytest.mark.thorough
def test_seeded_features_tell_clips_apart(seeded: tuple[str, Path]) -> None:
    name, cache = seeded
    layers = frozen_layers(load_backbone(of(name), cache=cache), "head")
    for images in (_quiet_motion(12), np.random.default_rng(1).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8)):
        with torch.no_grad():
            rows = layers(normalise(images)).flatten(1).numpy()
        assert np.isfinite(rows).all() and 0.001 < rows.std() < 20
        alike = np.corrcoef(rows)[~np.eye(len(rows), dtype=bool)]
        assert alike.mean() < 0.6, "features of different clips are not one and the same answer"


@pytest.mark.thorough
def test_seeded_weights_are_the_seeds() -> None:
    once, twice, other = (seeded_tensors(architecture_of("mobilenet_v3_small"), seed) for seed in (5, 5, 6))
    assert all((once[key] == twice[key]).all() for key in once)
    changed = {key for key in once if (once[key] != other[key]).any()}
    kernels = {key for key, value in once.items() if value.ndim == 4}
    assert changed == kernels | {key for key in once if key.endswith("running_var")}


@pytest.mark.few(1)
def test_the_assembled_network_is_the_features_and_the_head(seeded: tuple[str, Path]) -> None:
    name, cache = seeded
    agreed = of(name)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    bank, rows = feature_rows(agreed, [(b"a" * 32, lambda: image)], cache=cache, device="cpu")
    assert bank.shape == (1, agreed.model.input_width)
    params = random_model(agreed, 1)
    view = agreed.model.layout.views(params)
    hidden = np.maximum(view["dense1.weight"] @ bank[rows[0]] + view["dense1.bias"], 0)
    expected = view["dense2.weight"] @ hidden + view["dense2.bias"]
    with torch.no_grad():
        found = assemble(agreed, params, cache=cache)(normalise(image[None]))[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_the_whole_network_becomes_the_backbone(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    whole = getattr(torchvision_models(), name)(weights=None).eval()
    torch.save(whole.state_dict(), tmp_path / "whole.pth")
    digest = hashlib.sha256((tmp_path / "whole.pth").read_bytes()).hexdigest()
    agreed = of(name, f"model.weights={{source: file, sha256: '{digest}'}}")
    found = load_backbone(agreed, cache=tmp_path, weights=tmp_path / "whole.pth")
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        mine = frozen_layers(found, "head")(images).mean(dim=(2, 3))
        rest = whole.fc if name == "resnet18" else whole.classifier
        torch.testing.assert_close(rest(mine), whole(images), rtol=1e-4, atol=1e-5)
    few = {key: value for key, value in found.tensors.items() if not key.endswith("running_var")}
    save_file(dict(few), tmp_path / "few.safetensors")
    with pytest.raises(WeightsError, match=r"running_var` is missing[\s\S]*give the weights of a " + name):
        read_weights(tmp_path / "few.safetensors", architecture_of(name))
    (tmp_path / "keras.h5").write_bytes(b"")
    with pytest.raises(WeightsError, match="Keras files are read of VGG16 only"):
        read_weights(tmp_path / "keras.h5", architecture_of(name))


def test_block5_is_vggs_alone() -> None:
    with pytest.raises(ContractError, match="of resnet18 is trained head, not `block5`"):
        of("resnet18", "model.trainable=block5")
    with pytest.raises(ContractError, match="resnet18"):
        of("resnet19")


def test_vggs_seeded_weights_are_those_of_before(tmp_path: Path) -> None:
    """Runs of before other backbones go on with the same features."""
    assert load_backbone(contract(), cache=tmp_path).digest.hex().startswith("96bf080d7c892c7b")


def test_a_file_that_the_contract_does_not_take_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    with pytest.raises(WeightsError, match=r"source: seed[\s\S]*source: file, sha256: 9a129038d9a00aed") as caught:
        load_backbone(of("vgg16"), cache=tmp_path, weights=tmp_path / "mine.safetensors")
    assert "mine.safetensors" in str(caught.value)
    with pytest.raises(WeightsError, match="No such file"):
        load_backbone(of("vgg16"), cache=tmp_path, weights=tmp_path / "none.safetensors")
