"""Films and intervals as files: what is read, and what is refused in the user's words."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from p2pfl_me.errors import DataError
from p2pfl_me.live.absence import Absence, Lack
from p2pfl_me.live.film import Film, open_film
from p2pfl_me.live.intervals import COLUMNS, read_truth, write_spotted
from p2pfl_me.live.naming import Name
from p2pfl_me.live.whole import Result, Spotted
from p2pfl_me.spotting.event import Event, Verdict
from p2pfl_me.spotting.interval import Interval, Kind
from p2pfl_me.spotting.regions import Group

FILM = Film(Path("a.avi"), 30.0, 300, seconds=10.0)
FOLDER = Film(Path("s1/b"), 200.0, 900, first=101, seconds=4.5)


def truth(tmp_path: Path, text: str, *films: Film) -> dict[str, tuple[Interval, ...]]:
    path = tmp_path / "truth.csv"
    path.write_text(text)
    return read_truth(path, films or (FILM, FOLDER))


def test_seconds_and_frames_mean_the_same(tmp_path: Path) -> None:
    rows = "film,kind,label,onset_s,offset_s\na.avi,micro,fear,1.0,1.4\nb,macro,,2,3.5\na,blink,,5,5.2\n"
    assert truth(tmp_path, rows) == {
        "a.avi": (Interval(1.0, 1.4, Kind.MICRO, "fear"),),
        "b": (Interval(2.0, 3.5, Kind.MACRO),),
    }
    framed = truth(tmp_path, "film,onset,offset\nb,101,200\nb,301,600\n")
    assert framed["b"] == (Interval(0.0, 0.5, Kind.MICRO), Interval(1.0, 2.5, Kind.MACRO))
    assert truth(tmp_path, "onset_s,offset_s\n1,2\n", FILM)["a.avi"] == (Interval(1, 2, Kind.MACRO),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("film,start,end\na,1,2\n", "neither `onset_s` and `offset_s`"),
        ("film,onset_s,offset_s\nc.avi,1,2\na,x,2\na,3,2\n", "3 problems"),
        ("film,kind,onset_s,offset_s\na,tiny,1,2\n", "unknown kind 'tiny'"),
        ("film,onset_s,offset_s\na,nan,2\na,1,nan\n", r"2 problems:\n  line 2: .* no time\n  line 3: .* no time"),
        ("film,onset_s,offset_s\na,inf,inf\na,1,inf\n", "2 problems"),
        ("film,onset_s,offset_s\na,-1,2\n", "line 2: the onset -1 s is before the film begins"),
        ("film,onset,offset\nb,90,120\n", "line 2: .* before the film begins"),
        ("film,onset_s,offset_s\na,9,11\na,1000,2000\n", r"line 2: the offset 11 s .*10 s\n  line 3: the offset 2000"),
        ("film,onset,offset\nb,900,1002\n", "line 2: .* after the film ends"),
        ("film,onset_s,offset_s\na,1,2\nb,1,2\na.avi,1.0,2\n", r"1 problem:\n  line 4: repeats line 2"),
    ],
)
def test_a_truth_that_cannot_be_read(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        truth(tmp_path, text)


def test_the_last_picture_and_a_film_of_unknown_length_are_no_trouble(tmp_path: Path) -> None:
    assert truth(tmp_path, "film,onset,offset\nb,990,1001\na,290,300\n")["b"]
    endless = Film(Path("a.webm"), 30.0, 1)
    assert truth(tmp_path, "onset_s,offset_s\n1000,2000\n", endless)["a.webm"]
    twins = truth(tmp_path, "film,person,onset_s,offset_s\na,1,1,2\na,2,1,2\n")
    assert len(twins["a.avi"]) == 2, "two persons may do the same at once"


def test_what_was_spotted_is_written_without_blinks_and_can_be_read_back(tmp_path: Path) -> None:
    interval = Interval(1.0, 1.4, Kind.MICRO)
    events = [
        Spotted(1, Event(Verdict.EXPRESSION, interval, 1.2, Group.MOUTH, 4.5), Name("fear", 0.81, True)),
        Spotted(2, Event(Verdict.EXPRESSION, interval, 1.2, Group.BROWS, 3.0), Name("fear", 0.31, False)),
        Spotted(1, Event(Verdict.BLINK, interval, 1.2, Group.BROWS, 3.0)),
    ]
    file = io.StringIO()
    lost = (Absence(Lack.FACE, 4.0, 7.5), Absence(Lack.RATE, 8.0, 9.5))
    write_spotted(file, [(FILM, Result(tuple(events), lost, False, ""))])
    rows = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert tuple(rows[0]) == COLUMNS and [row["label"] for row in rows] == ["", "", "fear", ""]
    assert [(row["kind"], row["onset_s"], row["offset_s"]) for row in rows[:2]] == [
        ("no face", "4.000", "7.500"),
        ("too slow", "8.000", "9.500"),
    ]
    again = truth(tmp_path, file.getvalue())["a.avi"]
    assert again[0] == Interval(1.0, 1.4, Kind.MICRO, "fear") and len(again) == 2, "absences are no expressions"


def test_a_folder_of_frames_is_a_film_with_gaps(tmp_path: Path) -> None:
    for number in (8, 9, 11):
        cv2.imwrite(str(tmp_path / f"img{number}.png"), np.full((8, 8, 3), number, np.uint8))
    film = open_film(tmp_path, 100.0)
    pictures = list(film.pictures())
    assert (
        film.first == 8
        and film.frames == 3
        and film.seconds == pytest.approx(0.04)
        and [picture.time_s for picture in pictures] == pytest.approx([0, 0.01, 0.03])
    )
    assert pictures[2].image[0, 0, 0] == 11


@pytest.mark.parametrize("kind", ["missing", "text", "empty folder", "folder without a rate"])
def test_what_is_no_film(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "film.avi"
    if kind == "text":
        path.write_text("no film")
    elif kind != "missing":
        path.mkdir()
        if kind == "folder without a rate":
            cv2.imwrite(str(path / "img1.png"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DataError) as caught:
        open_film(path)
    assert caught.value.fix and str(path) in str(caught.value)
