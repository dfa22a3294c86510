"""A local swarm's shards as manifests in the run folder: one a peer, one with the test clips that belong to nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.data.drawn import drawn_words
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.manifest import Clip, Manifest, write_manifest
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.data.preprocess.said import images_words
from p2pfl_me.data.source import deal, prepare
from p2pfl_me.data.split import untested
from p2pfl_me.data.trained_on import TrainedOn, seen_of
from p2pfl_me.progress import Progress
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.manifest import Clips


@dataclass(frozen=True)
class Shards:
    """Each peer's own clips, and the common test clips."""

    peers: tuple[tuple[Clip, ...], ...]
    test: tuple[Clip, ...]

    def counts(self, contract: Contract, source: Path | None, digest: str) -> Clips:
        """What a run's manifest says of the clips of `source`, whose rows have this digest."""
        own = [clip for clips in self.peers for clip in clips]
        images = images_words([*own, *self.test], recipe_of(contract.model))
        return Clips(
            source=source.name if source else "synthetic",
            digest=digest,
            train=sum(clip.split == "train" for clip in own),
            validation=sum(clip.split == "validation" for clip in own),
            test=len(self.test),
            subjects=len({clip.subject for clip in (*own, *self.test)}),
            images=images,
            drawn=sum(clip.drawn for clip in (*own, *self.test)),
            untested=untested(own, self.test),
        )

    def warning(self) -> str:
        """What must stand on every page of a run on these clips; empty where nothing must."""
        return drawn_words([clip for clips in (*self.peers, self.test) for clip in clips])

    def seen_by(self, record: TrainedOn | None) -> str:
        """Which clips that are scored the weights were trained on, in words of warning; empty where it is none."""
        scored = [clip for clips in self.peers for clip in clips if clip.split == "validation"] + list(self.test)
        return seen_of(record, scored).words("scored clips") if record and scored else ""

    def of(self, peer: int) -> tuple[Clip, ...]:
        """All that one peer reads."""
        return (*self.peers[peer], *self.test)


def write_shards(
    contract: Contract,
    data: Path | None,
    cache: Path,
    run: Path,
    rules: IdentityRules = ASK,
    read: Manifest | None = None,
    drawing: Progress | None = None,
) -> tuple[Shards, str]:
    """Deal the clips to the peers and write the manifests; also a digest of the rows (hex), for the run's manifest.

    `drawing` is called with (done, total) of the subjects that had to be drawn.

    Raises
    ------
    DataError
        The clips cannot be used or dealt.
    """
    manifest = prepare(contract, data, cache, rules, read, drawing)
    shards = Shards(deal(contract, manifest), manifest.part("test"))
    folder = RunFolder(run)
    for peer, clips in enumerate(shards.peers):
        write_manifest(folder.shard(peer), clips)
    write_manifest(folder.test, shards.test)
    # Without the split, which follows from the seed: runs on the same clips are known by the same digest.
    rows = sorted(f"{c.subject}|{c.clip}|{c.label}" for c in manifest.clips)
    return shards, hashlib.sha256("\n".join(rows).encode()).hexdigest()


def all_clips(shards: Shards) -> Sequence[Clip]:
    return [clip for clips in (*shards.peers, shards.test) for clip in clips]
