"""Whose pictures lie in a folder: by a manifest, or by the data set that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from p2pfl_me.data.clip import Clip
from p2pfl_me.data.identity import bare
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.manifest import refuse
from p2pfl_me.data.reading import is_dataset, scan_clips
from p2pfl_me.data.spelling import loose
from p2pfl_me.errors import DataError


def owners_of(
    paths: Sequence[Path], folder: Path, data: Path | None = None, rules: IdentityRules = ASK
) -> tuple[Clip | None, ...]:
    """A clip of the person in each picture of `folder`; None where nobody says who that is.

    Asked are the rows of `data`, else of a manifest.csv or a published data set in `folder`. A picture is a row's if it
    is the row's own or lies in its folder, or if a folder on the way to it bears one subject's name, as in another copy
    of the same data set.

    Raises
    ------
    DataError
        `data` is named and cannot be read, or names of it could be one person.
    """
    clips = _rows(data or folder, rules, required=data is not None)
    by_place = {clip.path.absolute(): clip for clip in clips}
    by_name: dict[tuple[str, ...], set[str]] = {}
    first: dict[str, Clip] = {}
    for clip in clips:
        first.setdefault(clip.subject, clip)
        by_name.setdefault(loose(bare(clip), inside=clip.dataset), set()).add(clip.subject)

    def owner(path: Path) -> Clip | None:
        place = path.absolute()
        if found := by_place.get(place) or by_place.get(place.parent):
            return found
        for name in path.relative_to(folder).parts[:-1] if path.is_relative_to(folder) else ():
            people = by_name.get(loose(name), set())
            if len(people) == 1:
                return first[next(iter(people))]
        return None

    return tuple(map(owner, paths))


def _rows(place: Path, rules: IdentityRules, *, required: bool) -> tuple[Clip, ...]:
    """All that can be read there; of a folder that is merely looked at, nothing where nothing is known."""
    try:
        found, problems, _ = scan_clips(place, Labels(), rules)
    except DataError:
        if required:
            raise
        return ()
    if required or not is_dataset(place):
        refuse(problems, where=str(place), fix="correct the rows that say whose pictures these are")
    return found.clips
