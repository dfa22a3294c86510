"""What makes results no measure of recognition stands on page, card, pictures and tables, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from p2pfl_me.evaluate.card import card_markdown, run_card
from p2pfl_me.evaluate.document import compose
from p2pfl_me.evaluate.results import Results
from p2pfl_me.evaluate.write import texts
from p2pfl_me.report.document import pictures
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.style import house_style
from tests.evaluate.test_absent import three_labs


def drawn(results: Results, count: int) -> Results:
    """The same results, of which so many clips are drawn."""
    items = results.design.items
    clips = tuple(replace(clip, drawn=place < count) for place, clip in enumerate(items.clips))
    return replace(results, design=replace(results.design, items=replace(items, clips=clips)))


@pytest.mark.few(1)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_drawn_faces_are_told_wherever_a_number_stands(tmp_path: Path, share: float) -> None:
    living = three_labs(tmp_path)
    total = len(living.design.items)
    results = drawn(living, round(share * total))
    words = {0.0: "", 0.5: f"drawn faces in {round(total / 2)} of {total} clips", 1.0: "drawn faces"}[share]
    with house_style():
        document = compose(results)
    page, card, files = render_markdown(document), run_card(results), texts(results)
    assert card["warnings"] == ([words] if words else [])
    assert {picture.warning for _, picture in pictures(document.sections)} == {words}
    assert all((words in section.title) for section in document.sections)
    if words:
        assert page.startswith(f"# {words.upper()}: ") and words in card_markdown(card)
        for name in ("predictions.csv", "scores.csv", "differences.csv"):
            header, *lines = files[name].splitlines()
            assert header.endswith(",warning") and all(line.endswith(words) for line in lines), name
    else:
        assert "drawn faces" not in page and "warning" not in files["scores.csv"].splitlines()[0]


def test_weights_that_have_seen_the_clips_are_told_wherever_a_number_stands(tmp_path: Path) -> None:
    living, words = three_labs(tmp_path), "weights were trained on subjects of 3 of 9 clips"
    results = replace(living, design=replace(living.design, seen=words, known=True))
    with house_style():
        document = compose(results)
    assert run_card(results)["warnings"] == [words] and words in card_markdown(run_card(results))
    assert {picture.warning for _, picture in pictures(document.sections)} == {words}
    assert "no score on strangers" in render_markdown(document)
