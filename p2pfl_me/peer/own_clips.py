"""What a peer's clips are, in counts, and whether it goes on with those that it began with, as marks tell.

A mark is made of a clip's content and person under a secret of this user (`HOME/clips.secret`), beside split and label
in clear. Run folders are handed on, to reports over several labs for instance: without the secret nobody who has a clip
at hand can try whether it is among those of a lab. Marks are compared here and never travel.
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from p2pfl_me.atomic import create_whole, write_whole
from p2pfl_me.counting import many
from p2pfl_me.data.clip import Clip
from p2pfl_me.errors import DataError, PeerError
from p2pfl_me.files import read_json, read_regular, refusing
from p2pfl_me.run.events import Data, Start
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.reading import read_log

FORMAT = 1
SECRET = 32
SHOWN = 24
"""Hex digits of a mark: 96 bits, which no two of anybody's clips share by chance."""

ANYWAY = "name the data that it began with; or say --other-data, and log and report will tell that they changed"

Mark = tuple[str, str, str, str]
"""Content, person, split, label."""
_MARKS = TypeAdapter(list[Mark])


@dataclass(frozen=True)
class OwnClips:
    """The marks of a peer's clips, sorted; `basis` tells under which secret and from what content they were made, so
    that marks of two bases are never compared."""

    basis: str
    marks: tuple[Mark, ...]


UNMARKED = OwnClips("", ())


def summary_of(clips: Sequence[Clip]) -> Data:
    """Counts of clips by split, of subjects, and of training clips by class."""
    count = Counter(clip.split for clip in clips)
    return Data(
        train=count["train"],
        validation=count["validation"],
        test=count["test"],
        subjects=len({clip.subject for clip in clips if clip.split != "test"}),
        drawn=sum(clip.drawn for clip in clips),
        classes=dict(sorted(Counter(clip.label for clip in clips if clip.split == "train").items())),
    )


def mark(clips: Sequence[Clip], contents: Sequence[bytes], recipe: str, home: Path) -> OwnClips:
    """Marks of clips whose `contents` (a digest each) were made by a `recipe`.

    Raises
    ------
    DataError
        What stands there is no secret of this user's.
    PeerError
        It cannot be read or made.
    """
    secret = _secret(home)
    marks = (
        (
            _under(secret, b"clip", content),
            _under(secret, b"person", clip.subject.encode()),
            clip.split or "",
            clip.label,
        )
        for clip, content in zip(clips, contents, strict=True)
    )
    return OwnClips(_under(secret, b"recipe", recipe.encode()), tuple(sorted(marks)))


def keep(run: Path, peer: int, own: OwnClips) -> None:
    """Put the marks where the next life finds them.

    Raises
    ------
    PeerError
        The disk is full, or the folder cannot be written.
    """
    path = RunFolder(run).clips(peer)
    text = json.dumps({"format": FORMAT, "basis": own.basis, "clips": own.marks}, separators=(",", ":"))
    with refusing(PeerError, path, "free some space, then give the same command again"):
        write_whole(path, text)


def other_than_before(run: Path, peer: int, own: OwnClips, summary: Data) -> str:
    """How the clips differ from those of this peer's last life, in words; empty where they do not.

    Where marks are missing (a run folder of an earlier p2pme) or of another basis (another `P2PME_HOME`), counts have
    to do, which the log has.

    Raises
    ------
    DataError
        What stands there are no marks.
    """
    before = _kept(RunFolder(run).clips(peer))
    if before and before.basis == own.basis:
        return _difference(before.marks, own.marks)
    last = last_start(run, peer)
    return _counts_apart(last.data, summary) if last else ""


def drawn_before(run: Path, peer: int) -> bool:
    """Whether this peer's last life had drawn clips and no others."""
    last = last_start(run, peer)
    return last is not None and last.data.drawn == last.data.train + last.data.validation + last.data.test


def last_start(run: Path, peer: int) -> Start | None:
    starts = [line.event for line in read_log(RunFolder(run), peer).events if isinstance(line.event, Start)]
    return starts[-1] if starts else None


def refusal(words: str, peer: int, data: Path | None) -> DataError:
    """That a run does not go on with other clips unless its user says so."""
    return DataError(
        f"peer {peer} would go on with other clips than it has trained on: {words}",
        where=str(data or "the built-in clips"),
        fix=ANYWAY,
    )


def _secret(home: Path) -> bytes:
    path = home / "clips.secret"
    with refusing(PeerError, path, "free some space, or set P2PME_HOME to a folder of yours"):
        if not path.exists():
            with suppress(FileExistsError):  # another peer of this user was faster
                create_whole(path, secrets.token_bytes(SECRET))
        found = read_regular(path, own=True)
    if len(found) != SECRET:
        raise DataError(
            f"is no secret of {SECRET} bytes", where=str(path), fix="remove it: the next start makes another"
        )
    return found


def _under(secret: bytes, what: bytes, value: bytes) -> str:
    return hmac.digest(secret, what + b"\0" + value, "sha256").hex()[:SHOWN]


def _kept(path: Path) -> OwnClips | None:
    if not path.exists():
        return None
    try:
        found = read_json(path)
        if (written := found["format"]) != FORMAT:
            raise DataError(
                f"holds marks of clips in format {written}, and this p2pme reads format {FORMAT}",
                where=str(path),
                fix="go on with the version of p2pme that wrote it",
            )
        return OwnClips(str(found["basis"]), tuple(_MARKS.validate_python(found["clips"])))
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(
            "holds no marks of clips",
            where=str(path),
            fix="remove it, and see for yourself that the clips are the same: only counts are compared then",
        ) from error


def _difference(before: Iterable[Mark], now: Iterable[Mark]) -> str:
    was, has = Counter(before), Counter(now)
    gone, new = _by_content((was - has).elements()), _by_content((has - was).elements())
    changed = Counter[str]()
    for content in gone.keys() & new.keys():
        for old, other in zip(gone[content], new[content], strict=False):
            named = zip(("person", "side", "label"), old[1:], other[1:], strict=True)
            changed[" and ".join(f"another {name}" for name, a, b in named if a != b)] += 1
    lost = {content: max(0, len(gone[content]) - len(new.get(content, ()))) for content in gone}
    came = {content: max(0, len(new[content]) - len(gone.get(content, ()))) for content in new}
    told = [f"{many(count, 'clip')} with {how}" for how, count in sorted(changed.items())]
    told += [f"{count} new" for count in [sum(came.values())] if count]
    told += [f"{count} gone" for count in [sum(lost.values())] if count]
    return ", ".join(told)


def _by_content(marks: Iterable[Mark]) -> dict[str, list[Mark]]:
    found = defaultdict[str, list[Mark]](list)
    for each in sorted(marks):
        found[each[0]].append(each)
    return found


def _counts_apart(before: Data, now: Data) -> str:
    pairs = {
        "to train on": (before.train, now.train),
        "to stop by": (before.validation, now.validation),
        "to test on": (before.test, now.test),
    }
    told = [f"{b} clips {what} instead of {a}" for what, (a, b) in pairs.items() if a != b]
    if before.subjects != now.subjects:
        told.append(f"{now.subjects} people instead of {before.subjects}")
    if not told and before.classes != now.classes:
        told.append("other numbers of clips by class")
    return ", ".join(told)
