"""Weights say what they were trained on, and whoever scores clips with them is told which of these they have seen."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file, save_file

from p2pfl_me.cli.data import data
from p2pfl_me.cli.main import cli
from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.folder import read_folder
from p2pfl_me.data.manifest import write_manifest
from p2pfl_me.data.owners import owners_of
from p2pfl_me.data.reading import read_clips
from p2pfl_me.data.shards import write_shards
from p2pfl_me.data.synthetic.face import draw_face
from p2pfl_me.data.trained_on import (
    TrainedOn,
    copy_trained_on,
    kept_trained_on,
    read_kept_trained_on,
    read_trained_on,
    seen_of,
    trained_on_of,
)
from p2pfl_me.errors import DataError, WeightsError
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.learning.backbone import load_backbone
from p2pfl_me.learning.origin import tell_of_weights, words_of_clips
from p2pfl_me.learning.pretraining import _parts
from p2pfl_me.peer.begun import Begun, as_begun, begun_from
from p2pfl_me.peer.checkpoint import Checkpoint, save_checkpoint
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.shard import seen_words
from p2pfl_me.run.events import Data
from p2pfl_me.run.manifest import ManifestFile
from tests.data.make import row, rows, save
from tests.run.making import log, start

RING = "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 2}}\n"


def face(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(draw_face(np.random.default_rng(seed)).canvas, dtype=np.uint8)


def people(folder: Path, count: int = 6, first: int = 0) -> Path:
    """A picture for each of so many people, in a folder of their own, with a manifest."""
    table = []
    for number in range(first, first + count):
        save(folder / f"sub{number:02d}" / "a.png", face(number))
        label = ("negative", "positive")[number % 2]
        table.append(row(f"sub{number:02d}/a.png", f"sub{number:02d}", label, split="test" if number > 3 else "train"))
    return rows(folder / "manifest.csv", table)


def record(folder: Path, manifest: Path | None = None) -> TrainedOn:
    found = read_folder(folder, 64, labelled=False)
    owners = [clip for clip in owners_of(found.paths, folder, manifest) if clip]
    return trained_on_of("six pictures", found.digests, found.signatures, owners)


def weights_file(path: Path, known: TrainedOn | None) -> Path:
    tensors = {"x": np.zeros(1, np.float32), **(known.tensors() if known else {})}
    save_file(tensors, path, known.metadata() if known else {"method": "labels"})
    return path


def test_a_record_is_read_as_it_was_written_and_holds_no_name_and_no_picture(tmp_path: Path) -> None:
    people(tmp_path / "faces")
    known = record(tmp_path / "faces")
    path = weights_file(tmp_path / "w.safetensors", known)
    again = read_trained_on(path)
    assert again and again.words == "six pictures" and again.datasets == ("lab",)
    for name, value in known.tensors().items():
        np.testing.assert_array_equal(again.tensors()[name], value)
    assert len(known.subjects) == len(known.digests) == 6 and b"sub0" not in path.read_bytes()
    assert sum(value.nbytes for value in known.tensors().values()) == 6 * (16 + 16 + 24)


def test_subjects_pictures_and_their_copies_are_found_and_strangers_are_not(tmp_path: Path) -> None:
    people(tmp_path / "faces", 4)
    known = record(tmp_path / "faces")
    assert seen_of(known, read_clips(people(tmp_path / "strangers", 4, first=50), None).clips).words() == ""
    same = tuple(replace(clip, subject="x/9", dataset="x") for clip in read_clips(tmp_path / "faces", None).clips)
    assert seen_of(known, same).pictures == frozenset(range(4)), "the pictures alone"
    for place, clip in enumerate(same):
        image = cv2.resize(cv2.imread(str(clip.path)), (120, 120), interpolation=cv2.INTER_AREA)
        save(tmp_path / "again" / f"{place}.jpg", (image * 0.8).astype(np.uint8))
    again = [replace(clip, path=tmp_path / "again" / f"{place}.jpg") for place, clip in enumerate(same)]
    found = seen_of(known, again)
    assert found.alike == frozenset(range(4)) and not (found.pictures or found.subjects)
    assert "near-identical pictures of 4 of 4" in found.words()
    spelt = [replace(clip, path=tmp_path / "gone.png", subject="lab/S1", dataset="lab") for clip in same]
    assert seen_of(known, spelt).subjects == frozenset(range(4)), "another spelling is the same person"
    assert seen_of(known, spelt, images=False).words() == "weights were trained on subjects of 4 of 4 clips"


def test_a_file_without_a_record_is_of_unknown_origin_and_a_damaged_record_is_refused(tmp_path: Path) -> None:
    assert read_trained_on(weights_file(tmp_path / "w.safetensors", None)) is None
    assert read_trained_on(tmp_path / "w.pth") is None
    people(tmp_path / "faces", 2)
    path = weights_file(tmp_path / "w2.safetensors", record(tmp_path / "faces"))
    tensors = load_file(path) | {"trained_on.digests": np.zeros((2, 3), np.uint8)}
    save_file(tensors, path, {"trained_on": "x", "trained_on.datasets": "[]"})
    with pytest.raises(WeightsError, match="another shape"):
        read_trained_on(path)


@pytest.mark.parametrize("saved_again", [False, True])
def test_mirrored_pictures_of_strangers_names_are_found(tmp_path: Path, saved_again: bool) -> None:
    clips = read_clips(people(tmp_path / "faces", 4), None).clips
    for place, clip in enumerate(clips):
        image = cv2.imread(str(clip.path))[:, ::-1]
        ending = "jpg" if saved_again else "png"
        save(tmp_path / "doubled" / f"x{place}.{ending}", cv2.resize(image, (120, 120)) if saved_again else image)
    seen = seen_of(record(tmp_path / "doubled"), clips)
    assert seen.places == frozenset(range(4)) and not seen.subjects
    assert (seen.alike if saved_again else seen.pictures) == seen.places


def test_a_record_is_found_whatever_the_file_is_called_and_one_of_nothing_is_none(tmp_path: Path) -> None:
    known = record(people(tmp_path / "p").parent)
    for name in ("weights.pth", "weights", "weights.h5"):
        read = read_trained_on(weights_file(tmp_path / name, known))
        assert read is not None and read.words == known.words
    nothing = replace(known, digests=known.digests[:0])
    with pytest.raises(WeightsError, match="it names no picture"):
        read_trained_on(weights_file(tmp_path / "emptied.safetensors", nothing))
    (tmp_path / "torch.pth").write_bytes(b"PK\3\4" + bytes(60))
    assert read_trained_on(tmp_path / "torch.pth") is None


def test_whose_pictures_they_are_is_known_by_a_manifest_a_data_set_or_a_folders_name(tmp_path: Path) -> None:
    manifest = people(tmp_path / "faces", 3)
    found = read_folder(tmp_path / "faces", 64, labelled=False)
    owners = owners_of(found.paths, tmp_path / "faces")
    assert [clip and clip.subject for clip in owners] == ["lab/sub00", "lab/sub01", "lab/sub02"]
    for number in range(3):
        save(tmp_path / "copy" / f"Sub{number}" / "b.png", face(number))
    paths = sorted((tmp_path / "copy").rglob("*.png"))
    assert owners_of(paths, tmp_path / "copy") == (None, None, None)
    elsewhere = owners_of(paths, tmp_path / "copy", manifest)
    assert [clip and clip.subject for clip in elsewhere] == ["lab/sub00", "lab/sub01", "lab/sub02"]
    with pytest.raises(DataError):
        owners_of(paths, tmp_path / "copy", tmp_path / "nowhere.csv")


@pytest.mark.parametrize("turns", [1, 4])
def test_all_pictures_of_a_subject_are_held_out_together(turns: int) -> None:
    names = [f"s{number % 7}" for number in range(40)]
    parts = _parts(np.zeros((40 * turns, 2), np.float32), np.zeros(40 * turns, np.int64), 40, 1, names)
    assert parts.validation is not None
    held = {names[place % 40] for place in parts.validation.rows.tolist()}
    trained = {names[place % 40] for place in parts.train.rows.tolist()}
    assert held and trained and not held & trained and len(held) + len(trained) == 7
    some = [name if place < 30 else None for place, name in enumerate(names)]
    mixed = _parts(np.zeros((40, 2), np.float32), np.zeros(40, np.int64), 40, 1, some)
    assert mixed.validation is not None
    held = {some[place] for place in mixed.validation.rows.tolist()} - {None}
    assert not held & {some[place] for place in mixed.train.rows.tolist()}
    alone = _parts(np.zeros((40, 2), np.float32), np.zeros(40, np.int64), 40, 1, ["one"] * 40)
    assert alone.validation is not None and len(alone.validation) == 4, "nobody else is there to be held out"


def run(*words: object) -> Result:
    return CliRunner().invoke(data, [str(word) for word in words])


def test_an_audit_compares_weights_with_all_but_the_training_parts(tmp_path: Path) -> None:
    manifest = people(tmp_path / "faces")
    path = weights_file(tmp_path / "w.safetensors", record(tmp_path / "faces"))
    assert run("audit", manifest).exit_code == 0
    found = run("audit", manifest, "--weights", path)
    assert found.exit_code == 1 and "weights" in found.output and "lab/sub04" in found.output
    assert "lab/sub00" not in found.output
    people(tmp_path / "others", first=60)
    clean = weights_file(tmp_path / "c.safetensors", record(tmp_path / "others"))
    assert run("audit", manifest, "--weights", clean).exit_code == 0
    nothing = run("audit", manifest, "--weights", weights_file(tmp_path / "n.safetensors", None))
    assert "unknown origin" in nothing.output


def agreed(sha: str) -> Contract:
    return contract_from_yaml(
        "version: 1\nname: t\ntopology: {kind: ring}\npeers: {loopback: {count: 2}}\n"
        f"model: {{classes: [negative, positive], weights: {{source: file, sha256: {sha}}}}}\n"
    )


def test_a_run_says_that_its_weights_have_seen_the_test_clips(tmp_path: Path) -> None:
    manifest = people(tmp_path / "faces")
    path = weights_file(tmp_path / "w.safetensors", record(tmp_path / "faces"))
    contract = agreed("ab" * 32)
    shards, digest = write_shards(contract, manifest, tmp_path, tmp_path / "run")
    kept = ManifestFile(tmp_path / "run", contract)
    kept.data(shards.counts(contract, manifest, digest))
    words = tell_of_weights(kept, contract, path, tmp_path, shards)
    values = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert "of 2 of 2 scored clips" in words and words in values["warnings"] and "six pictures" in values["network"]
    audited = run("audit", tmp_path / "run")
    assert f"says of its own scores: {words}" in audited.output and audited.exit_code == 1
    assert tell_of_weights(kept, contract, None, tmp_path, shards) == ""


def test_a_lab_that_runs_its_own_peer_is_told_by_its_log(tmp_path: Path) -> None:
    manifest = people(tmp_path / "faces")
    path = weights_file(tmp_path / "w.safetensors", record(tmp_path / "faces"))
    settings = PeerSettings(0, agreed("ab" * 32), tmp_path / "run", tmp_path, manifest, weights=path)
    clips = read_clips(manifest, None).clips
    assert seen_words(settings, clips) == "weights were trained on subjects or pictures of 2 of 2 scored clips"
    assert seen_words(settings, [clip for clip in clips if clip.split == "train"]) == ""
    nameless = weights_file(tmp_path / "n.safetensors", None)
    assert seen_words(replace(settings, weights=nameless), clips) == ""
    assert "trained on six pictures" in words_of_clips(settings.contract, path, tmp_path, clips)
    assert "of unknown origin" in words_of_clips(settings.contract, nameless, tmp_path, clips)
    copy_trained_on(path, kept_trained_on(settings.contract.model.weights, tmp_path))
    assert "trained on six pictures" in words_of_clips(settings.contract, None, tmp_path, clips), "from an earlier run"


def test_a_model_that_another_run_trained_is_told_with_what_it_learned_from(tmp_path: Path) -> None:
    """`p2pme peer --from`: by the lists of shards beside it, and of unknown origin without them."""
    manifest, home = people(tmp_path / "faces"), tmp_path / "home"
    clips = read_clips(manifest, None).clips
    (tmp_path / "run" / "shards").mkdir(parents=True)
    write_manifest(tmp_path / "run" / "shards" / "peer-0.csv", clips)
    contract = contract_from_yaml(RING)
    whole = np.zeros(4, dtype=np.float32)
    save_checkpoint(tmp_path / "run", Checkpoint(0, 3, whole, Progress(), "0" * 64, "0" * 64))
    model = tmp_path / "run" / "checkpoint-0.safetensors"
    settings = PeerSettings(0, contract, tmp_path / "next", home, manifest, model=model)
    scored = [clip for clip in clips if clip.split != "train"]
    begun = begun_from(settings, scored)
    assert "another run's model after 3 rounds, trained on 4 clips of 4 subjects" in begun.words
    assert "subjects" not in begun.seen and begun_from(replace(settings, model=None), scored) == Begun()
    assert (
        begun_from(settings, clips).seen
        == "weights were trained on subjects or pictures or near-identical pictures of 5 of 6 scored clips"
    )
    for network, says in (("ststnet", "trained whole: it began from"), ("vgg16", "What is trained here began from")):
        agreed_on = contract_from_yaml(RING + f"model: {{backbone: {network}}}\n")
        words = words_of_clips(agreed_on, None, tmp_path, clips, begun.words)
        assert says in words and ("nothing was trained before" in words) is False
    shutil.rmtree(tmp_path / "run" / "shards")
    alone = begun_from(settings, clips)
    assert "of unknown origin" in alone.words and alone.seen == ""


def test_a_life_that_goes_on_says_what_the_run_began_from_whatever_its_command_names_by_now(tmp_path: Path) -> None:
    """The model's file is as it was, removed, written anew or another one; the clips are the same or others."""
    manifest = people(tmp_path / "faces")
    clips = read_clips(manifest, None).clips
    scored, others = [clip for clip in clips if clip.split != "train"], [clips[0]]
    (tmp_path / "one" / "shards").mkdir(parents=True)
    write_manifest(tmp_path / "one" / "shards" / "peer-0.csv", clips)
    for run_folder, completed in (("one", 3), ("two", 5)):
        (tmp_path / run_folder).mkdir(exist_ok=True)
        whole = np.full(4, completed, dtype=np.float32)
        save_checkpoint(tmp_path / run_folder, Checkpoint(0, completed, whole, Progress(), "0" * 64, "0" * 64))
    model, other = (tmp_path / each / "checkpoint-0.safetensors" for each in ("one", "two"))
    contract = contract_from_yaml(RING + "model: {backbone: ststnet}\n")
    first = PeerSettings(0, contract, tmp_path / "next", tmp_path, manifest, model=model)
    again = replace(first, resume=True)

    def lives(settings: PeerSettings, of: Sequence[Clip]) -> Data:
        begun = begun_from(settings, of)
        network = words_of_clips(contract, None, tmp_path, clips, begun.words)
        now = Data(1, 0, 1, 2, seen=begun.seen, network=network)
        return as_begun(settings, now, of) if settings.resume else now

    assert "cannot be read by now, of unknown origin" in lives(replace(again, model=tmp_path / "no"), scored).network
    with pytest.raises(WeightsError, match="no"):
        lives(replace(first, model=tmp_path / "no"), scored)
    (tmp_path / "next").mkdir()
    began = lives(first, scored)
    assert "began from checkpoint-0.safetensors" in began.network and "after 3 rounds" in began.network
    log(tmp_path / "next", 0, start(0, data=began))
    assert lives(again, scored) == lives(replace(again, model=None), scored) == began
    assert "of 1 of 1 scored clips" in lives(again, others).seen, "with other clips, which it has seen as well"
    named = lives(replace(again, model=other), scored)
    assert named.network == f"{began.network} checkpoint-0.safetensors, named when it went on, has no part in it."
    log(tmp_path / "next", 0, start(0, data=named))
    assert lives(replace(again, model=other), scored) == named, "said once"
    model.unlink()
    assert lives(again, scored) == named
    drawn = lives(replace(first, model=None), scored)
    log(tmp_path / "next", 0, start(0, data=drawn))
    unused = lives(replace(again, model=other), scored)
    assert "began from" not in unused.network and unused.network.endswith("has no part in it."), "it began from none"


@pytest.mark.thorough
def test_what_pretrain_writes_is_told_by_whoever_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command, to a file that a contract takes; its record outlives the file in the cache."""
    monkeypatch.setenv("P2PME_HOME", str(tmp_path / "home"))
    manifest, out = people(tmp_path / "faces"), tmp_path / "w.safetensors"
    words = ["pretrain", str(tmp_path / "faces"), "-o", str(out), "--self-supervised", "--epochs", "1"]
    done = CliRunner().invoke(cli, [*words, "--device", "cpu"], catch_exceptions=False)
    assert "6 subjects of lab" in done.output and "subjects held out" in done.output
    clips: tuple[Clip, ...] = read_clips(manifest, None).clips
    known = read_trained_on(out)
    assert known and seen_of(known, clips).subjects == seen_of(known, clips).pictures == frozenset(range(6))
    contract = agreed(hashlib.sha256(out.read_bytes()).hexdigest())
    load_backbone(contract, cache=tmp_path, weights=out)
    out.unlink()
    again = read_kept_trained_on(contract.model.weights, None, tmp_path)
    assert again and again.words == known.words
