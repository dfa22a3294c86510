"""Folds: everything is held out exactly once, and nobody who is held out is trained on."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.data.manifest import Clip
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate.folds import make_split
from p2pfl_me.evaluate.holdout import HoldOut
from p2pfl_me.evaluate.units import WholeUnit, touches, units_of, untouched
from tests.evaluate.making import clip

LABELS = ("negative", "positive", "surprise")
# The same subject number in two data sets is two people.
people = st.lists(
    st.tuples(st.sampled_from(["casme2", "smic", "samm"]), st.integers(0, 4), st.sampled_from(LABELS)),
    min_size=4,
    max_size=40,
).map(lambda drawn: tuple(clip(*who, number, label) for number, (*who, label) in enumerate(drawn)))
by_subject = st.sampled_from([HoldOut.LOSO, HoldOut.KFOLD, HoldOut.LAB, HoldOut.SINGLE])


@settings(max_examples=150, deadline=None)
@given(people, by_subject, st.integers(0, 3), st.integers(2, 4))
def test_each_item_is_held_out_once_and_no_subject_is_on_two_sides(
    clips: tuple[Clip, ...], protocol: HoldOut, seed: int, folds: int
) -> None:
    try:
        split = make_split(clips, protocol, folds=folds, seed=seed)
    except DataError:
        subjects = {each.subject for each in clips}
        datasets = {each.dataset for each in clips}
        lone = min(len({c.subject for c in clips if c.dataset == name}) for name in datasets)
        needed = {HoldOut.LOSO: len(subjects) < 2, HoldOut.KFOLD: len(subjects) < folds}
        assert needed.get(protocol, len(datasets) < 2 if protocol is HoldOut.LAB else lone < 2)
        return
    held = [item for fold in split.folds for item in fold.test]
    assert sorted(held) == list(range(len(clips)))
    for fold in split.folds:
        inside = {each.dataset for each in clips} if fold.pool == "all" else {fold.pool}
        assert not {clips[item].subject for item in fold.test} & {clips[item].subject for item in fold.train}
        assert sorted((*fold.test, *fold.train)) == [n for n, each in enumerate(clips) if each.dataset in inside]
    assert split == make_split(clips, protocol, folds=folds, seed=seed)
    if protocol is HoldOut.KFOLD:
        assert len(split.folds) == folds and all(fold.test for fold in split.folds)
    if protocol is HoldOut.LAB:
        assert all(len({clips[item].dataset for item in fold.test}) == 1 for fold in split.folds)


def test_leave_one_subject_out_has_one_fold_a_subject() -> None:
    clips = [clip("a", n % 3, n, LABELS[n % 2]) for n in range(9)]
    split = make_split(clips, HoldOut.LOSO, folds=5, seed=0)
    assert [fold.name for fold in split.folds] == ["a/0", "a/1", "a/2"]
    assert split.folds[1].test == (1, 4, 7)


def test_k_folds_have_the_classes_in_like_shares() -> None:
    random = np.random.default_rng(0)
    clips = [clip("a", n % 25, n, str(random.choice(LABELS, p=[0.6, 0.25, 0.15]))) for n in range(250)]
    split = make_split(clips, HoldOut.KFOLD, folds=5, seed=0)
    whole = Counter(each.label for each in clips)
    for fold in split.folds:
        counts = Counter(clips[item].label for item in fold.test)
        assert all(abs(counts[label] - whole[label] / 5) <= 6 for label in LABELS), counts


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_each_subject_goes_to_the_fold_whose_shares_it_leaves_closest(seed: int, folds: int) -> None:
    """By the definition: the largest first, one to each empty fold, then the fold with the least sum of squares."""
    random = np.random.default_rng(seed)
    sizes = random.choice(np.arange(1, 30), size=9, replace=False)  # all different, so that chance decides nothing
    labels = [random.choice(LABELS, size=size) for size in sizes]
    clips = [clip("a", who, number, str(label)) for who, own in enumerate(labels) for number, label in enumerate(own)]
    vectors = np.array([[np.sum(own == label) for label in LABELS] for own in labels], dtype=np.float64)
    share = vectors.sum(axis=0) / folds
    split = make_split(clips, HoldOut.KFOLD, folds=folds, seed=1)
    assert [fold.name for fold in split.folds] == [f"fold {number}" for number in range(1, folds + 1)]
    found = {clips[item].subject: number for number, fold in enumerate(split.folds) for item in fold.test}
    held = np.zeros((folds, 3))
    for place, who in enumerate(np.argsort(-sizes).tolist()):
        apart = [
            float(((np.vstack([held, held[fold] + vectors[who]]) / share - 1) ** 2).sum()) for fold in range(folds)
        ]
        apart = [one - float(((held[fold] / share - 1) ** 2).sum()) for fold, one in enumerate(apart)]
        chosen = found[f"a/{who}"]
        assert chosen == place if place < folds else apart[chosen] <= min(apart) + 1e-9
        held[chosen] += vectors[who]


@pytest.mark.parametrize("seed", range(6))
def test_subjects_of_one_class_each_are_spread_over_the_folds(seed: int) -> None:
    """Four subjects of each class and four folds: each fold has one of each, whatever the order of equal subjects."""
    clips = [clip("a", subject, number, LABELS[subject % 3]) for subject in range(12) for number in range(5)]
    split = make_split(clips, HoldOut.KFOLD, folds=4, seed=seed)
    for fold in split.folds:
        assert Counter(clips[item].label for item in fold.test) == dict.fromkeys(LABELS, 5)


def test_random_samples_are_a_part_of_every_class_and_leak() -> None:
    clips = [clip("a", n % 4, n, LABELS[n % 3]) for n in range(60)]
    split = make_split(clips, HoldOut.FRAMES, folds=5, seed=3)
    (fold,) = split.folds
    assert Counter(clips[item].label for item in fold.test) == dict.fromkeys(LABELS, 4)
    assert {clips[item].subject for item in fold.test} & {clips[item].subject for item in fold.train}
    said = split.to_json(clips)
    assert said["subjects_leak"] is True and len(said["folds"][0]["held_out"]) == 12
    assert said["subjects"] == ["a/0", "a/1", "a/2", "a/3"]


def test_a_class_of_one_sample_stays_in_training_and_one_of_two_gives_one() -> None:
    labels = [LABELS[0]] * 10 + [LABELS[1]] * 2 + [LABELS[2]]
    clips = [clip("a", n, n, label) for n, label in enumerate(labels)]
    (fold,) = make_split(clips, HoldOut.FRAMES, folds=5, seed=0).folds
    assert Counter(clips[item].label for item in fold.test) == {LABELS[0]: 2, LABELS[1]: 1}


@pytest.mark.parametrize(
    ("protocol", "few", "enough"),
    [
        (HoldOut.LOSO, [("a", 0)], [("a", 0), ("a", 1)]),
        (HoldOut.KFOLD, [("a", 0), ("a", 1)], [("a", 0), ("a", 1), ("b", 0)]),
        (HoldOut.LAB, [("a", 0), ("a", 1)], [("a", 0), ("b", 0)]),
        (HoldOut.SINGLE, [("a", 0), ("a", 1), ("b", 0)], [("a", 0), ("a", 1), ("b", 0), ("b", 1)]),
    ],
)
def test_each_protocol_needs_just_so_many(
    protocol: HoldOut, few: list[tuple[str, int]], enough: list[tuple[str, int]]
) -> None:
    def clips(who: list[tuple[str, int]]) -> list[Clip]:
        return [clip(*each, number, LABELS[number % 2]) for number, each in enumerate(who * 2)]

    with pytest.raises(DataError, match="at least"):
        make_split(clips(few), protocol, folds=3, seed=0)
    assert all(fold.test and fold.train for fold in make_split(clips(enough), protocol, folds=3, seed=0).folds)


def test_a_split_names_subjects_and_its_digest_follows_what_is_held_out() -> None:
    clips = [clip("a", n % 5, n, LABELS[n % 3]) for n in range(30)]
    split = make_split(clips, HoldOut.KFOLD, folds=2, seed=0)
    said = split.to_json(clips)
    assert sorted(name for fold in said["folds"] for name in fold["held_out"]) == [f"a/{n}" for n in range(5)]
    assert split.digest() != make_split(clips, HoldOut.LOSO, folds=2, seed=0).digest()


@settings(max_examples=60, deadline=None)
@given(people, st.integers(2, 4), st.integers(0, 9))
def test_units_ask_every_isolated_peer_about_every_item_once(clips: tuple[Clip, ...], peers: int, seed: int) -> None:
    subjects = sorted({each.subject for each in clips})
    if len(subjects) < 2:
        return
    split = make_split(clips, HoldOut.LOSO, folds=5, seed=0)
    random = np.random.default_rng(seed)
    of = dict(zip(subjects, random.integers(0, peers, len(subjects)), strict=True))
    peer_of = np.array([of[each.subject] for each in clips])
    asked: Counter[tuple[int, int]] = Counter()
    for fold in split.folds:
        for peer in range(peers):
            if touches(fold, peer_of, peer):
                asked.update((peer, item) for item in fold.test)
    for peer in range(peers):
        asked.update((peer, item) for item in untouched(split, peer_of, "all", peer))
    assert asked == {(peer, item): 1 for peer in range(peers) for item in range(len(clips))}
    names = [unit.name for unit in units_of(split, {"all": peer_of}, 1)]
    assert len(set(names)) == len(names)


def test_a_data_sets_name_never_leaves_the_folder() -> None:
    names = {WholeUnit(1, pool, 0).name for pool in ("../../etc", "a b", "a-b", "all")}
    assert len(names) == 4 and all(name.startswith("seed-1/") and ".." not in name for name in names)


def test_too_few_subjects_are_refused_with_a_way_out() -> None:
    lone = [clip("a", 0, n, LABELS[n % 2]) for n in range(4)]
    with pytest.raises(DataError, match="1 subject, and loso needs 2"):
        make_split(lone, HoldOut.LOSO, folds=5, seed=0)
