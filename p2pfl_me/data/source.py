"""Where a run's clips come from: the user's manifest, a file of feature vectors, or the built-in drawn faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.data.duplicates import contradictions
from p2pfl_me.data.few_shot import few_shot
from p2pfl_me.data.identity import Identities
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.labels import labels_of
from p2pfl_me.data.manifest import Clip, Manifest, refuse
from p2pfl_me.data.partition import Shards, partition, with_validation
from p2pfl_me.data.reading import read_clips
from p2pfl_me.data.split import split_subjects
from p2pfl_me.data.synthetic import subjects_manifest, synthesise
from p2pfl_me.data.vectors import is_vectors, require_width, vectors_bank
from p2pfl_me.errors import DataError
from p2pfl_me.progress import Progress


def prepare(
    contract: Contract,
    data: Path | None,
    cache: Path,
    rules: IdentityRules = ASK,
    read: Manifest | None = None,
    drawing: Progress | None = None,
) -> Manifest:
    """All clips of a local run, each with its split; `read` are those of `data` as `classes` gives them,
    where they have been read already. `drawing` is called with (done, total) of the subjects that had to be drawn.

    Raises
    ------
    DataError
        The manifest cannot be used, the same images stand in it under two subjects or labels, or feature vectors
        are of another length than the network takes.
    """
    if data is None:
        split = _synthetic_split(contract)
        return synthesise(contract.data.synthetic, contract.seed, cache, split=split, progress=drawing)
    if read is None:
        read = read_clips(data, labels_of(contract), rules)
        require_consistent(read, data)
    for path in {clip.path for clip in read.clips if is_vectors(clip.path)}:
        require_width(vectors_bank(path).shape[1], contract.model, str(path))
    return _split(contract, read)


def require_consistent(manifest: Manifest, data: Path) -> None:
    """Refuse clips whose images stand there under two subjects or labels; the first file of each clip is read.

    Raises
    ------
    DataError
        With all of them.
    """
    refuse(
        contradictions(manifest.clips),
        where=str(data),
        fix="keep the row that is right of each pair; `p2pme data check` lists all rows that stand there twice",
    )


def deal(contract: Contract, manifest: Manifest, peers: int | None = None) -> Shards:
    """The training and validation clips of each of `peers` (the contract's); the test clips belong to nobody.

    Raises
    ------
    DataError
        More peers than training subjects.
    """
    count = contract.peers.count if peers is None else peers
    training = [clip for clip in manifest.clips if clip.split == "train"]
    watching = [clip for clip in manifest.clips if clip.split == "validation"]
    shards = with_validation(partition(training, count, contract.data.partition, contract.seed), watching)
    return tuple(few_shot(clips, contract.training.few_shot, contract.seed) for clips in shards)


def peer_clips(
    contract: Contract,
    peer: int,
    data: Path | None,
    test: Path | None,
    cache: Path,
    rules: IdentityRules = ASK,
    drawing: Progress | None = None,
) -> tuple[Clip, ...]:
    """What one peer reads: its own manifest and a common test manifest; or the drawn subjects that are its share.
    `drawing` is called with (done, total) of those that had to be drawn.

    Raises
    ------
    DataError
        Unusable, or a subject of the common test manifest is among the peer's own.
    """
    clips = _all_clips(contract, peer, data, test, cache, rules, drawing)
    return few_shot(clips, contract.training.few_shot, contract.seed)


def _all_clips(
    contract: Contract,
    peer: int,
    data: Path | None,
    test: Path | None,
    cache: Path,
    rules: IdentityRules,
    drawing: Progress | None,
) -> tuple[Clip, ...]:
    if data is None:
        whole = _synthetic_split(contract)
        own = {clip.subject for clip in deal(contract, whole)[peer]}
        mine = tuple(clip for clip in whole.clips if clip.split == "test" or clip.subject in own)
        planned = Manifest(whole.source, mine)
        return synthesise(contract.data.synthetic, contract.seed, cache, split=planned, progress=drawing).clips
    who = Identities(rules)
    own_clips = read_clips(data, labels_of(contract), who=who)
    if test is None:
        _refuse_slips(who, data)
        return _split(contract, own_clips).clips
    own_clips = split_subjects(
        own_clips, test_fraction=0.0, validation_fraction=contract.data.validation_fraction, seed=contract.seed
    )
    # A split with data.test_fraction: 0 writes a test manifest without rows.
    common_clips = read_clips(test, labels_of(contract), who=who, may_be_empty=True).clips
    _refuse_slips(who, data)
    common = [replace(clip, split="test") for clip in common_clips if clip.split in {None, "test"}]
    subjects = {clip.subject for clip in common}
    if leaking := sorted({clip.subject for clip in own_clips.clips if clip.split != "test"} & subjects):
        raise DataError(
            f"subject {leaking[0]} is in the test manifest and among this peer's own clips",
            where=str(test),
            fix="a subject belongs to one side only; remove it from one of the two",
        )
    return (*own_clips.clips, *common)


def _refuse_slips(who: Identities, data: Path) -> None:
    refuse(list(who.unheard()), where=str(data), fix="name subjects as the manifest spells them")


def _split(contract: Contract, manifest: Manifest) -> Manifest:
    hints = contract.data
    return split_subjects(
        manifest,
        test_fraction=hints.test_fraction,
        validation_fraction=hints.validation_fraction,
        seed=contract.seed,
    )


def _synthetic_split(contract: Contract) -> Manifest:
    """Which drawn clips there will be and on which side, before any is drawn."""
    return _split(contract, subjects_manifest(contract.data.synthetic, contract.seed, contract.model.classes))
