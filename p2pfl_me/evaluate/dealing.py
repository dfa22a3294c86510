"""Whose clips are whose: one data set a peer, or a number of peers among whom the contract's rule deals subjects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import Loopback, Peers
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.partition import partition
from p2pfl_me.digits import whole
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate.folds import Split
from p2pfl_me.learning.trainer import Labels

BY_DATASET = "dataset"


def with_peers(contract: Contract, count: int) -> Contract:
    """The contract for `count` peers on loopback."""
    return contract.model_copy(update={"peers": Peers(loopback=Loopback(count=count))})


def count_peers(clips: Sequence[Clip], split: Split, wanted: str) -> int:
    """Peers of every pool: `wanted` is "dataset" or a number.

    Raises
    ------
    DataError
        Fewer than two, or not a number.
    """
    if wanted == BY_DATASET:
        counts = {len({clips[item].dataset for item in own}) for own in split.pools().values()}
        count, said = min(counts), "one data set a peer"
    else:
        if (peers := whole(wanted)) is None:
            raise DataError(f"`{wanted}` is no number of peers", where="--peers", fix="write `dataset`, or a number")
        count, said = peers, f"--peers {wanted}"
    if count < 2:
        raise DataError(f"{said} makes {count} peer: nobody to gossip with", where="--peers", fix="write --peers 4")
    return count


def deal(contract: Contract, clips: Sequence[Clip], split: Split, wanted: str) -> dict[str, Labels]:
    """The peer of every item in each pool, int64 (m,), -1 for items outside it.

    `clips` are those of the items; `contract` has the number of peers. Subjects are dealt before anything is held out,
    so a peer keeps its subjects from fold to fold. Under the frame split samples are dealt one by one, as a program
    cuts one data set into clients.

    Raises
    ------
    DataError
        More peers than subjects.
    """
    return {pool: _dealt(contract, clips, split, own, wanted) for pool, own in split.pools().items()}


def _dealt(contract: Contract, clips: Sequence[Clip], split: Split, own: Sequence[int], wanted: str) -> Labels:
    count = contract.peers.count
    found = np.full(len(clips), -1, dtype=np.int64)
    if wanted == BY_DATASET:
        datasets = sorted({clips[item].dataset for item in own})
        found[list(own)] = [datasets.index(clips[item].dataset) for item in own]
    elif split.protocol.leaks:
        random = np.random.default_rng(derive_seed(contract.seed, "partition"))
        found[np.array(own)[random.permutation(len(own))]] = np.arange(len(own)) % count
    else:
        shards = partition([clips[item] for item in own], count, contract.data.partition, contract.seed)
        peer_of = {clip.subject: peer for peer, shard in enumerate(shards) for clip in shard}
        found[list(own)] = [peer_of[clips[item].subject] for item in own]
    return found
