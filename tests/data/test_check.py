"""`check_manifest` finds each planted fault, on its line, and nothing in a sound manifest."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from p2pfl_me.data.check import check_manifest, sound_clips
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.identity import Identities
from p2pfl_me.data.labels import as_labels
from p2pfl_me.data.look import LIGHT
from p2pfl_me.data.manifest import Fault
from p2pfl_me.data.reading import rows_of
from p2pfl_me.errors import DataError
from tests.data.make import CLASSES, good, picture, row, rows, save

Table = list[dict[str, object]]


def test_a_sound_manifest_has_no_problem_and_is_counted(tmp_path: Path) -> None:
    rows(tmp_path / "manifest.csv", good(tmp_path, datasets=("lab", "clinic")))
    report = check_manifest(tmp_path, CLASSES)
    assert report.problems == () and report.notes == ()
    assert report.classes == {"negative": 4, "positive": 4, "surprise": 4}
    assert report.datasets == {"clinic": 6, "lab": 6} and len(report.subjects) == 4 and report.clips == 12


def _text_for_image(folder: Path, table: Table) -> None:
    (folder / "0-0.png").write_text("no image")


def _truncated(folder: Path, table: Table) -> None:
    data = (folder / "0-0.png").read_bytes()
    (folder / "0-0.png").write_bytes(data[:40])


def _gone(folder: Path, table: Table) -> None:
    (folder / "0-0.png").unlink()


def _twice_in_another_format(folder: Path, table: Table) -> None:
    save(folder / "again.bmp", picture(0))
    table.insert(0, row("again.bmp", "77"))


def _named_twice(folder: Path, table: Table) -> None:
    for name, seed in (("one", 800), ("two", 900)):
        for number in (1, 2):
            save(folder / name / f"{number}.png", picture(seed + number))
        table.append(row(name, "03", "negative", clip="c1"))


def _a_dot(folder: Path, table: Table) -> None:
    save(folder / "0-0.png", picture(500, side=1))


def _label(folder: Path, table: Table) -> None:
    table[0]["label"] = "joy"


def _leak(folder: Path, table: Table) -> None:
    for line in table:
        line["split"] = "train"
    table[1]["split"] = "test"


def _no_frames(folder: Path, table: Table) -> None:
    (folder / "film").mkdir()
    table[0]["path"] = "film"


def _other_frames(folder: Path, table: Table) -> None:
    for number in range(4, 9):
        save(folder / "film" / f"img{number}.png", picture(number))
    table[0] |= {"path": "film", "onset": 2, "apex": 6, "offset": 8}
    for line in table[1:]:
        line |= {"onset": "", "apex": "", "offset": ""}


@pytest.mark.parametrize(
    ("plant", "fault", "line", "said"),
    [
        (_text_for_image, Fault.UNREADABLE, 2, "is not an image"),
        (_truncated, Fault.UNREADABLE, 2, "0-0.png"),
        (_gone, Fault.MISSING, 2, "no such file"),
        (_twice_in_another_format, Fault.DUPLICATE, 3, "line 2, with another subject and label"),
        (_named_twice, Fault.DUPLICATE, 15, "c1 of lab/03 has the name of the one of line 14, and another path"),
        (_a_dot, Fault.UNREADABLE, 2, "0-0.png is 1x1 pixels"),
        (_label, Fault.LABEL, 2, "unknown label 'joy'"),
        (_leak, Fault.LEAK, 3, "is in test here and in train on line 2"),
        (_no_frames, Fault.FRAMES, 2, "no numbered images"),
        (_other_frames, Fault.FRAMES, 2, r"onset 2 not among the frames \(4 to 8\)"),
    ],
)
def test_a_planted_fault_is_found_on_its_line(
    tmp_path: Path, plant: Callable[[Path, Table], None], fault: Fault, line: int, said: str
) -> None:
    table = good(tmp_path)
    plant(tmp_path, table)
    rows(tmp_path / "manifest.csv", table)
    (problem,) = check_manifest(tmp_path, CLASSES).problems
    assert (problem.kind, problem.line) == (fault, line)
    assert re.search(said, problem.text)


def test_frames_of_one_clip_may_have_a_row_each(tmp_path: Path) -> None:
    table = good(tmp_path)
    for number in (1, 2):
        save(tmp_path / "film" / f"{number}.png", picture(800 + number))
        table.append(row(f"film/{number}.png", "03", "negative", clip="film"))
    rows(tmp_path / "manifest.csv", table)
    assert check_manifest(tmp_path, CLASSES).problems == ()


def test_a_class_without_clips_is_a_problem(tmp_path: Path) -> None:
    rows(tmp_path / "manifest.csv", good(tmp_path))
    (problem,) = check_manifest(tmp_path, (*CLASSES, "fear")).problems
    assert problem.kind is Fault.EMPTY and "fear" in problem.text


def test_two_clips_of_one_long_film_are_no_duplicates_and_its_rest_is_not_opened(tmp_path: Path) -> None:
    for number in range(1, 21):
        save(tmp_path / "film" / f"f{number}.png", picture(number))
    (tmp_path / "film" / "f20.png").write_text("damaged, but in no clip")
    table = [row("film", label="positive", onset=1, offset=5), row("film", label="negative", onset=10, offset=14)]
    rows(tmp_path / "manifest.csv", table)
    assert check_manifest(tmp_path, ("positive", "negative")).problems == ()


def test_what_is_odd_but_usable_is_noted(tmp_path: Path) -> None:
    table = good(tmp_path)
    save(tmp_path / "0-0.png", picture(500, side=40))
    save(tmp_path / "0-1.png", cv2.cvtColor(picture(501), cv2.COLOR_BGR2GRAY))
    for number in (1, 2, 5, 6):
        save(tmp_path / "film" / f"{number}.png", picture(600 + number))
        save(tmp_path / "late" / f"{number}.png", picture(800 + number))
    save(tmp_path / "still" / "1.png", picture(700))
    table += [row("film", "09", "negative"), row("still", "09", "contempt")]
    table += [row("late", "09", "negative", onset="-1", apex=5, offset="")]
    rows(tmp_path / "manifest.csv", table, columns=tuple(table[-1]))
    report = check_manifest(tmp_path, (*CLASSES, "contempt"))
    notes = "\n".join(report.notes)
    assert report.problems == ()
    for said in (
        "1 clip is grey",
        "2 sizes",
        "2 clips lack 4 frames",
        "1 clip names no onset: the first frame of the folder is taken",
        "1 clip names no offset: the last frame",
        "2 clips name no apex",
        "one frame only",
        "contempt",
    ):
        assert said in notes


def test_frames_of_several_sizes_and_apexes_without_motion_are_noted_with_their_place(tmp_path: Path) -> None:
    table = good(tmp_path)
    for number, side in ((1, 30), (2, 40), (3, 30)):
        save(tmp_path / "mixed" / f"{number}.png", picture(600 + number, side))
        save(tmp_path / "still" / f"{number}.png", picture(700 + number))
    table += [row("mixed", "03", "negative", onset=1, apex=2, offset=3)]
    table += [row("still", "03", "negative", onset=1, apex=1, offset=3)]
    rows(tmp_path / "manifest.csv", table, columns=tuple(table[-1]))
    report = check_manifest(tmp_path, CLASSES)
    notes = "\n".join(report.notes)
    assert report.problems == ()
    assert "1 clip has frames of several sizes (line 14)" in notes
    assert "1 clip has the apex at the onset (line 15): no motion is seen" in notes


def test_the_line_of_a_problem_in_many_rows_is_sorted(tmp_path: Path) -> None:
    table = good(tmp_path)
    (tmp_path / "3-2.png").write_text("")
    table[0]["label"] = "joy"
    table[5]["path"] = "gone"
    rows(tmp_path / "manifest.csv", table)
    assert [problem.line for problem in check_manifest(tmp_path, CLASSES).problems] == [2, 7, 13]


def test_no_manifest_is_an_error_not_a_report(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such manifest"):
        check_manifest(tmp_path / "nowhere.csv", CLASSES)


def test_16_bit_pictures_are_read(tmp_path: Path) -> None:
    table = good(tmp_path)
    save(tmp_path / "0-0.png", np.random.default_rng(0).integers(0, 65536, size=(28, 28, 3), dtype=np.uint16))
    rows(tmp_path / "manifest.csv", table)
    assert check_manifest(tmp_path, CLASSES).problems == ()


def film_of(folder: Path, name: str, pictures: list[np.ndarray]) -> dict[str, object]:
    for number, image in enumerate(pictures, 1):
        save(folder / name / f"{number}.png", image)
    return row(name)


def test_clips_that_show_nothing_or_stand_still_are_problems_and_halting_ones_a_note(tmp_path: Path) -> None:
    black, frames = np.zeros((28, 28, 3), np.uint8), [picture(300 + number) for number in range(4)]
    table = good(tmp_path)
    table += [
        film_of(tmp_path, "black", [black] * 3),
        film_of(tmp_path, "gap", [*frames[:2], black, frames[3]]),
        film_of(tmp_path, "frozen", [picture(400)] * 3),
        film_of(tmp_path, "halting", [frames[0], frames[0], frames[1]]),
    ]
    save(tmp_path / "grey.png", np.full((28, 28, 3), 130, np.uint8))
    table.append(row("grey.png"))
    report = check_manifest(rows(tmp_path / "manifest.csv", table), CLASSES)
    said = [(problem.line, problem.text.replace(str(tmp_path), "")) for problem in report.problems]
    assert said == [
        (14, "every picture of /black shows nothing: it is black throughout"),
        (15, "1 of 4 pictures of /gap shows nothing: it is black throughout, the first 3.png"),
        (16, "the 3 pictures of /frozen are one and the same: nothing moves"),
        (18, "/grey.png shows nothing: it is one colour throughout"),
    ]
    assert "1 clip shows some picture twice in a row (line 17): what moves, moves in steps" in report.notes


def test_frames_of_two_people_that_were_mixed_are_a_problem_and_cuts_are_not(tmp_path: Path) -> None:
    one, other = (cv2.resize(picture(seed, 12), (48, 48), interpolation=cv2.INTER_CUBIC) for seed in (500, 501))
    table = good(tmp_path)
    table += [
        film_of(tmp_path, "mixed", [np.roll((one, other)[number % 2], number // 4, axis=1) for number in range(8)]),
        film_of(tmp_path, "cut", [np.roll(one if number < 4 else other, number, axis=1) for number in range(8)]),
        film_of(tmp_path, "lit", [(one * (0.5 + number % 2 / 2)).astype(np.uint8) for number in range(8)]),
        film_of(tmp_path, "others", [picture(510 + number) for number in range(8)]),
    ]
    report = check_manifest(rows(tmp_path / "manifest.csv", table), CLASSES)
    (problem,) = report.problems
    assert problem.line == 14 and problem.kind is Fault.FRAMES
    assert problem.text.endswith("mixed jump to and fro 6 times, as where two people's frames are mixed")


def test_damaged_jpegs_and_few_bits_are_problems(tmp_path: Path) -> None:
    """What OpenCV decodes with success, and with a warning that nobody reads."""
    table = good(tmp_path)
    coarse = cv2.resize(picture(7, 60), (160, 160), interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(".jpg", coarse)[1].tobytes()
    middle = len(data) // 2
    (tmp_path / "zeros.jpg").write_bytes(data[:middle] + bytes(1500) + data[middle + 1500 :])
    (tmp_path / "half.jpg").write_bytes(data[:middle] + b"\xff\xd9")
    save(tmp_path / "deep.png", picture(8).astype(np.uint16) * 16)
    table += [row(name) for name in ("zeros.jpg", "half.jpg", "deep.png")]
    report = check_manifest(rows(tmp_path / "manifest.csv", table), CLASSES)
    said = [problem.text for problem in report.problems]
    assert [problem.kind for problem in report.problems] == [Fault.UNREADABLE] * 3
    assert "zeros.jpg is damaged" in said[0] and "half.jpg is damaged" in said[1] and "12 are used" in said[2]


def test_clips_come_in_order_whoever_opens_them(tmp_path: Path) -> None:
    """Light pictures are opened at once, heavy ones by threads; folders of both."""
    sides = (28, 160, 160, 28, 28, 160)
    files = [save(tmp_path / f"{number}.png", picture(number, side)) for number, side in enumerate(sides)]
    assert {file.stat().st_size < LIGHT for file in files} == {True, False}
    table = [row(file.name, f"{number:02d}") for number, file in enumerate(files)]
    for number in (1, 2):
        save(tmp_path / "film" / f"{number}.png", picture(90 + number, 160))
    table += [row("film", "90"), row("gone", "91"), row("0.png", "92"), row("2.png", "93")]
    clips = [
        clip
        for clip in rows_of(rows(tmp_path / "m.csv", table), as_labels(None), Identities())
        if isinstance(clip, Clip)
    ]
    sound, problems = sound_clips(clips, workers=2)
    assert [clip.clip for clip in sound] == [*(file.name for file in files), "film"]
    assert [str(problem)[:35] for problem in problems] == [
        "line 10: the same pixels as line 2,",
        "line 11: the same pixels as line 4,",
    ]
