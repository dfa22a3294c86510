"""A finished evaluation as its files tell it: `card.json` for scores and costs, `predictions.csv` for paired tests.

They may be another lab's, or damaged: what a table needs of them is declared, and nothing is believed beyond that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import ConfigDict

from p2pfl_me.errors import RunError
from p2pfl_me.evaluate.answers import numbered, tally
from p2pfl_me.evaluate.folder import ANSWERS, CARD, is_evaluation
from p2pfl_me.files import read_regular, read_text
from p2pfl_me.learning.metrics import Counts
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.numbers import Row, csv_rows
from p2pfl_me.run.declare import STRICT, Whole, validated

SAME = {"clips": "other clips", "split": "other folds"}
"""Digests that evaluations in one table share, and what it means where they don't."""


@dataclass(frozen=True, slots=True)
class Uf1:
    """An arm's score over all data sets; no interval where the clips are of one subject."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Scored:
    """What an arm scores; None where nobody was asked."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    uf1: Uf1 | None


@dataclass(frozen=True, slots=True)
class Reached:
    """The round after which the target was reached, and what a peer had spent by then: bytes and seconds."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    round: Whole
    sent: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Values that travel and bytes of a message, None where they differ from one to the next; what the target cost."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    values: Whole
    message_bytes: Whole | None
    target: float | None = None
    reached: Reached | None = None


@dataclass(frozen=True, slots=True)
class Items:
    """What was asked about; `support` counts each data set's items by class."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    items: Whole
    subjects: Whole
    support: Mapping[str, Mapping[str, Whole]]


@dataclass(frozen=True, slots=True)
class Card:
    """The part of a run card (`card.run_card`) that stands in a table beside others."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT
    warnings: tuple[str, ...]
    digests: Mapping[str, str]
    data: Items
    protocol: str
    folds: Whole
    seeds: tuple[Whole, ...]
    peers: Whole
    cost: Cost
    shared_arm: Arm
    own_peers: Mapping[str, Mapping[str, Whole]]
    seconds_of_work: float
    scores: Mapping[str, Scored]
    network: str = ""
    """What it is, and where the weights come from that nobody trained there; empty where its card is older."""


@dataclass(frozen=True, eq=False)
class Finished:
    """One evaluation. `counts` are those of the shared arm by model and subject, by seed."""

    name: str
    card: Card = field(repr=False)
    counts: dict[int, Counts] = field(repr=False)

    def score(self, arm: Arm) -> Uf1 | None:
        """None where nobody was asked."""
        found = self.card.scores.get(arm)
        return found.uf1 if found else None

    @property
    def gossip(self) -> Uf1 | None:
        """Of the models that gossip made; where parts stay home, of each subject's own peer."""
        return self.score(self.card.shared_arm)

    @property
    def alone(self) -> Uf1 | None:
        """Of the models that shared nothing, asked likewise."""
        own = self.card.shared_arm is Arm.GOSSIP_OWN_PEER
        return self.score(Arm.ISOLATED_OWN_PEER if own else Arm.ISOLATED)


def read_finished(folders: Sequence[Path], names: Sequence[str]) -> list[Finished]:
    """Evaluations of the same clips and folds, under `names` that are told apart.

    Raises
    ------
    RunError
        A folder holds none, its files are not what an evaluation writes, or two are of other clips or folds.
    """
    found: list[Finished] = []
    for folder, name in zip(folders, names, strict=True):
        repeats = sum(each.name.partition(" #")[0] == name for each in found)
        found.append(_finished(folder, f"{name} #{repeats + 1}" if repeats else name))
        for digest, what in SAME.items():
            if found[-1].card.digests[digest] != found[0].card.digests[digest]:
                raise RunError(
                    f"is an evaluation on {what} than {folders[0]}: their scores say nothing about each other",
                    where=str(folder),
                    fix="evaluate both on the same clips with the same --protocol and --folds",
                )
    return found


def _finished(folder: Path, name: str) -> Finished:
    if not is_evaluation(folder):
        raise RunError(
            "no finished evaluation lies here", where=str(folder), fix="name the --out folder of `p2pme evaluate`"
        )
    path, fix = folder / CARD, "give the evaluation's command again with the same --out; what is finished is kept"
    try:
        card = validated(Card, read_regular(path), "card")
        if lacking := SAME.keys() - card.digests.keys():
            raise ValueError(f"digests lack {', '.join(sorted(lacking))}")
        path = folder / ANSWERS
        return Finished(name, card, _counts(card, csv_rows(read_text(path))))
    except RunError as error:
        what = error.what
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, StopIteration) as error:
        what = repr(error)
    raise RunError(f"cannot be read ({what}): damaged, or by another version", where=str(path), fix=fix)


def _counts(card: Card, rows: Sequence[Row]) -> dict[int, Counts]:
    """Confusions of the gossip peers by model and subject; where parts stay home, of the subject's own peer."""
    who = [f"{row['dataset']}\x1f{row['subject']}" for row in rows]
    items, keys = numbered([f"{one}\x1f{row['clip']}" for one, row in zip(who, rows, strict=True)])
    classes = list(next(iter(card.data.support.values())))
    true, subject = np.zeros(len(keys), dtype=np.int64), np.zeros(len(keys), dtype=np.int64)
    group, names = numbered(who)
    predicted: dict[int, dict[int, list[tuple[int, int]]]] = {}
    for row, item, own in zip(rows, items.tolist(), group.tolist(), strict=True):
        true[item], subject[item] = classes.index(row["label"]), own
        if row["arm"] == Arm.GOSSIP:
            peer = int(row["peer"])
            if not 0 <= peer < card.peers:
                raise ValueError(f"peer {peer} of {card.peers}")
            of_seed = predicted.setdefault(int(row["seed"]), {})
            of_seed.setdefault(peer, []).append((item, classes.index(row["predicted"])))
    out = {}
    for seed, peers in predicted.items():
        models = np.full((max(peers) + 1, len(keys)), -1)
        for peer, answers in peers.items():
            at, said = zip(*answers, strict=True)
            models[peer, list(at)] = said
        if card.shared_arm is Arm.GOSSIP_OWN_PEER:
            asked = np.array([card.own_peers[str(seed)][names[own]] for own in subject])
            models = models[asked, np.arange(len(keys))][None]
        out[seed] = tally(models, true, subject, len(names), len(classes))
    return out
