"""A film that breaks off is told from one that ends, and from one that does not know how long it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pfl_me.data.film_end import require_end, require_sound
from p2pfl_me.data.video import look_at
from p2pfl_me.errors import DataError
from tests.data.make import picture


@pytest.mark.parametrize(("stated", "read"), [(452, 452), (452, 450), (5, 3), (1000, 980), (10, 12)])
def test_a_count_that_is_nearly_met_is_the_end(stated: int, read: int) -> None:
    require_end(Path("film.avi"), stated, read)


@pytest.mark.parametrize("stated", [0, -1, -2.8e17, float("nan")])
def test_a_container_that_does_not_know_its_count_is_believed(stated: float) -> None:
    require_end(Path("film.webm"), stated, 7)


@pytest.mark.parametrize(("stated", "read"), [(452, 21), (6, 3), (1000, 979)])
def test_a_film_that_breaks_off_is_refused_with_both_counts(stated: int, read: int) -> None:
    with pytest.raises(DataError) as caught:
        require_end(Path("film.avi"), stated, read)
    assert caught.value.where == "film.avi" and caught.value.fix
    assert f"{read} of the {stated} pictures" in caught.value.what


@pytest.mark.parametrize("damaged", [[], [0], [0, 1, 2], list(range(9))])
def test_a_film_may_begin_in_the_middle_of_another(damaged: list[int]) -> None:
    require_sound(Path("film.mp4"), damaged, 9)


@pytest.mark.parametrize(
    ("damaged", "said"), [([3], "1 damaged picture of 9, the first is number 4"), ([0, 1, 5, 6], "2 damaged pictures")]
)
def test_pictures_that_were_made_up_are_counted(damaged: list[int], said: str) -> None:
    with pytest.raises(DataError, match=said):
        require_sound(Path("film.mp4"), damaged, 9)


@pytest.mark.parametrize("rest_s", [0, 3])
def test_a_film_whose_camera_rests_has_not_broken_off_where_no_count_is_held(tmp_path: Path, rest_s: int) -> None:
    """As a browser records a page: no picture comes while nothing changes."""
    av = pytest.importorskip("av")
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=30)
        stream.width = stream.height = 64
        for count in range(40):
            frame = av.VideoFrame.from_ndarray(picture(count, 64), format="rgb24")
            frame.pts = count + (30 * rest_s if count > 20 else 0)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    stamps = [stamp for stamp, _ in look_at(path).pictures()]
    assert len(stamps) == 40 and stamps[-1] == pytest.approx(39 / 30 + rest_s, abs=0.05)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=r"of the \d+ pictures that it states"):
        list(look_at(cut).pictures())
