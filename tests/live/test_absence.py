"""What was not seen is told as such: faceless, still, sideways and slow films, and a camera that stops."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.cli.spot import spot
from p2pfl_me.errors import DataError
from p2pfl_me.live.absence import LEAST_S, Absence, AbsenceMeter, Lack
from p2pfl_me.live.film import Image, open_film
from p2pfl_me.live.messages import report_json
from p2pfl_me.live.watcher import State, Watcher
from p2pfl_me.spotting.settings import SpotterSettings


def metered(pictures: list[tuple[float, Lack | None]]) -> tuple[list[Absence], AbsenceMeter]:
    meter = AbsenceMeter()
    found = [absence for time_s, lack in pictures for absence in meter.push(time_s, lack)]
    return [*found, *meter.finish()], meter


def test_absences_by_hand() -> None:
    """30 pictures a second: a face from 1 s to 4 s, none until 6 s, then no picture until 9 s, too slow until 12 s."""
    pictures: list[tuple[float, Lack | None]] = [
        (i / 30, Lack.FACE if i < 30 or i >= 120 else None) for i in range(180)
    ]
    pictures += [(9 + i / 10, Lack.RATE) for i in range(31)]
    found, meter = metered(pictures)
    said = [(each.kind.value, round(each.onset_s, 1), round(each.offset_s, 1)) for each in found]
    assert said == [("no face", 0, 1), ("no face", 4, 6), ("no picture", 6, 9), ("too slow", 9, 12)]
    assert meter.unseen and meter.words().startswith("no face in 25% of it, no picture for 25% of it, too few")


@given(st.lists(st.tuples(st.floats(0.01, 3), st.sampled_from([None, *Lack])), max_size=40))
def test_absences_never_overlap_and_lie_in_the_film(steps: list[tuple[float, Lack | None]]) -> None:
    times = np.cumsum([step for step, _ in steps])
    pictures = [(float(time), lack) for time, (_, lack) in zip(times, steps, strict=True)]
    found, meter = metered(pictures)
    for one, other in pairwise(found):
        assert one.offset_s <= other.onset_s
    for each in found:
        assert times[0] <= each.onset_s < each.offset_s <= times[-1]
        assert each.seconds >= LEAST_S or (each.onset_s, each.offset_s) == (times[0], times[-1])
    assert sum(meter.shares.values()) <= 1 + 1e-9


def written(path: Path, pictures: Iterator[Image], fps: float = 30.0) -> Path:
    writer = None
    for image in pictures:
        if writer is None:
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, image.shape[1::-1])
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert writer is not None
    writer.release()
    return path


def noise(count: int) -> Iterator[Image]:
    random = np.random.default_rng(1)
    for _ in range(count):
        yield random.integers(100, 140, (120, 160, 3)).astype(np.uint8)


def beginning(film: Path, count: int, step: int = 1) -> Iterator[Image]:
    return (picture.image for picture in islice(open_film(film).pictures(), 0, count * step, step))


def spotted(*arguments: object) -> tuple[int, list[dict[str, str]], str]:
    run = CliRunner().invoke(spot, [str(each) for each in arguments], standalone_mode=False)
    assert run.exception is None or isinstance(run.exception, SystemExit), run.exception
    return run.exit_code, list(csv.DictReader(io.StringIO(run.stdout))), run.stderr


@pytest.mark.few(1)
@pytest.mark.parametrize("online", [(), ("--online",)])
@pytest.mark.parametrize("kind", ["no face", "sideways"])
def test_a_film_without_a_face_is_no_film_without_events(
    kind: str, online: tuple[str, ...], film: Path, tmp_path: Path
) -> None:
    shown = {
        "no face": noise(45),
        "sideways": (np.ascontiguousarray(np.rot90(image)) for image in beginning(film, 45)),
    }[kind]
    code, rows, said = spotted(written(tmp_path / "film.avi", shown), *online)
    assert code == 1 and "no face in 100% of it" in said and "says nothing of the person (film.avi)" in said
    assert [(row["kind"], row["onset_s"], row["person"]) for row in rows] == [("no face", "0.000", "")]
    if kind == "no face":
        told = CliRunner().invoke(spot, [str(tmp_path / "film.avi"), *online, "--json"], standalone_mode=False)
        (found,) = json.loads(told.stdout)["films"]
        assert told.exit_code == 1 and found["unseen"] and found["film"] == "film.avi"
        assert found["rows"] == [{"kind": "no face", "onset_s": 0.0, "offset_s": float(rows[0]["offset_s"])}]


@pytest.mark.thorough
@pytest.mark.parametrize("online", [(), ("--online",)])
def test_ten_pictures_a_second_are_too_slow_and_nothing_is_marked(
    online: tuple[str, ...], film: Path, tmp_path: Path
) -> None:
    slow = written(tmp_path / "slow.avi", beginning(film, 80, 3), 10.0)
    code, rows, said = spotted(slow, *online)
    assert code == 1 and "too few pictures a second to spot anything in" in said
    assert {row["kind"] for row in rows} == {"too slow"}


@pytest.mark.few(1)
@pytest.mark.parametrize(("online", "count"), [((), 2), ((), 20), (("--online",), 20), (("--online",), 100)])
def test_a_film_too_short_for_a_calm_face_to_be_known_is_no_film_without_events(
    online: tuple[str, ...], count: int, film: Path, tmp_path: Path
) -> None:
    code, _, said = spotted(written(tmp_path / "film.avi", beginning(film, count)), *online)
    assert code == 1 and "the calm face was not known yet" in said and "says nothing of the person (film.avi)" in said


def test_a_folder_of_one_picture_throughout_is_refused(film: Path, tmp_path: Path) -> None:
    face = next(beginning(film, 1))
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), face)
    with pytest.raises(DataError, match="4 pictures are one and the same"):
        open_film(tmp_path, 30.0)
    for number in range(1, 4):
        (tmp_path / f"{number}.png").unlink()
    with pytest.raises(DataError, match="holds one picture"):
        open_film(tmp_path, 30.0)


@pytest.mark.thorough
def test_the_page_is_told_of_what_lacks_and_for_how_long(film: Path) -> None:
    watcher = Watcher(SpotterSettings(), None)
    frames = list(beginning(film, 20))
    empty = np.full_like(frames[0], 90)
    reports = [watcher.push(index / 30, frames[index % 20], index) for index in range(60)]
    assert all(report.lacking is None and not report.absences for report in reports)
    reports = [watcher.push(2 + index / 20, empty, 60 + index) for index in range(100)]
    assert reports[-1].lacking is not None and reports[-1].lacking.kind is Lack.FACE and reports[-1].lacking.seconds > 2
    back = watcher.push(15.0, frames[0], 170)
    assert [each.kind for each in back.absences] == [Lack.FACE, Lack.PICTURE]
    told = json.loads(report_json(1, back, 1.0))
    assert [each["kind"] for each in told["absences"]] == ["no face", "no picture"]
    assert told["absences"][1]["offset"] == 15.0


@pytest.mark.thorough
def test_a_slow_camera_watches_nobody(film: Path) -> None:
    watcher = Watcher(SpotterSettings(), None)
    reports = [watcher.push(index / 10, image, index) for index, image in enumerate(beginning(film, 80, 3))]
    assert not any(report.events for report in reports) and not watcher.finish()
    assert reports[-1].lacking is not None and reports[-1].lacking.kind is Lack.RATE
    assert {seen.state for seen in reports[-1].persons} == {State.SLOW}
