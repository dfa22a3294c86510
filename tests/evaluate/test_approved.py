"""The page of an evaluation, its card and its tables, word by word, and its figures mark by mark, as approved."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.evaluate.answers import Answers
from p2pfl_me.evaluate.document import compose
from p2pfl_me.evaluate.results import Results
from p2pfl_me.evaluate.write import texts
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.document import Picture
from p2pfl_me.report.style import house_style
from tests.evaluate.test_absent import three_labs
from tests.report.approving import approve, figure_words, page_words

ERRORS = {Arm.ISOLATED: 0.6, Arm.GOSSIP: 0.4, Arm.AVERAGE: 0.35, Arm.POOLED: 0.2}


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """Three labs, two seeds, each arm wrong as often as `ERRORS` says."""
    exact, random = three_labs(tmp_path), np.random.default_rng(0)
    answers = []
    for each in exact.answers:
        models = {}
        for arm, rows in each.models.items():
            wrong = random.random(rows.shape) < ERRORS.get(arm, 0)
            models[arm] = np.where(rows < 0, -1, np.where(wrong, random.integers(0, 3, rows.shape), rows))
        answers.append(Answers(each.seed, models))
    return replace(exact, answers=tuple(answers))


def test_page_card_and_tables(results: Results) -> None:
    with house_style():
        document = compose(results)
    files = texts(results)
    card = "\n".join(
        line
        for line in files["card.md"].split("```yaml")[0].splitlines()
        if not re.match(r"- (versions|machine|written|digests|command)", line)
    )
    heads = {
        name: "\n".join(files[name].splitlines()[:40]) for name in ("scores.csv", "differences.csv", "predictions.csv")
    }
    counts = {name: len(files[name].splitlines()) for name in heads}
    approve("evaluation-page", "\n".join([page_words(document), card, *heads.values(), str(counts)]) + "\n")
    pictures = [block for section in document.sections for block in section.blocks if isinstance(block, Picture)]
    approve("evaluation-figures", figure_words(pictures))
