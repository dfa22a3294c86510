"""The section `model`: the network, its backbone's weights, its input and its classes."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from p2pfl_me.choice import Conflict, Part
from p2pfl_me.contract.label_maps import LABEL_MAPS, LabelMap
from p2pfl_me.contract.preprocess import Input, Preprocess

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


class LabelMapping(Part):
    """The label map that all peers read their data sets with; its name alone is short for name and digest."""

    name: Literal["megc3", "megc2019", "paper4", "paper7", "casme2_5"]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or given.get("sha256") is not None or not isinstance(given.get("name"), str):
            return given
        name = given["name"]
        if name not in LABEL_MAPS:  # alone: that there is no digest either would be a second, false complaint
            near = difflib.get_close_matches(name, list(LABEL_MAPS), n=1, cutoff=0.5)
            fix = f"did you mean `{near[0]}`? " if near else ""
            raise Conflict(f"there is no label map `{name}`", f"{fix}known: {', '.join(LABEL_MAPS)}")
        return {**given, "sha256": LABEL_MAPS[name].sha256}

    @model_validator(mode="after")
    def _same_table(self) -> LabelMapping:
        if self.sha256 != self.table.sha256:
            raise ValueError(
                f"label map {self.name} is another table in this version ({self.table.sha256[:16]}...): "
                "take the version of p2pfl_me that the other peers have"
            )
        return self

    @property
    def table(self) -> LabelMap:
        return LABEL_MAPS[self.name]


class Model(Part):
    """The founding paper's network: VGG16 convolutions, Flatten, Dropout, Dense 128, Dropout, Dense K.

    Other backbones are for comparison.
    """

    backbone: Literal["vgg16", "resnet18", "mobilenet_v3_small"] = "vgg16"
    weights: Weights = Weights()
    input: Input = Input.IMAGE
    input_size: Literal[64] = 64
    preprocess: Preprocess = Preprocess()
    trainable: Literal["head", "block5"] = "head"
    label_map: LabelMapping | None = None
    classes: Annotated[tuple[str, ...], Field(min_length=2)] = CASME2_CLASSES

    @model_validator(mode="before")
    @classmethod
    def _classes_of_the_map(cls, value: Any) -> Any:
        """With a label map the classes are the map's, and need not be written."""
        if not isinstance(value, dict) or "classes" in value:
            return value
        given = value.get("label_map")
        name = given.get("name") if isinstance(given, dict) else given
        table = LABEL_MAPS.get(name) if isinstance(name, str) else None
        return {**value, "classes": table.classes} if table else value

    @field_validator("input", mode="before")
    @classmethod
    def _apex_is_image(cls, value: Any) -> Any:
        """Of a folder of frames `image` has always been the apex frame: two names, one meaning, one digest."""
        return Input.IMAGE if value == "apex" else value

    @model_validator(mode="after")
    def _block5_is_vggs(self) -> Model:
        if self.trainable == "block5" and self.backbone != "vgg16":
            raise ValueError(f"trainable: block5 is VGG16's fifth block; with {self.backbone} train the head")
        return self

    @model_validator(mode="after")
    def _classes_differ(self) -> Model:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"a class stands twice in {list(self.classes)}")
        return self

    @model_validator(mode="after")
    def _classes_are_the_maps(self) -> Model:
        if self.label_map and self.classes != self.label_map.table.classes:
            named = ", ".join(self.label_map.table.classes)
            raise ValueError(
                f"the classes of label map {self.label_map.name} are {named}, in this order: leave them out"
            )
        return self
