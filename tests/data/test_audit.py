"""A leak audit finds each planted leak and none in a sound split; a subject who withdraws is found in every run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from p2pfl_me.choice import derive_seed
from p2pfl_me.cli.data import data
from p2pfl_me.data.audit.alike import NEAR, close_pairs, signature_of
from p2pfl_me.data.audit.leaks import Kind, audit
from p2pfl_me.data.audit.parts import read_audited, shard_folders
from p2pfl_me.data.audit.words import audit_text
from p2pfl_me.data.forget import read_rows, runs_with, write_rows
from p2pfl_me.data.synthetic.face import draw_face
from p2pfl_me.errors import DataError
from tests.data.make import good, picture, rows, save

Table = list[dict[str, object]]


def run(*words: object) -> Result:
    result = CliRunner().invoke(data, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def row(path: str, subject: str, split: str, **more: object) -> dict[str, object]:
    return {"path": path, "dataset": "lab", "subject": subject, "clip": path, "label": "a", "split": split, **more}


def sound(folder: Path) -> Table:
    """Six pictures of as many subjects, four to train and two to test."""
    table = []
    for number in range(6):
        save(folder / f"p{number}x.png", picture(number, side=64))
        table.append(row(f"p{number}x.png", f"{number}", "test" if number > 3 else "train", onset="", offset=""))
    return table


def kinds(folder: Path, table: Table) -> dict[Kind, int]:
    found = audit(read_audited([rows(folder / "m.csv", table)], None)[0])
    assert found.sound == (not found.leaks)
    return {leak.kind: leak.count for leak in found.leaks}


def test_a_sound_split_has_no_leak(tmp_path: Path) -> None:
    assert kinds(tmp_path, sound(tmp_path)) == {}


def test_an_audit_does_not_pass_over_rows_that_it_cannot_read(tmp_path: Path) -> None:
    table = [*sound(tmp_path), row("gone.png", "9", "train")]
    with pytest.raises(DataError, match=r"line 8: no such file or folder.*gone\.png"):
        kinds(tmp_path, table)
    (tmp_path / "none.csv").write_text("path,dataset,subject,clip,label\n")
    with pytest.raises(DataError, match="no clips"):
        read_audited([tmp_path / "none.csv"], None)


def _subject(folder: Path, table: Table) -> None:
    table[5]["subject"] = "0"


def _clip(folder: Path, table: Table) -> None:
    table[5] |= {"subject": "0", "clip": table[0]["clip"]}


def _film(folder: Path, table: Table) -> None:
    for number in (*range(1, 7), *range(10, 15)):
        save(folder / "film" / f"{number}.png", picture(900 + number, side=64))
    table[0] |= {"path": "film", "onset": 1, "offset": 6}
    table[5] |= {"path": "film", "onset": 10, "offset": 14}


def _same(folder: Path, table: Table) -> None:
    save(folder / "p5x.png", picture(0, side=64))


def _saved_again(folder: Path, table: Table) -> None:
    face = np.asarray(draw_face(np.random.default_rng(1)).canvas, dtype=np.uint8)
    save(folder / "p0x.png", face)
    save(folder / "p5x.jpg", cv2.resize(face, (120, 120), interpolation=cv2.INTER_AREA))
    table[5]["path"] = "p5x.jpg"


def _mirrored(folder: Path, table: Table) -> None:
    """As where a folder was doubled for training before it was split."""
    face = np.asarray(draw_face(np.random.default_rng(1)).canvas, dtype=np.uint8)
    save(folder / table[0]["path"], face)
    save(folder / "p5x.jpg", np.ascontiguousarray(face[:, ::-1]))
    table[5]["path"] = "p5x.jpg"


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (_subject, {Kind.SUBJECT: 1}),
        (_clip, {Kind.SUBJECT: 1, Kind.CLIP: 1}),
        (_film, {Kind.FRAMES: 1}),
        (_same, {Kind.IDENTICAL: 1}),
        (_saved_again, {Kind.ALIKE: 1}),
        (_mirrored, {Kind.MIRRORED: 1}),
    ],
)
def test_each_planted_leak_is_found_and_nothing_else(
    tmp_path: Path, plant: Callable[[Path, Table], None], found: dict[Kind, int]
) -> None:
    table = sound(tmp_path)
    plant(tmp_path, table)
    assert kinds(tmp_path, table) == found


def test_clips_of_one_film_far_apart_do_not_leak(tmp_path: Path) -> None:
    table = sound(tmp_path)
    _film(tmp_path, table)
    for number in range(20, 25):
        save(tmp_path / "film" / f"{number}.png", picture(900 + number, side=64))
    table[5] |= {"onset": 20, "offset": 24}
    assert kinds(tmp_path, table) == {}


def test_frames_of_one_clip_on_both_sides_are_neighbours(tmp_path: Path) -> None:
    table = []
    for number in range(1, 9):
        save(tmp_path / "film" / f"img{number}.png", picture(number, side=64))
        split = "test" if number % 4 == 0 else "train"
        table.append(row(f"film/img{number}.png", "0", split) | {"clip": "film"})
    found = kinds(tmp_path, table)
    assert found[Kind.SUBJECT] == 1 and found[Kind.CLIP] == 1
    assert found[Kind.FRAMES] == sum(abs(one - other) <= 5 for one in (4, 8) for other in (1, 2, 3, 5, 6, 7))


def test_a_face_saved_again_is_one_face_and_two_people_are_two() -> None:
    """Two random people, at two sizes, formats and lights."""
    seeds = [derive_seed(1, number) for number in range(24)]
    faces = [np.asarray(draw_face(np.random.default_rng(seed)).canvas, dtype=np.uint8) for seed in seeds]
    again = [cv2.imdecode(cv2.imencode(".jpg", (face * 0.8).astype(np.uint8), [1, 60])[1], 1) for face in faces]
    signatures = [signature_of(np.asarray(face, dtype=np.uint8)) for face in (*faces, *again)]
    stacked = np.stack([each for each in signatures if each is not None])
    assert set(close_pairs(stacked)) == {(index, index + 24) for index in range(24)}
    apart = (stacked[:24] @ stacked[:24].T)[~np.eye(24, dtype=bool)]
    assert apart.max() < NEAR - 0.03
    turned = [signature_of(np.ascontiguousarray(face[:, ::-1])) for face in faces]
    mirror = np.stack([each for each in turned if each is not None])
    assert (stacked[:24] @ mirror.T)[~np.eye(24, dtype=bool)].max() < NEAR - 0.02
    assert signature_of(np.full((32, 32, 3), 90, dtype=np.uint8)) is None


@pytest.fixture
def dealt(tmp_path: Path) -> Path:
    """A run's shares: two peers, and test subjects of nobody."""
    table = sound(tmp_path)
    folder = tmp_path / "run"
    for number, line in enumerate(table):
        line["path"] = tmp_path / str(line["path"])
        line["split"] = "test" if number > 3 else "validation" if number == 3 else "train"
    rows(folder / "shards" / "peer-0.csv", table[:2])
    rows(folder / "shards" / "peer-1.csv", table[2:4])
    rows(folder / "shards" / "test.csv", table[4:])
    return folder


def test_a_run_is_audited_across_its_peers(dealt: Path) -> None:
    clean = run("audit", dealt)
    assert clean.exit_code == 0 and "no leak was found" in clean.output
    text = (dealt / "shards" / "peer-1.csv").read_text().replace(",2,", ",0,", 1)
    (dealt / "shards" / "peer-1.csv").write_text(text)
    bad = run("audit", dealt)
    assert bad.exit_code == 1
    assert any(line.split("  ")[0] == "same subject" and "peer 0" in line for line in bad.output.splitlines())
    assert run("audit", dealt, "--rows-only").exit_code == 1


def test_what_a_system_leaves_beside_shares_is_none_and_what_lacks_is_said(dealt: Path) -> None:
    (dealt / "shards" / "._peer-0.csv").write_bytes(b"\0\5\x16\7" + bytes(50))
    assert "note" not in run("audit", dealt).output
    (dealt / "shards" / "test.csv").unlink()
    found = run("audit", dealt)
    assert found.exit_code == 0 and "no clip is for testing" in found.output


def test_what_an_interrupted_write_left_is_no_share(dealt: Path) -> None:
    torn, copied = dealt / "shards" / ".peer-0.csv.abcd1234.draft.csv", dealt / ".shards.abcd1234.draft"
    torn.write_text("path,subj")
    shutil.copytree(dealt / "shards", copied)
    assert "no leak was found" in run("audit", dealt).output
    assert "peer 0 trained on 1 clips" in run("forget", "lab/0", dealt).output
    assert [each.name for each in shard_folders(dealt)] == ["shards"]


def test_the_folds_of_an_evaluation_are_audited_with_its_clips(tmp_path: Path) -> None:
    table = sound(tmp_path)
    for line in table:
        line["split"] = ""
    clips = rows(tmp_path / "m.csv", table)
    folds = [{"name": f"lab/{number}", "pool": "all", "held_out": [f"lab/{number}"]} for number in range(6)]
    (tmp_path / "split.json").write_text(json.dumps({"subjects_leak": False, "folds": folds}))
    assert run("audit", tmp_path / "split.json", "--data", clips).exit_code == 0
    (tmp_path / "card.json").write_text(json.dumps({"warnings": ["weights were trained on subjects of 2 of 6 clips"]}))
    seen = run("audit", tmp_path / "split.json", "--data", clips, "--rows-only")
    assert "says of its own scores: weights were trained on subjects of 2 of 6 clips" in seen.output
    assert seen.exit_code == 1 and "it leaks: a score" in seen.output and "no leak" not in seen.output
    (found,) = json.loads(run("audit", tmp_path / "split.json", "--data", clips, "--json").stdout)["audits"]
    assert found["verdict"] == "leaks" and found["seen"] == ["weights were trained on subjects of 2 of 6 clips"]
    (tmp_path / "card.json").write_text(json.dumps({"warnings": ["drawn faces"]}))
    drawn = run("audit", tmp_path / "split.json", "--data", clips, "--rows-only")
    assert drawn.exit_code == 0 and "says of its own scores: drawn faces" in drawn.output
    (tmp_path / "card.json").write_text("[]")
    _same(tmp_path, table)
    leaky = run("audit", tmp_path / "split.json", "--data", clips)
    assert leaky.exit_code == 1 and "identical images" in leaky.output and "fold lab/5" in leaky.output
    with pytest.raises(DataError, match="--data"):
        run("audit", tmp_path / "split.json")
    (tmp_path / "split.json").write_text(json.dumps({"subjects_leak": True, "folds": folds}))
    assert run("audit", tmp_path / "split.json").exit_code == 1


def test_what_is_no_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no shares of peers"):
        read_audited([tmp_path], None)


def test_forget_names_the_runs_and_peers_that_saw_a_subject(dealt: Path, tmp_path: Path) -> None:
    trained = run("forget", "lab/0", dealt)
    assert "peer 0 trained on 1 clips" in trained.output and "train it anew" in trained.output
    watched = run("forget", "lab/3", dealt)
    assert "peer 1 validated on 1" in watched.output and "no model was trained on it" in watched.output
    assert "tested on 1" in run("forget", "lab/5", dealt).output
    (tmp_path / "deployed").mkdir()
    (tmp_path / "deployed" / "contract.yaml").touch()
    assert runs_with("lab/0", [tmp_path / "deployed"]).silent == (tmp_path / "deployed",)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no run"):
        runs_with("lab/0", [tmp_path / "empty"])


def test_what_forget_says_is_an_object_too(dealt: Path, tmp_path: Path) -> None:
    path = rows(tmp_path / "m.csv", [row("p.png", "0", "train"), row("q.png", "1", "train")])
    told = json.loads(run("forget", "lab/0", dealt, "--data", path, "-o", tmp_path / "rest.csv", "--json").stdout)
    assert told["manifest"] == {"path": str(path), "clips": 1, "written": str(tmp_path / "rest.csv")}
    (saw,) = told["saw"]
    assert saw["run"] == str(dealt) and saw["trained"] == {"0": 1} and told["spared"] == told["silent"] == []


def evaluation(folder: Path, **more: object) -> Path:
    """An evaluation of two subjects of lab b, each a fold of its own, unless told otherwise."""
    folds = [{"name": name, "pool": "all", "held_out": [name]} for name in ("b/0", "b/1")]
    folder.mkdir()
    (folder / "split.json").write_text(json.dumps({"subjects_leak": False, "folds": folds, **more}))
    return folder


def test_forget_says_of_every_run_and_evaluation_whether_it_saw_a_subject(dealt: Path, tmp_path: Path) -> None:
    folds = evaluation(tmp_path / "folds")
    found = run("forget", "b/1", dealt, folds).output
    assert f"{folds}: an evaluation with b/1" in found and f"{dealt}: never saw it" in found
    found = run("forget", "lab/0", dealt, folds).output
    assert "peer 0 trained on 1 clips" in found and f"{folds}: never saw it" in found


def test_forget_says_that_a_data_sets_folder_has_no_list_to_take_a_subject_out_of(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no manifest.csv.*\n.*p2pme data manifest"):
        run("forget", "lab/0", "--data", tmp_path, "-o", tmp_path / "rest.csv")


def test_a_folder_of_films_is_told_how_they_become_clips(tmp_path: Path) -> None:
    (tmp_path / "P01").mkdir()
    (tmp_path / "P01" / "smile.MP4").write_bytes(b"film")
    with pytest.raises(DataError, match=r"holds films \(smile.MP4\).*\n.*ffmpeg -i smile.MP4 smile/%04d.png"):
        run("check", tmp_path)


def test_a_name_that_no_run_knows_is_no_all_clear(dealt: Path, tmp_path: Path) -> None:
    folds = evaluation(tmp_path / "folds")
    for misspelt, meant in [("0", "lab/0"), ("lb/0", "lab/0"), ("b/11", "b/1")]:
        with pytest.raises(DataError, match=f"knows {misspelt}\\n.*did you mean .*{meant}"):
            run("forget", misspelt, dealt, folds)
    with pytest.raises(DataError, match="DATASET/SUBJECT"):
        run("forget", "zzzzzz", dealt)
    path = rows(tmp_path / "m.csv", [row("p.png", "9", "train")])
    assert f"{dealt}: never saw it" in run("forget", "lab/9", dealt, "--data", path).output, "a manifest knows the name"


def test_a_frame_split_answers_by_the_subjects_that_it_names(tmp_path: Path) -> None:
    everybody = [{"name": "random samples", "pool": "all", "held_out": [0, 7]}]
    frames = evaluation(tmp_path / "frames", subjects_leak=True, folds=everybody, subjects=["b/0", "b/1"])
    assert f"{frames}: an evaluation with b/1" in run("forget", "b/1", frames).output
    with pytest.raises(DataError, match="did you mean"):
        run("forget", "b/2", frames)
    nameless = evaluation(tmp_path / "nameless", subjects_leak=True, folds=everybody)
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "evaluation.json").write_text("{}")
    said = run("forget", "b/1", frames, nameless, begun).output
    assert f"{nameless}: does not name its subjects" in said and f"{begun}: does not name its subjects" in said
    with pytest.raises(DataError, match=r"name no subjects: .*nameless"):
        run("forget", "b/1", nameless)


def test_forget_takes_a_subject_out_and_leaves_every_other_cell(tmp_path: Path) -> None:
    table = [line | {"age": number, "path": f"gone-{number}.png"} for number, line in enumerate(sound(tmp_path))]
    path = rows(tmp_path / "m.csv", table)
    before = path.read_text().splitlines()
    assert "nothing is written" in run("forget", "lab/2", "--data", path).output
    assert path.read_text().splitlines() == before
    run("forget", "lab/2", "--data", path, "-o", tmp_path / "rest.csv")
    assert (tmp_path / "rest.csv").read_text().splitlines() == [*before[:3], *before[4:]]
    run("forget", "lab/2", "--data", path, "--in-place")
    assert path.read_text() == (tmp_path / "rest.csv").read_text()
    with pytest.raises(DataError, match="did you mean"):
        run("forget", "lab/2", "--data", path)
    assert run("forget", "lab/1", "--data", path, "-o", "x", "--in-place").exit_code == 2
    assert run("forget", "lab/1").exit_code == 2


def test_rows_are_kept_as_they_are(tmp_path: Path) -> None:
    path = rows(tmp_path / "m.csv", sound(tmp_path))
    write_rows(read_rows(path), tmp_path / "again.csv")
    assert path.read_text() == (tmp_path / "again.csv").read_text()
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no columns"):
        read_rows(tmp_path / "other.csv")


def test_where_all_is_in_one_place_nothing_is_compared_and_no_split_is_called_sound(tmp_path: Path) -> None:
    table = [line | {"split": ""} for line in sound(tmp_path)]
    one = run("audit", rows(tmp_path / "m.csv", table))
    assert one.exit_code == 2
    assert "nothing could be compared" in one.output and "no leak" not in one.output
    assert "split.json" in one.output and one.output.count("\n") == 3
    table[5] |= {"split": "test"}
    assert run("audit", rows(tmp_path / "m.csv", table)).exit_code == 0


def test_manifests_of_one_name_are_two_and_one_named_twice_is_one(tmp_path: Path) -> None:
    table = good(tmp_path, 2)
    for folder, mine in (("a", table), ("b", table[:3])):
        named = [{**each, "path": str(tmp_path / str(each["path"]))} for each in mine]
        rows(tmp_path / folder / "train.csv", named)
    paths = [tmp_path / "a" / "train.csv", tmp_path / "b" / "train.csv"]
    (both,) = read_audited(paths, None)
    found = audit(both)
    assert found.leaking and {leak.kind for leak in found.leaks} >= {Kind.SUBJECT, Kind.IDENTICAL}
    (again,) = read_audited([paths[0], tmp_path / "a" / ".." / "a" / "train.csv"], None)
    assert len(again.clips) == 6 and audit(again).silent


def test_where_no_image_opens_nothing_is_called_sound(tmp_path: Path) -> None:
    table = good(tmp_path, 2)
    for place, each in enumerate(table):
        each["split"] = ("train", "test")[place // 3]
    path = rows(tmp_path / "manifest.csv", table)
    (sound,) = read_audited([path], None)
    assert "no leak was found" in audit_text(audit(sound)).splitlines()[-1]
    (tmp_path / "0-0.png").write_bytes(b"none")
    (some,) = read_audited([path], None)
    assert audit_text(audit(some)).endswith("no leak was found; images were compared of 5 clips only")
    for each in table:
        (tmp_path / str(each["path"])).write_bytes(b"none")
    found = audit(read_audited([path], None)[0])
    assert found.silent and not found.sound and "no image can be opened" in audit_text(found)
    assert audit(read_audited([path], None)[0], images=False).sound
