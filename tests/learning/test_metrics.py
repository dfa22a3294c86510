"""Scores against scikit-learn, and against what STSTNet's authors published."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from p2pfl_me.learning.metrics import Metrics, confusion_matrix

STSTNET = {
    "casme2": [[83, 5, 0], [12, 19, 1], [2, 0, 23]],
    "smic": [[54, 10, 6], [17, 30, 4], [14, 1, 28]],
    "samm": [[82, 7, 3], [11, 13, 2], [5, 2, 8]],
}
"""Counts of the predictions that STSTNet's authors published: rows true; negative, positive, surprise."""


def test_published_predictions_give_the_published_scores() -> None:
    total = np.sum(list(STSTNET.values()), axis=0)
    found = Metrics(np.array(total))
    assert found.count == 442
    assert found.uf1 == pytest.approx(0.7353, abs=5e-5)
    assert found.uar == pytest.approx(0.7186, abs=5e-5)
    assert found.accuracy == pytest.approx(0.7692, abs=5e-5)
    assert found.precision.mean() == pytest.approx(0.7605, abs=5e-5), "what they printed as UAR"


labelled = st.integers(2, 6).flatmap(
    lambda k: st.tuples(
        st.just(k),
        st.integers(1, 40).flatmap(
            lambda n: st.tuples(*[arrays(np.int64, n, elements=st.integers(0, k - 1)) for _ in range(2)])
        ),
    )
)


@given(labelled)
def test_scores_are_scikit_learns_over_all_classes_of_the_map(
    drawn: tuple[int, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
) -> None:
    from sklearn import metrics as sk  # here, as it takes each process of the tests a second that collects this file

    classes, (true, predicted) = drawn
    every = list(range(classes))
    found = Metrics(confusion_matrix(true, predicted, classes))
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(true, predicted, labels=every))
    assert found.accuracy == pytest.approx(sk.accuracy_score(true, predicted))
    for average, mine in (("macro", lambda scores: scores.mean()), ("weighted", found.weighted)):
        theirs = sk.precision_recall_fscore_support(true, predicted, labels=every, average=average, zero_division=0)
        for expected, scores in zip(theirs[:3], (found.precision, found.recall, found.f1), strict=True):
            assert mine(scores) == pytest.approx(expected)
    assert found.uf1 == pytest.approx(sk.f1_score(true, predicted, labels=every, average="macro", zero_division=0))


def test_an_absent_class_stays_in_the_mean() -> None:
    found = Metrics(confusion_matrix([0, 1], [0, 1], 4))
    assert found.accuracy == 1.0 and found.uf1 == 0.5 and found.uar == 0.5


def test_the_table_reads_like_a_classification_report() -> None:
    text = Metrics(np.array([[3, 1], [0, 2]])).table(["negative", "positive"])
    lines = text.splitlines()
    assert lines[1].split() == ["negative", "1.000", "0.750", "0.857", "4"]
    assert lines[3].split() == ["accuracy", "0.833", "6"]


def test_no_prediction_is_no_crash() -> None:
    found = Metrics(np.zeros((3, 3), dtype=np.int64)).scores()
    assert found.uf1 == found.accuracy == 0.0 and found.loss is None
