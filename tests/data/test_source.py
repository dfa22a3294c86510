"""A peer reads its own share and the common test subjects, nothing else; every way agrees with every other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from p2pfl_me.contract import Contract
from p2pfl_me.data.classes import read_with_classes
from p2pfl_me.data.labels import Labels, labels_of
from p2pfl_me.data.manifest import Manifest, write_manifest
from p2pfl_me.data.reading import read_clips, with_labels
from p2pfl_me.data.shards import write_shards
from p2pfl_me.data.source import deal, peer_clips, prepare
from p2pfl_me.errors import DataError
from p2pfl_me.run.folder import RunFolder
from tests.data.make import contract, good, rows

DRAWN = "data: {test_fraction: 0.25, synthetic: {subjects: 8, clips_per_subject: 2}}\n"
OWN = "model: {classes: [negative, positive, surprise]}\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return rows(tmp_path / "manifest.csv", good(tmp_path, subjects=8, datasets=("lab", "clinic")))


def subjects(manifest: Manifest, *splits: str) -> set[str]:
    return {clip.subject for clip in manifest.clips if clip.split in splits}


def test_a_peer_draws_only_its_own_subjects_and_the_test_subjects(tmp_path: Path) -> None:
    whole = prepare(contract(DRAWN), None, tmp_path / "all")
    shards = deal(contract(DRAWN), whole)
    for peer in range(3):
        found = peer_clips(contract(DRAWN), peer, None, None, tmp_path / str(peer))
        drawn = {path.name for path in next((tmp_path / str(peer)).iterdir()).iterdir() if path.is_dir()}
        assert drawn == {clip.path.parts[-2] for clip in (*shards[peer], *whole.part("test"))}
        assert {clip.subject for clip in found if clip.split != "test"} == {clip.subject for clip in shards[peer]}
        assert {clip.subject for clip in found if clip.split == "test"} == subjects(whole, "test")


def test_nobody_trains_on_a_test_subject(own: Path, tmp_path: Path) -> None:
    manifest = prepare(contract(OWN), own, tmp_path)
    assert subjects(manifest, "train") & subjects(manifest, "test") == set()
    dealt = [clip for shard in deal(contract(OWN), manifest) for clip in shard]
    assert {clip.subject for clip in dealt} == subjects(manifest, "train") and len(dealt) == 18


def test_another_number_of_peers_may_be_asked_for(own: Path, tmp_path: Path) -> None:
    manifest = prepare(contract(OWN), own, tmp_path)
    assert len(deal(contract(OWN), manifest, 5)) == 5
    with pytest.raises(DataError, match="use at most 6 peers"):
        deal(contract(OWN), manifest, 7)


def test_with_validation_every_peer_still_trains(own: Path, tmp_path: Path) -> None:
    rule = contract(OWN + "data: {validation_fraction: 0.25}\n")
    shards = deal(rule, prepare(rule, own, tmp_path))
    assert all(any(clip.split == "train" for clip in shard) for shard in shards)
    assert sum(clip.split == "validation" for shard in shards for clip in shard) == 6


def test_a_deployed_peer_splits_its_own_subjects(own: Path, tmp_path: Path) -> None:
    found = Manifest(own, peer_clips(contract(OWN), 0, own, None, tmp_path))
    assert len(found.clips) == 24 and len(subjects(found, "test")) == 2
    assert subjects(found, "test") & subjects(found, "train") == set()


def test_a_written_share_and_the_common_test_part_come_back(own: Path, tmp_path: Path) -> None:
    rule: Contract = contract(OWN)
    manifest = prepare(rule, own, tmp_path)
    shard, test = deal(rule, manifest)[1], manifest.part("test")
    write_manifest(tmp_path / "out" / "peer-1.csv", shard)
    write_manifest(tmp_path / "out" / "test.csv", test)
    found = peer_clips(rule, 1, tmp_path / "out" / "peer-1.csv", tmp_path / "out" / "test.csv", tmp_path)
    assert [replace(clip, line=0) for clip in found] == [replace(clip, line=0) for clip in (*shard, *test)]


def test_a_run_without_test_clips_has_a_test_part_without_rows(own: Path, tmp_path: Path) -> None:
    rule = contract(OWN + "data: {test_fraction: 0}\n")
    manifest = prepare(rule, own, tmp_path)
    write_manifest(tmp_path / "out" / "peer-0.csv", deal(rule, manifest)[0])
    write_manifest(tmp_path / "out" / "test.csv", manifest.part("test"))
    found = peer_clips(rule, 0, tmp_path / "out" / "peer-0.csv", tmp_path / "out" / "test.csv", tmp_path)
    assert found and {clip.split for clip in found} == {"train"}
    with pytest.raises(DataError, match="no clips"):  # as a peer's own clips it is of no use
        peer_clips(rule, 0, tmp_path / "out" / "test.csv", None, tmp_path)


def test_a_subject_on_both_sides_is_refused(own: Path, tmp_path: Path) -> None:
    rule = contract(OWN)
    common = prepare(rule, own, tmp_path).clips[:3]
    write_manifest(tmp_path / "test.csv", [replace(clip, split="test") for clip in common])
    with pytest.raises(DataError, match="one side only"):
        peer_clips(rule, 0, own, tmp_path / "test.csv", tmp_path)


def test_clips_that_were_read_once_are_the_ones_that_would_be_read_again(tmp_path: Path) -> None:
    own = rows(tmp_path / "manifest.csv", good(tmp_path))
    rule = contract(OWN)
    read = read_with_classes(rule, own, lambda _: None, chosen=True)[1]
    assert read is not None
    own.unlink()
    assert prepare(rule, own, tmp_path, read=read).clips
    own = rows(tmp_path / "manifest.csv", good(tmp_path))
    assert prepare(rule, own, tmp_path, read=read) == prepare(rule, own, tmp_path)
    taken, any_label = read_with_classes(contract(""), own, lambda _: None)
    assert taken.model.classes == ("negative", "positive", "surprise")
    assert any_label == read_clips(own, labels_of(taken))
    with pytest.raises(DataError, match="unknown label 'positive'"):
        with_labels(read, Labels(("negative", "surprise")))


def test_a_peer_that_was_given_its_clips_reads_no_list(tmp_path: Path) -> None:
    own = rows(tmp_path / "manifest.csv", good(tmp_path, subjects=6))
    rule = contract(OWN)
    shards, _ = write_shards(rule, own, tmp_path, tmp_path / "run")
    for peer in range(3):
        folder = RunFolder(tmp_path / "run")
        parsed = peer_clips(rule, peer, folder.shard(peer), folder.test, tmp_path)
        assert [replace(clip, line=0) for clip in parsed] == [replace(clip, line=0) for clip in shards.of(peer)]
