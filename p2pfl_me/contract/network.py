"""The section `model`: the network, its backbone's weights, its input and its classes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from p2pfl_me.contract.part import Part

CASME2_CLASSES = ("disgust", "fear", "happiness", "others", "repression", "sadness", "surprise")


class Weights(Part):
    """Where the frozen backbone comes from.

    `seed`: drawn from the contract's seed, so that everything runs offline (a random backbone learns less).
    `imagenet`: torchvision's set, downloaded by torchvision or found in its cache.
    `file`: a user's file, whose SHA-256 stands here, so that all peers have the same one; each names its own
    copy with `--weights`.
    """

    source: Literal["seed", "imagenet", "file"] = "seed"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _digest_of_file(self) -> Weights:
        if (self.source == "file") != (self.sha256 is not None):
            raise ValueError("`sha256` goes with `source: file`, and only with it (sha256sum FILE prints it)")
        return self


class Model(Part):
    """The founding paper's network: VGG16 convolutions, Flatten, Dropout, Dense 128, Dropout, Dense K."""

    backbone: Literal["vgg16"] = "vgg16"
    weights: Weights = Weights()
    input: Literal["image", "flow"] = "image"
    input_size: Literal[64] = 64
    trainable: Literal["head", "block5"] = "head"
    classes: Annotated[tuple[str, ...], Field(min_length=2)] = CASME2_CLASSES

    @model_validator(mode="after")
    def _classes_differ(self) -> Model:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"a class stands twice in {list(self.classes)}")
        return self
