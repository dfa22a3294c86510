"""Drawn clips: a function of seed and subject alone, seven classes, too hard for pixels, clear in motion."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from p2pfl_me.contract.model import CASME2_CLASSES, Synthetic
from p2pfl_me.contract.preprocess import Input, Preprocess
from p2pfl_me.data.check import check_manifest
from p2pfl_me.data.frames import frame_files
from p2pfl_me.data.images import read_image
from p2pfl_me.data.manifest import Clip, Manifest
from p2pfl_me.data.preprocess.inputs import clip_images
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.data.reading import read_clips
from p2pfl_me.data.split import split_subjects
from p2pfl_me.data.synthetic import NEUTRAL, subjects_manifest, synthesise, write_synthetic
from p2pfl_me.errors import DataError

SMALL = Synthetic(subjects=3, clips_per_subject=7)


def planned(spec: Synthetic = SMALL, seed: int = 1, neutral: int = 0) -> Manifest:
    return subjects_manifest(spec, seed, CASME2_CLASSES, neutral=neutral)


def flow_of(clip: Clip) -> npt.NDArray[np.uint8]:
    return np.asarray(clip_images(clip, Recipe(Input.FLOW, 64, Preprocess())).images[0])


def pixels(clip: Clip) -> list[bytes]:
    return [path.read_bytes() for path in frame_files(clip.path).values()]


def test_every_class_is_there_more_often_where_casme_has_more() -> None:
    counts = Counter(clip.label for clip in planned(Synthetic()).clips)
    assert len(planned(Synthetic()).clips) == 672 and set(counts) == set(CASME2_CLASSES)
    assert counts["others"] == 3 * counts["fear"]
    few = planned(Synthetic(subjects=4, clips_per_subject=7)).clips
    assert set(CASME2_CLASSES) == {clip.label for clip in few}


def test_there_are_laboratories_and_their_subjects() -> None:
    found = planned(Synthetic(subjects=6)).clips
    assert Counter(clip.dataset for clip in found) == {"lab-a": 28, "lab-b": 28, "lab-c": 28}
    assert len({clip.subject for clip in found}) == 6
    assert all(clip.subject.startswith(clip.dataset + "/") for clip in found)


def test_a_subject_is_a_function_of_seed_and_number_alone(tmp_path: Path) -> None:
    whole = synthesise(SMALL, 1, tmp_path / "a", split=planned())
    own = Manifest(Path("own"), tuple(clip for clip in planned().clips if clip.path.parts[0] == "s002"))
    alone = synthesise(SMALL, 1, tmp_path / "b", split=own)
    assert [path.name for path in sorted(alone.source.iterdir()) if path.is_dir()] == ["s002"]
    for left, right in zip([c for c in whole.clips if c.subject.endswith("s002")], alone.clips, strict=True):
        assert pixels(left) == pixels(right) and (left.onset, left.apex) == (right.onset, right.apex)
    other = synthesise(SMALL, 2, tmp_path / "a", split=planned(seed=2))
    assert pixels(other.clips[0]) != pixels(whole.clips[0])


def test_what_is_drawn_is_not_drawn_again(tmp_path: Path) -> None:
    first = synthesise(SMALL, 1, tmp_path, split=planned())
    mark = first.clips[0].path / "img001.png"
    mark.write_bytes(b"kept")
    assert synthesise(SMALL, 1, tmp_path, split=planned()) == first and mark.read_bytes() == b"kept"


def test_a_torn_drawing_is_begun_anew(tmp_path: Path) -> None:
    folder = synthesise(SMALL, 1, tmp_path / "whole", split=planned()).source
    draft = tmp_path / "torn" / folder.name / ".s000.draft" / "c00"
    draft.mkdir(parents=True)
    (draft / "img001.png").write_bytes(b"half")
    torn = synthesise(SMALL, 1, tmp_path / "torn", split=planned())
    assert pixels(torn.clips[0]) == pixels(synthesise(SMALL, 1, tmp_path / "whole", split=planned()).clips[0])


def test_a_written_set_is_sound_can_move_and_shows_neutral_faces_when_asked(tmp_path: Path) -> None:
    write_synthetic(SMALL, 1, tmp_path / "set", planned(neutral=2))
    (tmp_path / "set").rename(tmp_path / "moved")
    report = check_manifest(tmp_path / "moved", (*CASME2_CLASSES, NEUTRAL))
    assert report.problems == () and report.clips == 27 and report.classes[NEUTRAL] == 6
    assert {path.suffix for path in (tmp_path / "moved").iterdir()} == {"", ".csv", ".txt"}
    for clip in read_clips(tmp_path / "moved", (*CASME2_CLASSES, NEUTRAL)).clips:
        frames = frame_files(clip.path)
        assert clip.onset == 1 and clip.apex in range(2, 7) and clip.offset == len(frames) == 7
    with pytest.raises(DataError, match="no empty folder"):
        write_synthetic(SMALL, 1, tmp_path / "moved", planned())


@pytest.mark.thorough
def test_neutral_clips_move_less_than_expressions(tmp_path: Path) -> None:
    drawn = write_synthetic(SMALL, 1, tmp_path / "set", planned(neutral=7))
    strain = {True: 0.0, False: 0.0}
    for clip in drawn.clips:
        strain[clip.label == NEUTRAL] += float(np.std(flow_of(clip)[..., 2]))
    assert strain[True] < 0.5 * strain[False]


def test_other_classes_are_refused_with_what_to_do() -> None:
    with pytest.raises(DataError, match="--data"):
        subjects_manifest(SMALL, 1, ("negative", "positive", "surprise"))


@pytest.mark.thorough
def test_pixels_do_not_solve_it_and_motion_does(tmp_path: Path) -> None:
    # Here, as it takes each process of the tests a second that collects this file.
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    spec = Synthetic(subjects=16, clips_per_subject=14)
    drawn = synthesise(
        spec, 1, tmp_path, split=split_subjects(planned(spec), test_fraction=0.25, validation_fraction=0.0, seed=1)
    )
    tested = np.array([clip.split == "test" for clip in drawn.clips])
    labels = np.array([clip.label for clip in drawn.clips])

    def probe(features: npt.NDArray[np.float32]) -> float:
        linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=60))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            linear.fit(features[~tested], labels[~tested])
        return float(f1_score(labels[tested], linear.predict(features[tested]), average="macro"))

    def small(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.asarray(cv2.resize(image, (20, 20), interpolation=cv2.INTER_AREA), np.float32).ravel()

    apexes = np.stack([small(read_image(frame_files(clip.path)[clip.apex or 1])) for clip in drawn.clips])
    flows = np.stack([small(flow_of(clip)) for clip in drawn.clips])
    assert probe(apexes) < 0.35
    assert probe(flows) > 0.55
