"""A leak warning stands in every part of a document that can be taken out of it, the pictures themselves among them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from p2pfl_me.report.document import Document, Paragraph, Picture, Section, Table, drawn
from p2pfl_me.report.numbers import Row
from p2pfl_me.report.style import NARROW, WIDTH, house_style, new_figure
from p2pfl_me.report.svg import files_of, svg_bytes
from p2pfl_me.report.warning import with_warning


def draw(rows: Sequence[Row], width: float) -> Figure:
    assert rows == [{"peer": "0"}], "its figure never sees the column"
    return new_figure(2, width)[0]


def test_every_picture_bears_the_words_also_as_a_file_of_its_own() -> None:
    plain = Picture("scores", "Scores", "Higher is better.", "bars", ("peer",), ((0,),), draw)
    blocks = (Table(("a",), (("1",),), caption="One."), plain, Paragraph("Words."))
    document = Document("Title", "", "Verdict.", (), (Section("Section", blocks, anchor="section"),), "")
    table, picture, words = with_warning(document, ["subjects leak"]).sections[0].blocks
    assert isinstance(table, Table) and isinstance(picture, Picture) and words == blocks[2]
    assert table.caption == "SUBJECTS LEAK. One."
    with house_style():
        for width in (WIDTH, NARROW):
            assert svg_bytes(picture.figure(width)).count(b"SUBJECTS LEAK") == 1
        files = files_of(picture)
    assert b"SUBJECTS LEAK" in files.svg and files.phone is not None and b"SUBJECTS LEAK" in files.phone
    assert picture.rows == ((0, "subjects leak"),)


@pytest.mark.parametrize("width", [WIDTH, NARROW])
def test_a_long_warning_stays_within_its_drawing(width: float) -> None:
    """Two leaks at once, of as many clips as there may be: on a phone it was cut at both ends."""
    words = "subjects leak; weights were trained on subjects of 12,345 of 67,890 clips; drawn faces"
    with house_style():
        figure = drawn(lambda rows, width: new_figure(2, width)[0], "peer\r\n0\r\n", width, words)
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
        (told,) = figure.texts
        box = told.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert figure.axes[0].get_tightbbox().y1 <= box.y0, "it pushes the drawing down and lies on nothing"
        assert told.get_text().replace("\n", " ") == words.upper()
