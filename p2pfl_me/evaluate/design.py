"""What an evaluation is: the request, and all that follows from it before anything is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from p2pfl_me import __version__
from p2pfl_me.cluster.place import HERE, Place
from p2pfl_me.contract import Contract
from p2pfl_me.data.clip import Clip, Manifest
from p2pfl_me.data.drawn import drawn_words
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.data.preprocess.said import images_words
from p2pfl_me.data.trained_on import read_kept_trained_on, seen_of
from p2pfl_me.data.vectors import is_vectors
from p2pfl_me.engines import EngineName
from p2pfl_me.errors import ContractError, DataError
from p2pfl_me.evaluate.dealing import BY_DATASET, count_peers, deal, with_peers
from p2pfl_me.evaluate.folds import Split, make_split
from p2pfl_me.evaluate.gossiping import engine_of
from p2pfl_me.evaluate.holdout import LEAK, HoldOut
from p2pfl_me.evaluate.items import Items, clips_digest, features_digest, read_clips, read_items
from p2pfl_me.evaluate.units import Unit, peers_left, units_of
from p2pfl_me.learning.device import pick_device
from p2pfl_me.learning.features import Progress
from p2pfl_me.learning.origin import network_words
from p2pfl_me.learning.trainer import Labels, Samples
from p2pfl_me.networks.kinds.own import Own
from p2pfl_me.simulation.lockstep_device import can_be_stacked
from p2pfl_me.simulation.lockstep_rounds import CPU, is_plain
from p2pfl_me.topology import plan_of

AUTO, AUTO_CHOICES = "auto", (BY_DATASET, "10", "4", "2")
"""One data set a peer where there are several, else as many peers as the subjects allow."""
Dealt = Mapping[int, Mapping[str, Labels]]
"""Whose each item is, by seed and pool."""


@dataclass(frozen=True, slots=True)
class Request:
    """What `p2pme evaluate` was asked for; `peers` is "dataset", a number, or "auto" for what the clips allow.

    `place` is where units are done, by `jobs` processes if it is this machine, or by its GPU: `device` is "auto",
    "cpu" or "cuda". `read` are the clips of `data`, if they have been read already. With a `target`, a UF1, gossip
    peers are asked after every round, for what it costs to get there.
    """

    contract: Contract
    protocol: HoldOut
    peers: str
    out: Path
    home: Path
    data: Path | None = None
    weights: Path | None = None
    seeds: int = 3
    folds: int = 5
    jobs: int = 1
    place: Place = HERE
    device: str = "cpu"
    subjects_leak: bool = False
    rules: IdentityRules = ASK
    target: float | None = None
    read: Manifest | None = field(default=None, repr=False)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        return tuple(range(self.contract.seed, self.contract.seed + self.seeds))


@dataclass(frozen=True, eq=False)
class Design:
    """`contract` has the peers' number; `items` are those of the first seed, `dealt` by seed and pool.

    `clips` is the digest of the clips alone, `features` that of what the network makes of them. `digest` covers
    contract, clips, features, folds and dealing: results belong together only under one digest. `seen` says which clips
    the weights were trained on, if any; `known`, whether their file says what they were trained on. `given` are all
    clips as they were read, once. `device` is where all models are trained, side by side if it is no processor.
    """

    request: Request
    contract: Contract
    items: Items = field(repr=False)
    split: Split = field(repr=False)
    dealt: Dealt = field(repr=False)
    clips: str
    features: str
    digest: str
    seen: str
    known: bool
    given: tuple[Clip, ...] = field(repr=False)
    device: torch.device = CPU

    @property
    def engine(self) -> EngineName:
        return engine_of(self.contract)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why the results are no measure of recognition, in words that stand on every page, picture and table."""
        leak = LEAK if self.split.protocol.leaks else ""
        return tuple(filter(None, (leak, self.seen, drawn_words(self.items.clips))))

    @property
    def origin_unknown(self) -> bool:
        """Whether nobody can say what the weights were trained on."""
        weights, network = self.contract.model.weights, self.contract.model.backbone
        return isinstance(network, Own) or (network.frozen and weights.source == "file" and not self.known)

    def split_text(self) -> str:
        """The folds as JSON, by subjects: known before anything is trained."""
        return _split_text(self.split, self.items.clips)

    @property
    def network(self) -> str:
        """Where the weights come from that nobody trained here."""
        vectors = all(is_vectors(clip.path) for clip in self.items.clips)
        return network_words(self.contract, self.request.weights, self.request.all_seeds, of_vectors=vectors)

    @property
    def images(self) -> str:
        """What was done to the clips before the network saw them."""
        return images_words(self.items.clips, recipe_of(self.contract.model))

    def of_seed(self, seed: int) -> Contract:
        return self.contract.model_copy(update={"seed": seed})

    def units(self) -> list[Unit]:
        return [unit for seed in self.request.all_seeds for unit in units_of(self.split, self.dealt[seed], seed)]


def make_design(
    request: Request,
    cache: Path,
    progress: Progress | None = None,
    preparing: Progress | None = None,
    on_split: Callable[[str], None] | None = None,
) -> Design:
    """Read the clips, draw the folds, deal the peers; features of the first seed are computed where they are missing.

    `on_split` is called with the split's text before images and features, which take the time; of samples that are
    dealt one by one nothing is known till then.

    Raises
    ------
    ContractError, DataError
        The clips, the protocol, the topology or the number of peers cannot be.
    """
    _require_consent(request)
    clips = read_clips(request.contract, request.data, cache, request.rules, request.read)
    drawn = None if request.protocol.leaks else _drawn(request, clips)
    if drawn and on_split:
        on_split(_split_text(drawn[0], clips))
    items = read_items(
        request.contract,
        clips,
        request.protocol,
        cache=cache,
        weights=request.weights,
        device=request.device if request.place.here else "cpu",
        progress=progress,
        preparing=preparing,
    )
    split, request, contract, dealt = drawn or _drawn(request, items.clips)
    found, features = clips_digest(clips), features_digest(items)
    values = {
        "p2pme": __version__,
        "contract": contract.model_dump(mode="json"),
        "split": split.digest(),
        "clips": found,
        "features": features,
        "peers": request.peers,
    }
    device = _device_of(request, contract, items)
    if device.type != "cpu":
        values["device"] = device.type  # its rounding is another one
    if request.target is not None:
        values["course"] = "every round"  # finished folds without one cannot say what a score cost
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    record = read_kept_trained_on(request.contract.model.weights, request.weights, cache)
    seen = seen_of(record, clips).words() if record else ""
    known = record is not None
    return Design(request, contract, items, split, dealt, found, features, digest, seen, known, clips, device)


def _device_of(request: Request, contract: Contract, items: Items) -> torch.device:
    """Where the models are trained: on a GPU that is there or asked for, if all that they need is written for it.

    Raises
    ------
    ContractError, DataError
        The GPU was asked for, and is not there or cannot do it.
    """
    device = pick_device(request.device)
    if device.type == "cpu":
        return CPU
    if not request.place.here:
        what, fix = "units are done by the processors of a cluster's nodes", "leave --on out"
    elif request.target is not None:
        what, fix = "models are asked after every round by the processor", "leave --target out"
    elif engine_of(contract) != "lockstep" or not is_plain(contract) or not contract.gossip.aggregation.follows_w:
        what, fix = "the contract does more than plain averages in rounds", "take `gossip: {protocol: dpsgd}` alone"
    elif not can_be_stacked(contract, [Samples(items.samples)]):
        what, fix = f"nobody has written {contract.model.backbone} for models side by side", "take ststnet"
    else:
        return device
    if request.device == "auto":
        return CPU
    raise ContractError(f"no GPU can do that: {what}", where="--device", fix=f"{fix}, or take --device cpu")


def _split_text(split: Split, clips: Sequence[Clip]) -> str:
    return json.dumps(split.to_json(clips), indent=1) + "\n"


def _drawn(request: Request, clips: Sequence[Clip]) -> tuple[Split, Request, Contract, Dealt]:
    """The folds and whose each clip is; `clips` are those of the items."""
    split = make_split(clips, request.protocol, folds=request.folds, seed=request.contract.seed)
    return split, *_dealt(request, clips, split)


def _dealt(request: Request, clips: Sequence[Clip], split: Split) -> tuple[Request, Contract, Dealt]:
    """The peers and whose each item is; what `AUTO` stands for is the first of its choices that gives all company."""
    if request.peers == AUTO:
        *first, last = AUTO_CHOICES
        for wanted in first:
            with suppress(ContractError, DataError):
                return _dealt(replace(request, peers=wanted), clips, split)
        return _dealt(replace(request, peers=last), clips, split)
    contract = with_peers(_to_the_last_round(request.contract), count_peers(clips, split, request.peers))
    plan_of(contract)
    dealt = {
        seed: deal(contract.model_copy(update={"seed": seed}), clips, split, request.peers)
        for seed in request.all_seeds
    }
    _require_company(split, dealt)
    return request, contract, dealt


def _to_the_last_round(contract: Contract) -> Contract:
    """Without a stop rule: no epoch is chosen."""
    return contract.model_copy(update={"gossip": contract.gossip.model_copy(update={"patience": None})})


def _require_company(split: Split, dealt: Dealt) -> None:
    for peer_of in dealt.values():
        for fold in split.folds:
            if (left := len(peers_left(fold, peer_of[fold.pool]))) < 2:
                raise DataError(
                    f"without {fold.name} only {left} peer has clips left: nobody to gossip with",
                    where=f"--protocol {split.protocol}",
                    fix="deal the clips to more peers, as --peers 4",
                )


def _require_consent(request: Request) -> None:
    if request.protocol.leaks and not request.subjects_leak:
        raise DataError(
            f"random samples are held out under `{request.protocol}`, so that {LEAK} from training into the test",
            where="--protocol",
            fix="take loso or kfold; if the leak itself is what you want to show, add --subjects-leak",
        )
    if request.subjects_leak and not request.protocol.leaks:
        raise DataError(
            f"no subject leaks under `{request.protocol}`", where="--subjects-leak", fix="leave the flag out"
        )
