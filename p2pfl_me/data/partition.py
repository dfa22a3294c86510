"""Dealing training subjects to the peers of a local swarm. A subject is only ever at one peer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract.model import Partition
from p2pfl_me.counting import many
from p2pfl_me.data.manifest import Clip
from p2pfl_me.errors import DataError

Shards = tuple[tuple[Clip, ...], ...]


def partition(clips: Sequence[Clip], peers: int, rule: Partition, seed: int) -> Shards:
    """One tuple of clips per peer, none empty.

    `subject` deals subjects so that the peers' numbers of clips are alike; `dataset` gives each peer subjects of one
    data set as far as the numbers allow; `dirichlet` draws the peers' shares of the subjects from Dirichlet(alpha): the
    smaller alpha, the more unequal; `labels` does so for each class's clips, as nearly as whole subjects allow.

    Raises
    ------
    DataError
        More peers than subjects.
    """
    subjects: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        subjects[clip.subject].append(clip)
    if not subjects:
        fix = "give rows the split `train`, or leave the column empty"
        raise DataError("no clip is left to train on: every row is for testing or validation", fix=fix)
    if peers > len(subjects):
        raise DataError(
            f"{many(len(subjects), 'training subject')} cannot be dealt to {peers} peers",
            fix=f"use at most {many(len(subjects), 'peer')} (`swarm`: --set peers.loopback.count={len(subjects)}; "
            f"`compare`, `evaluate`, `data split`: --peers {len(subjects)}), or bring more subjects",
        )
    random = np.random.default_rng(derive_seed(seed, "partition"))
    names = [sorted(subjects)[index] for index in random.permutation(len(subjects))]
    if rule.by == "dirichlet":
        hands = _by_share(names, random.dirichlet([rule.alpha] * peers).tolist())
    elif rule.by == "labels":
        hands = _by_labels(names, subjects, random.dirichlet([rule.alpha] * peers, len(_labels(clips))))
    elif rule.by == "dataset":
        hands = _by_dataset(names, subjects, peers)
    else:
        hands = _balanced(names, subjects, peers)
    return tuple(tuple(clip for name in sorted(hand) for clip in subjects[name]) for hand in hands)


def with_validation(shards: Shards, clips: Sequence[Clip]) -> Shards:
    """Deal validation subjects, evenly, each to a peer that trains on the subject's data set where there is one."""
    subjects: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        subjects[clip.subject].append(clip)
    held = [{clip.dataset for clip in shard} for shard in shards]
    out = [list(shard) for shard in shards]
    loads = [0] * len(shards)
    for own in subjects.values():
        its_own = [peer for peer, datasets in enumerate(held) if own[0].dataset in datasets]
        peer = min(its_own or range(len(shards)), key=lambda peer: loads[peer])
        out[peer] += own
        loads[peer] += len(own)
    return tuple(map(tuple, out))


def _balanced(names: Sequence[str], subjects: dict[str, list[Clip]], peers: int) -> list[list[str]]:
    """Largest first, each to the peer with the fewest clips: sizes differ by one subject at most."""
    hands: list[list[str]] = [[] for _ in range(peers)]
    loads = [(0, peer) for peer in range(peers)]
    for name in sorted(names, key=lambda name: -len(subjects[name])):
        load, peer = min(loads)
        hands[peer].append(name)
        loads[peer] = (load + len(subjects[name]), peer)
    return hands


def _by_dataset(names: Sequence[str], subjects: dict[str, list[Clip]], peers: int) -> list[list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[subjects[name][0].dataset].append(name)
    datasets = sorted(groups, key=lambda name: (-len(groups[name]), name))
    if peers <= len(datasets):
        hands: list[list[str]] = [[] for _ in range(peers)]
        for position, dataset in enumerate(datasets):
            hands[position % peers] += groups[dataset]
        return hands
    shares = dict.fromkeys(datasets, 1)
    for _ in range(peers - len(datasets)):
        # The next peer goes to the data set with the most clips per peer that has a subject to spare.
        free = [name for name in datasets if shares[name] < len(groups[name])]
        clips = {name: sum(len(subjects[subject]) for subject in groups[name]) for name in free}
        shares[max(free, key=lambda name: clips[name] / shares[name])] += 1
    return [hand for name in datasets for hand in _balanced(groups[name], subjects, shares[name])]


def _by_share(names: Sequence[str], shares: Sequence[float]) -> list[list[str]]:
    """One subject each, the rest by largest remainder of the shares."""
    peers, rest = len(shares), len(names) - len(shares)
    exact = np.asarray(shares) * rest
    counts = np.floor(exact).astype(int)
    for peer in np.argsort(counts - exact, kind="stable")[: rest - counts.sum()]:
        counts[peer] += 1
    bounds = np.concatenate([[0], np.cumsum(counts + 1)])
    return [list(names[bounds[peer] : bounds[peer + 1]]) for peer in range(peers)]


def _by_labels(
    names: Sequence[str], subjects: dict[str, list[Clip]], shares: npt.NDArray[np.float64]
) -> list[list[str]]:
    """Subjects stay whole, so shares (classes, peers) are met as nearly as they allow.

    The largest first, each to the peer whose clips by class it brings nearest to its shares (sum of
    squares); the last ones go to peers that have none yet.
    """
    labels = _labels([clip for own in subjects.values() for clip in own])
    counts = {
        name: np.array([sum(clip.label == label for clip in own) for label in labels]) for name, own in subjects.items()
    }
    lacking = shares.T * sum(counts.values())
    hands: list[list[str]] = [[] for _ in range(shares.shape[1])]
    order = sorted(names, key=lambda name: -len(subjects[name]))
    for place, name in enumerate(order):
        empty = [peer for peer, hand in enumerate(hands) if not hand]
        free = empty if len(empty) == len(order) - place else range(len(hands))
        # (d - c)^2 - d^2 of a peer that lacks d: what giving it c changes.
        change = (counts[name] * (counts[name] - 2 * lacking)).sum(axis=1)
        peer = min(free, key=lambda peer: (change[peer], peer))
        hands[peer].append(name)
        lacking[peer] -= counts[name]
    return hands


def _labels(clips: Sequence[Clip]) -> list[str]:
    return sorted({clip.label for clip in clips})
