"""A leak warning stands in every part of a document that can be taken out of it, the pictures themselves among them."""

from __future__ import annotations

from matplotlib.figure import Figure

from p2pfl_me.evaluate.leak_warning import with_warning
from p2pfl_me.report.document import Document, Picture, Section, Table
from p2pfl_me.report.svg import svg_bytes


def picture(narrow: Figure | None) -> Picture:
    return Picture("scores", "Scores", "Higher is better.", "bars", Figure(), ("peer",), ((0,),), narrow=narrow)


def test_every_picture_bears_the_words_also_as_a_file_of_its_own() -> None:
    blocks = (Table(("a",), (("1",),), caption="One."), picture(None), picture(Figure()))
    document = Document("Title", "", "Verdict.", (), (Section("Section", blocks, anchor="section"),), "")
    table, wide, both = with_warning(document, "subjects leak").sections[0].blocks
    assert isinstance(table, Table) and isinstance(wide, Picture) and isinstance(both, Picture)
    assert table.caption == "SUBJECTS LEAK. One."
    assert both.narrow is not None
    for figure in (wide.figure, both.figure, both.narrow):
        assert svg_bytes(figure).count(b"SUBJECTS LEAK") == 1
    assert wide.rows == ((0, "subjects leak"),)
