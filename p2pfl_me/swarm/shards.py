"""A local swarm's shards as manifests in the run folder: one a peer, one with the test clips that belong to nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.manifest import Clip, write_manifest
from p2pfl_me.data.reading import read_clips
from p2pfl_me.data.source import deal, prepare


@dataclass(frozen=True)
class Shards:
    """Each peer's own clips, and the common test clips."""

    peers: tuple[tuple[Clip, ...], ...]
    test: tuple[Clip, ...]

    def of(self, peer: int) -> tuple[Clip, ...]:
        """All that one peer reads."""
        return (*self.peers[peer], *self.test)


def write_shards(
    contract: Contract, data: Path | None, cache: Path, run: Path, rules: IdentityRules = ASK
) -> tuple[Shards, str]:
    """Deal the clips to the peers and write the manifests; also a digest of the rows (hex), for the run's manifest.

    Raises
    ------
    DataError
        The clips cannot be used or dealt.
    """
    manifest = prepare(contract, data, cache, rules)
    shards = Shards(deal(contract, manifest), manifest.part("test"))
    for peer, clips in enumerate(shards.peers):
        write_manifest(run / "shards" / f"peer-{peer}.csv", clips)
    write_manifest(run / "shards" / "test.csv", shards.test)
    # Without the split, which follows from the seed: runs on the same clips are known by the same digest.
    rows = sorted(f"{c.subject}|{c.clip}|{c.label}" for c in manifest.clips)
    return shards, hashlib.sha256("\n".join(rows).encode()).hexdigest()


def read_shards(contract: Contract, run: Path) -> Shards:
    """The shards of a run as they were written."""
    classes, folder = contract.model.classes, run / "shards"
    peers = [read_clips(folder / f"peer-{peer}.csv", classes).clips for peer in range(contract.peers.count)]
    return Shards(tuple(peers), read_clips(folder / "test.csv", classes, may_be_empty=True).clips)


def all_clips(shards: Shards) -> Sequence[Clip]:
    return [clip for clips in (*shards.peers, shards.test) for clip in clips]
