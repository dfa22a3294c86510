"""A ready, commented contract of any kind, as text: what `p2pme topology new` writes and `topologies/` holds.

Comments belong to keys, so they stay where they are whatever values are put in. Nothing is written to disk here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import yaml

from p2pfl_me.contract.load import apply_overrides
from p2pfl_me.contract.members import BASE_PORT
from p2pfl_me.contract.model import CASME2_CLASSES, Member
from p2pfl_me.contract.source import Source
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.kind import fitting_protocol
from p2pfl_me.topology.directed import plan_of
from p2pfl_me.topology.kind import TOPOLOGIES
from p2pfl_me.topology.reach import seating

WIDTH = 112

MODEL: Mapping[str, Any] = {
    "backbone": "vgg16",
    "weights": {"source": "seed"},
    "input": "flow",
    "trainable": "head",
    "classes": list(CASME2_CLASSES),
}
TRAINING: Mapping[str, Any] = {
    "rounds": 100,
    "local_epochs": 2,
    "batch_size": 32,
    "learning_rate": 0.001,
    "class_weights": "balanced",
}
"""Values that all ready contracts share, so that runs of two of them differ only in their graph."""

STAYS_S = 600
"""`gossip.hand_out` that a contract between labs states: a line that fell just before the end may be back by then."""

SMALL, MASKED, PARTED, NBAFL, PEMFL = "small", "masks", "submodels", "nbafl", "pemfl"
_NOISED = (
    "model.backbone={kind: ststnet, normalisation: group}",
    "training={rounds: 20, local_epochs: 1, batch_size: 16, learning_rate: 0.003, class_weights: none}",
)
"""What stands noise, of few clips: a network without batch normalisation, few rounds to pay for, no class weights."""
RECIPES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    # Peers with few clips take few steps a round, and a ring mixes those too slowly; as in docs/measurements.md.
    SMALL: (
        "exponential",
        ("model.backbone=ststnet", "training.rounds=60", "training.dropout=0.2", "training.augment=mirror"),
    ),
    MASKED: ("regular", ("privacy.exchange=masks",)),
    PARTED: ("regular", ("privacy.exchange={kind: submodels, parts: 2}",)),
    NBAFL: (
        "regular",
        (*_NOISED, "privacy={noise: {kind: before_sharing, norm: 0.5, drawn: 5}, budget: {epsilon: 100}}"),
    ),
    PEMFL: (
        "regular",
        (
            *_NOISED,
            "gossip.protocol={kind: qg_dsgdm, momentum: 0.9}",
            "privacy={training: {kind: dp_sgd, unit: clip, norm: 1.0}, budget: {epsilon: 8}}",
        ),
    ),
}
"""Ready contracts that differ from the others in more than their graph: its kind, and what is set."""

_ABOUT: Mapping[str, tuple[str, ...]] = {
    NBAFL: (
        "After NbAFL (Wei et al., IEEE TIFS 2020): noise before sharing, five peers drawn at random a round.",
        "It hides all data of a lab: 2 norm for the sensitivity, where the paper takes 2 norm / samples.",
        "Costs: no bytes; of UF1 .67, with 309 real clips at ten peers, .39 is left, .30 with epsilon 8",
        "(means of two seeds, docs/privacy.md).",
    ),
    PEMFL: (
        "After PEMFL (Zhang et al., ISA Transactions 2021): momentum, noise and encryption. The momentum is",
        "quasi-global, as no server keeps it; the noise is DP-SGD's; instead of the paper's chaotic cipher the",
        "wire's AES-256-GCM, which is never off. Costs: no bytes, slower steps; of UF1 .67, with 309 real clips",
        "at ten peers, .36 is left (means of two seeds, docs/privacy.md).",
    ),
}
"""What a recipe follows and what it costs: lines at its file's top."""

_COMMENTS: Mapping[str, str] = {
    "seed": "every random draw of a run comes from it",
    "topology.center": "id of the peer in the middle",
    "topology.probability": "of each pair to be linked; 2 ln n / n when left out",
    "topology.seed": "another seed, another draw",
    "topology.rows": "rows * columns = number of peers",
    "topology.neighbours": "on the circle, half on each side",
    "topology.rewire": "chance of an edge to become a long link",
    "topology.degree": "neighbours of every peer",
    "topology.meets": "others that a peer exchanges with in one round, at most",
    "topology.sends": "others to whom a peer sends in one round",
    "topology.shifts": "random distances around the circle, drawn once",
    "topology.directed": "true: models go one way, and protocol push_sum is needed",
    "topology.edges": "each once, in any order",
    "peers.loopback": "all on this machine; elsewhere list `members` with id, address, public_key",
    "peers.members": "id, where the others reach it, and its public key",
    "peers.relays": "address and public_key of machines where members that only dial meet (`p2pme relay`)",
    "peers.loopback.base_port": "peer k listens on 127.0.0.1:(base_port + k)",
    "model.backbone: ststnet": "trained whole: 1,683 parameters for three classes, 7 kB a message",
    "training.augment": "each epoch takes a clip or its mirror image: expressions have no side",
    "model.weights": "source: seed draws the frozen layers from the seed, so that it runs offline;\n"
    "source: imagenet or file learns more",
    "model.input": "onset-to-apex optical flow; or image",
    "model.trainable: head": "263,175 numbers travel for seven classes; block5 adds the last convolutions",
    "model.classes": "labels, in the order of the outputs; a peer's data may lack some",
    "training.local_epochs": "between two exchanges",
    "gossip.hand_out": "seconds that a lab stays at its end where a neighbour is missing, to give it the final model",
    "gossip.protocol: dpsgd": "after every round each peer averages with its neighbours",
    "privacy": "what a neighbour may learn (docs/security.md)",
    "privacy.exchange.kind: masks": "the weighted sum of its neighbours' models, three at least, and no single one",
    "privacy.exchange.kind: submodels": "one part of the model, in every round the same, and never the rest",
    "privacy.exchange.parts": "so many, each of which reaches all by edges of its own",
    "model.backbone.normalisation": "by groups: variances of a batch would stand no noise",
    "gossip.protocol.kind: qg_dsgdm": "momentum of what came out of averaging, not of the own gradients",
    "privacy.training.unit": "whose presence is hidden: one clip's, or one subject's with all of their clips",
    "privacy.training.norm": "the most that one of them may add to a step",
    "privacy.noise.norm": "to which a round's change is cut before noise is laid over it",
    "privacy.noise.drawn": "so many peers train in a round, drawn for it; the others pass on what they mixed",
    "privacy.budget.epsilon": "for the whole run; who has spent it sends no more (docs/privacy.md)",
    "gossip.protocol: push_sum": "after every round each peer gives away shares of its model, and of a weight",
}
"""By key, or by key and value where what there is to say depends on it."""


def contract_text(
    kind: str,
    count: int | None = None,
    name: str | None = None,
    overrides: Sequence[str] = (),
    members: Sequence[Member] = (),
) -> str:
    """The YAML text of a contract of `kind` for `count` peers on loopback, checked to load and to be connected.

    Parameters
    ----------
    kind:
        A name in `TOPOLOGIES`, or of `RECIPES`: `small`, the small network, trained whole; `masks`, models that no
        neighbour sees; `nbafl` and `pemfl`, after papers.
    count:
        Number of peers; the kind's own default when None.
    overrides:
        `section.key=value` texts, as for `load_contract`.
    members:
        Peers at addresses of their own, by id, in place of `count` on loopback. Where two that can only dial would be
        neighbours, the graph is written as a list of edges in which none are, if there is such a seating. Where
        nothing in the contract is against it, they hand out their final model (`gossip.hand_out`).

    Raises
    ------
    ContractError
        The kind is unknown, an override is wrong, or the graph cannot be built.
    """
    if kind in RECIPES:
        graph, chosen = RECIPES[kind]
        text = contract_text(graph, count, name or kind, (*chosen, *overrides), members)
        return "".join(f"# {line}\n" for line in _ABOUT.get(kind, ())) + text
    if kind not in TOPOLOGIES:
        near = difflib.get_close_matches(kind, list(TOPOLOGIES), n=1, cutoff=0.5)
        fix = f"did you mean `{near[0]}`? " if near else ""
        raise ContractError(f"unknown topology kind `{kind}`", fix=f"{fix}known: {', '.join(TOPOLOGIES)}")
    about = TOPOLOGIES[kind]
    count = len(members) or (about.ready_count if count is None else count)
    options = about.example(count)
    values: dict[str, Any] = {
        "version": 1,
        "name": name or about.ready_file or kind,
        "seed": 1,
        "topology": {"kind": kind, **options},
        "peers": {"members": [member.model_dump(exclude_unset=True) for member in members]}
        if members
        else {"loopback": {"count": count, "base_port": BASE_PORT}},
        "model": dict(MODEL),
        "training": dict(TRAINING),
        "gossip": {"protocol": fitting_protocol(TOPOLOGIES.of(kind, **options))},
    }
    if edges := _apart(values, overrides, members):
        values["topology"] = {"kind": "edges", "edges": edges}
        overrides = [each for each in overrides if not each.startswith("topology.")]
    contract = apply_overrides(Source(f"new {kind}", values, {}), overrides)
    if members and "hand_out" not in contract.gossip.model_fields_set:
        with suppress(ContractError):  # compression, masks and widths leave no room for whole models
            contract = apply_overrides(Source(f"new {kind}", values, {}), [*overrides, f"gossip.hand_out={STAYS_S}"])
    plan_of(contract)
    given = contract.model_dump(mode="json", exclude_unset=True)
    if not contract.model.backbone.frozen:
        given["model"].pop("weights", None)  # there are no frozen layers for them
    topology = contract.topology
    head = [f"# {topology.kind}: {topology.summary}.", f"# Needs: {topology.needs}."]
    if edges:
        head = [f"# {kind}: {about.summary}, seated so that no two of those who only dial are neighbours."]
    return "\n".join([*head, *_lines(given, ())]) + "\n"


def _apart(values: Mapping[str, Any], overrides: Sequence[str], members: Sequence[Member]) -> list[list[int]]:
    """The edges of the graph that `values` ask for, with the members that only dial in places apart; none where they
    are apart already, no such seating is found, or the graph is more than a list of edges."""
    behind = [member.id for member in members if member.dial_only]
    if len(behind) < 2:
        return []
    alike = {**values, "peers": {"loopback": {"count": len(members)}}}
    contract = apply_overrides(Source("", alike, {}), [each for each in overrides if not each.startswith("peers.")])
    graph, plan = contract.topology, plan_of(contract)
    if graph.changes or graph.one_way or graph.own_weights:
        return []
    seats = seating(plan, behind)
    pairs = {(a, b) for a in range(plan.size) for b in plan.neighbours(a) if a < b}
    if seats is None or not any(a in behind and b in behind for a, b in pairs):
        return []
    sits = {seat: peer for peer, seat in enumerate(seats)}
    return [list(pair) for pair in sorted((min(sits[a], sits[b]), max(sits[a], sits[b])) for a, b in pairs)]


def _lines(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    indent = "  " * len(path)
    for key, value in values.items():
        here = (*path, key)
        comment = _COMMENTS.get(".".join(here), "")
        if not path and isinstance(value, dict):
            yield ""
        if isinstance(value, dict):
            above = comment.splitlines()
            yield from (f"{indent}# {line}" for line in above)
            yield f"{indent}{key}:"
            yield from _lines(value, here)
        elif isinstance(value, list):
            yield from _list_lines(indent, key, value, comment)
        else:
            text = _flow(value)
            comment = comment or _COMMENTS.get(f"{'.'.join(here)}: {text}", "")
            yield f"{indent}{key}: {text}" + (f"  # {comment}" if comment else "")


def _list_lines(indent: str, key: str, values: list[Any], comment: str) -> Iterator[str]:
    """On one line where it fits, otherwise wrapped between brackets."""
    words = [_flow(value) for value in values]
    if comment:
        yield f"{indent}# {comment}"
    single = f"{indent}{key}: [{', '.join(words)}]"
    if len(single) <= WIDTH:
        yield single
        return
    yield f"{indent}{key}: ["
    line = f"{indent} "
    for word in words:
        if len(line) + len(word) + 2 > WIDTH:
            yield line
            line = f"{indent} "
        line += f" {word},"
    yield line
    yield f"{indent}]"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
