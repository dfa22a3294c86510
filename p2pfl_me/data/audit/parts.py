"""What is audited: clips, each on a side of a split and at a peer, from run folders, shares, manifests and folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p2pfl_me.atomic import undrafted
from p2pfl_me.counting import many
from p2pfl_me.data.clip import Clip, Dropped, Fault, Problem, Remark
from p2pfl_me.data.describe import remarks_text
from p2pfl_me.data.frames import is_mirror
from p2pfl_me.data.identity import Identities
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.manifest import manifest_rows, refuse
from p2pfl_me.data.reading import rows_of
from p2pfl_me.data.spelling import clean
from p2pfl_me.data.trained_on import SEEN
from p2pfl_me.errors import DataError
from p2pfl_me.files import read_json
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.manifest import read_manifest_file

CARD = "card.json"
"""Of an evaluation, beside its split."""
FOUND_BY_AUDITS = frozenset((Fault.LEAK, Fault.IDENTITY))


@dataclass(frozen=True, slots=True)
class Placed:
    """A clip and where it is used: `place` names the side, and the peer where there is one."""

    clip: Clip
    place: str


@dataclass(frozen=True)
class Audited:
    """One split: what must not be on two places of it. `leaks` says so of a split that leaks on purpose; `said` are
    notes on how its rows were read (which sheet was taken, what else lies there), and what its run says against itself;
    `seen` those of the latter by which its weights have seen clips that are scored.
    """

    name: str
    clips: tuple[Placed, ...]
    leaks: bool = False
    said: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


def read_audited(paths: Sequence[Path], data: Path | None, rules: IdentityRules = ASK) -> list[Audited]:
    """Every folder is a split of its own; all manifests named together are one.

    Raises
    ------
    DataError
        A path holds no split, or a split.json comes without its clips.
    """
    files = [path for path in paths if path.suffix != ".json" and not path.is_dir()]
    found = [each for path in paths if path not in files for each in _folder(path, data, rules)]
    if files:
        who = Identities(rules)
        clips = tuple(placed for path, name in _named(files) for placed in _manifest(path, name, who))
        if not clips:
            raise DataError("no clips", where=", ".join(map(str, files)), fix="name manifests that hold some")
        found.append(Audited(", ".join(str(path) for path in files), clips))
    return found


def _named(files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Each manifest once, under its name, or its whole path where another has that name; one alone needs none."""
    known = list({path.resolve(): path for path in files}.values())
    stems = Counter(path.stem for path in known)
    for path in known:
        name = path.stem if stems[path.stem] == 1 else str(path)
        yield path, name if len(known) > 1 else ""


def shard_folders(folder: Path) -> list[Path]:
    """Folders of dealt shares in a run, or in a folder of runs: those with a peer-0.csv."""
    return sorted({path.parent for path in undrafted(folder.rglob("peer-0.csv"), folder)})


def _folder(path: Path, data: Path | None, rules: IdentityRules) -> Iterator[Audited]:
    if path.suffix == ".json" or (path / "split.json").exists():
        yield _folds(path / "split.json" if path.is_dir() else path, data, rules)
        return
    shares = shard_folders(path)
    for folder in shares:
        who = Identities(rules)
        clips = [
            placed
            for file in undrafted(folder.glob("*.csv"))
            if not is_mirror(file.name)
            for placed in _manifest(file, "" if file.stem == "test" else file.stem.replace("-", " "), who)
        ]
        place = folder.parent if folder.name == "shards" else folder
        against = _of_run(place)
        yield Audited(str(place), tuple(clips), said=_repeated(place, against), seen=_seen(against))
    if not shares and (path / "manifest.csv").exists():
        yield Audited(str(path), tuple(_manifest(path, "", Identities(rules))))
    elif not shares:
        raise DataError(
            "holds no shares of peers, no split.json and no manifest.csv",
            where=str(path),
            fix="name a run, what `p2pme data split` or `p2pme evaluate` wrote, or manifests",
        )


def _of_run(folder: Path) -> tuple[str, ...]:
    """What a run found against its own scores: an audit of its shares alone knows no weights."""
    manifest = read_manifest_file(RunFolder(folder))
    return tuple(manifest.said_warnings) if manifest else ()


def _of_evaluation(folder: Path) -> tuple[str, ...]:
    """The same of a finished evaluation, after its card."""
    try:
        return tuple(map(str, read_json(folder / CARD).get("warnings", [])))
    except (OSError, ValueError, AttributeError, TypeError):  # none, or something else under its name
        return ()


def _repeated(folder: Path, against: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{folder} says of its own scores: {words}" for words in against)


def _seen(against: Sequence[str]) -> tuple[str, ...]:
    return tuple(words for words in against if words.startswith(SEEN))


def _manifest(path: Path, owner: str, who: Identities) -> Iterator[Placed]:
    """The clips of a manifest; their side is their split, or the manifest itself where they have none."""
    for row in _sound(manifest_rows(path, Labels()), path):
        found, _ = who.see(row)  # that two spellings are in doubt is a finding of the audit, no reason to refuse it
        side = found.split or ("" if owner else "no split")
        yield Placed(found, " of ".join(filter(None, (side, owner))))


def _sound(rows: Iterable[Clip | Dropped | Problem | Remark], path: Path) -> list[Clip]:
    """The clips of rows that are all sound: what cannot be read cannot be called free of leaks."""
    found = list(rows)
    refuse(
        [each for each in found if isinstance(each, Problem) and each.kind not in FOUND_BY_AUDITS],
        where=str(path),
        fix="correct or leave out these rows; an audit that passes over rows proves nothing",
    )
    return [each for each in found if isinstance(each, Clip)]


def _folds(path: Path, data: Path | None, rules: IdentityRules) -> Audited:
    """The folds of an evaluation: each is tested by a model that saw all the others."""
    try:
        values: dict[str, Any] = read_json(path)
        folds = [(str(fold["name"]), str(fold["pool"]), list(fold["held_out"])) for fold in values["folds"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"is no split: {error}", where=str(path), fix="name what `p2pme evaluate` wrote") from error
    if values.get("subjects_leak"):
        return Audited(str(path), (), leaks=True)
    if data is None:
        raise DataError("names subjects, not clips", where=str(path), fix="say with --data where the clips are")
    held_out = {clean(subject): (pool, name) for name, pool, subjects in folds for subject in subjects}
    found = list(rows_of(data, Labels(), Identities(rules)))
    clips = _sound(found, data)
    if gone := sorted(set(held_out) - {clip.subject for clip in clips}):
        more = f" and {many(len(gone) - 1, 'other')}" if gone[1:] else ""
        fix = "name the clips that were evaluated; an audit that passes over subjects proves nothing"
        raise DataError(f"holds no clip of {gone[0]}{more}, who are held out in {path}", where=str(data), fix=fix)
    read = remarks_text([each for each in found if isinstance(each, Remark) and each.of_file])
    against = _of_evaluation(path.parent)
    said = (*read, *_repeated(path.parent, against))
    placed = tuple(_in_fold(clip, held_out.get(clip.subject)) for clip in clips)
    return Audited(str(path), placed, said=said, seen=_seen(against))


def _in_fold(clip: Clip, fold: tuple[str, str] | None) -> Placed:
    return Placed(clip, f"fold {fold[1]}" if fold else "every training part")
