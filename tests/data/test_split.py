"""No person is ever on two sides, whatever the data looks like; what the user has decided stays."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.data.manifest import Clip, Manifest
from p2pfl_me.data.split import split_subjects
from p2pfl_me.errors import DataError
from tests.data.make import clips

SIZES = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(0, 20)).map(lambda key: f"{key[0]}/{key[1]}"),
    st.integers(1, 6),
    min_size=3,
    max_size=30,
)


def split(found: tuple[Clip, ...], test: float = 0.25, validation: float = 0.0, seed: int = 1) -> tuple[Clip, ...]:
    manifest = Manifest(Path("m.csv"), found)
    return split_subjects(manifest, test_fraction=test, validation_fraction=validation, seed=seed).clips


def sides(found: tuple[Clip, ...]) -> dict[str, set[str | None]]:
    out: dict[str, set[str | None]] = {}
    for clip in found:
        out.setdefault(clip.subject, set()).add(clip.split)
    return out


@given(SIZES, st.floats(0.05, 0.45), st.sampled_from([0.0, 0.2]), st.integers(0, 99))
def test_subjects_are_whole_and_every_part_that_is_asked_for_is_there(
    sizes: dict[str, int], test: float, validation: float, seed: int
) -> None:
    before = clips(sizes)
    after = split(before, test, validation, seed)
    assert tuple(replace(clip, split=None) for clip in after) == before
    assert all(len(parts) == 1 for parts in sides(after).values())
    assert {clip.split for clip in after} == {"train", "test", *(["validation"] if validation else [])}
    assert after == split(before, test, validation, seed)


def test_every_data_set_is_on_both_sides_in_the_asked_share() -> None:
    after = split(clips({f"{name}/{index}": 5 for name in "abc" for index in range(16)}))
    tested = Counter(subject[0] for subject, parts in sides(after).items() if parts == {"test"})
    assert tested == {"a": 4, "b": 4, "c": 4}


def test_rare_classes_reach_the_test_part_in_their_share() -> None:
    common = clips({f"a/{index}": 4 for index in range(30)}, labels=("common",))
    rare = tuple(replace(clip, label="rare") for clip in clips({f"a/{index}": 4 for index in range(30, 40)}))
    for seed in range(5):
        after = split((*common, *rare), seed=seed)
        share = [
            sum(c.label == "rare" for c in after if c.split == s) / 16 / (3 if s == "train" else 1)
            for s in ("test", "train")
        ]
        assert 0.3 < share[0] < 1.1


def test_seeds_differ() -> None:
    found = clips({f"a/{index}": 3 for index in range(12)})
    assert len({split(found, seed=seed) for seed in range(5)}) > 1


def test_a_split_that_the_manifest_brings_stays() -> None:
    found = clips({f"a/{index}": 3 for index in range(8)})
    whole = tuple(replace(clip, split="test" if clip.subject == "a/0" else "train") for clip in found)
    assert split(whole) == whole
    some = tuple(replace(clip, split="test" if clip.subject == "a/0" else None) for clip in found)
    assert sides(split(some)) == sides(whole)  # its test subjects are all the test subjects
    parts = sides(split(some, validation=0.2))
    assert parts["a/0"] == {"test"} and Counter(str(p) for s in parts.values() for p in s)["validation"] == 1


def test_too_few_subjects_are_refused() -> None:
    with pytest.raises(DataError, match="1 subject cannot be split into 2 parts"):
        split(clips({"a/0": 9}))
    with pytest.raises(DataError, match="2 subjects cannot be split into 3 parts"):
        split(clips({"a/0": 9, "a/1": 9}), validation=0.1)
    assert {clip.split for clip in split(clips({"a/0": 9}), test=0.0)} == {"train"}
