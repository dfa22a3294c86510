"""The section `model`: the network, its backbone's weights, its input and its classes."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import Annotated, Any, Literal
from unicodedata import normalize

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, field_validator, model_validator

from p2pfl_me.choice import Conflict, Part
from p2pfl_me.contract.label_maps import LABEL_MAPS, LabelMap
from p2pfl_me.contract.preprocess import Input, Preprocess
from p2pfl_me.networks import NETWORKS, Layout, Network, Use

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


def _named(value: object) -> object:
    """`backbone: mlp` is short for `backbone: {kind: mlp}`."""
    given = {"kind": value} if isinstance(value, str) else value
    kind = given.get("kind") if isinstance(given, dict) else None
    if isinstance(kind, str) and kind not in NETWORKS:
        near = difflib.get_close_matches(kind, list(NETWORKS), n=1, cutoff=0.5)
        fix = f"did you mean `{near[0]}`? " if near else ""
        raise Conflict(f"there is no network `{kind}`", f"{fix}known: {', '.join(NETWORKS)}")
    if value == OWN:
        raise Conflict(
            "an own network is stated by its layout",
            "`p2pme network check FILE.py:FUNCTION` writes the section; a swarm takes --network FILE.py:FUNCTION",
        )
    return value if isinstance(value, Network) else NETWORKS.parse(value)


def _short(network: Network) -> object:
    """Its name alone where it has no options but the defaults, so that one network has one digest."""
    return {"kind": network.kind, **network.options} if network.options else network.kind


@lru_cache(maxsize=64)
def _layout(network: Network, use: Use) -> Layout:
    return network.layout(use)


Backbone = Annotated[Network, BeforeValidator(_named), PlainSerializer(_short)]
ANOTHER_NETWORK = "another network"
"""In the context of a validation: the user's own network will take the place of the one that is named."""
VGG16, OWN = NETWORKS.of("vgg16"), "own"


class Model(Part):
    """The network, its input and its classes; by default the founding paper's network.

    `backbone`: one of `networks/kinds`, by its name or with its options. `input_size` and `trainable` are the network's
    own where they are left out; `weights` are of frozen layers alone.
    """

    backbone: Backbone = VGG16
    weights: Weights = Weights()
    input: Input = Input.IMAGE
    input_size: int = VGG16.side
    preprocess: Preprocess = Preprocess()
    trainable: str = VGG16.trainables[0]
    label_map: LabelMapping | None = None
    classes: Annotated[tuple[str, ...], Field(min_length=2)] = CASME2_CLASSES

    @property
    def use(self) -> Use:
        """What of this section shapes the network."""
        return Use(len(self.classes), self.input_size, self.trainable)

    @property
    def layout(self) -> Layout:
        """How what is trained and sent lies in the vector: 263,175 values for VGG16's head with seven classes."""
        return _layout(self.backbone, self.use)

    @property
    def input_width(self) -> int:
        """Values of one row of the bank: what the frozen layers hand to the trained ones, or an image."""
        return self.backbone.inputs(self.use)

    @model_validator(mode="before")
    @classmethod
    def _as_the_network_is(cls, value: Any) -> Any:
        """Input size and trained part are the network's own where nothing else is said."""
        if not isinstance(value, dict) or "backbone" not in value:
            return value
        named = value["backbone"]
        kind = named.get("kind") if isinstance(named, dict) else getattr(named, "kind", named)
        if not isinstance(kind, str) or kind not in NETWORKS:
            return value
        network = named if isinstance(named, Network) else NETWORKS[kind]
        own = {"input_size": network.side, "trainable": network.trainables[0]}
        return {**{key: its for key, its in own.items() if its != cls.model_fields[key].default}, **value}

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
    def _fits_the_network(self, info: ValidationInfo) -> Model:
        network = self.backbone
        if info.context and info.context.get(ANOTHER_NETWORK):
            return self
        if self.trainable not in network.trainables:
            known = " or ".join(network.trainables)
            raise Conflict(
                f"of {network} is trained {known}, not `{self.trainable}`",
                f"write model.trainable: {known}, or leave it out",
            )
        if refusal := network.refusal(self.input_size):
            raise Conflict(
                f"{network} {refusal}, not of {self.input_size}",
                f"leave model.input_size out: its own is {network.side}",
            )
        if not network.frozen and self.weights != Weights():
            raise Conflict(
                f"{network} is trained whole, and has no frozen layers for model.weights", "leave model.weights out"
            )
        return self

    @model_validator(mode="after")
    def _classes_are_names(self) -> Model:
        for name in self.classes:
            if name != name.strip() or not name.isprintable() or not any(map(str.isalnum, name)):
                raise ValueError(f"a class is a word or several, on one line, and {name!r} is none")
        return self

    @model_validator(mode="after")
    def _classes_differ(self) -> Model:
        if len({" ".join(normalize("NFKC", name).casefold().split()) for name in self.classes}) != len(self.classes):
            raise ValueError(f"a class stands twice in {list(self.classes)}, or in two spellings")
        return self

    @model_validator(mode="after")
    def _classes_are_the_maps(self) -> Model:
        if self.label_map and self.classes != self.label_map.table.classes:
            named = ", ".join(self.label_map.table.classes)
            raise ValueError(
                f"the classes of label map {self.label_map.name} are {named}, in this order: leave them out"
            )
        return self
