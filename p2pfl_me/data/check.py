"""Everything wrong with a manifest or a data set at once: rows, files, subjects, clips that stand in it twice.

Clips pass through one by one: what is kept of each is a digest and counts, so memory hardly grows with their number.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from p2pfl_me.counting import many
from p2pfl_me.data.clip import Clip, Dropped, Fault, Problem, Remark, in_order, place
from p2pfl_me.data.drawn import words_of
from p2pfl_me.data.duplicates import DuplicateWatch, values_of
from p2pfl_me.data.identity import Identities
from p2pfl_me.data.identity_rules import ASK, IdentityRules
from p2pfl_me.data.labels import Labels, alike_words, as_labels
from p2pfl_me.data.look import Images, Look, Looker
from p2pfl_me.data.reading import is_dataset, rows_of
from p2pfl_me.machine import cores

AHEAD = 16
"""Clips that each worker may be ahead of the count."""
SHOWN = 4
"""Places, or sizes, that a note names."""


@dataclass(frozen=True)
class CheckReport:
    """`problems` must be mended; `remarks` say how the oddities of a data set are taken; `notes` are worth knowing.

    Counts are of clips in rows without a fault; `dropped` of those that the label map leaves out, by label.
    """

    problems: tuple[Problem, ...]
    remarks: tuple[Remark, ...]
    notes: tuple[str, ...]
    clips: int
    classes: dict[str, int]
    dropped: dict[str, int]
    datasets: dict[str, int]
    splits: dict[str, int]
    subjects: dict[str, int]


def check_manifest(
    path: Path,
    classes: Sequence[str] | Labels | None,
    images: Images = Images.ALL,
    workers: int | None = None,
    rules: IdentityRules = ASK,
) -> CheckReport:
    """Read every row and look at the images.

    Parameters
    ----------
    path:
        A manifest, a data set's folder, or a file of feature vectors.
    classes:
        The labels that may stand there; None takes any, or those that the data set is known to have.
    workers:
        Threads that open images; as many as there are processors when None.
    rules:
        What the user said of spellings that could be one person.

    Raises
    ------
    DataError
        There is nothing that could be checked.
    """
    labels = as_labels(classes)
    tally = _Tally(images, any_label=labels.classes is None and not is_dataset(path))
    who = Identities(rules)
    for found, look in _looked(rows_of(path, labels, who), images, workers or cores()):
        tally.take(found, look)
    tally.problems += who.unheard()
    return tally.report(labels.classes)


def sound_clips(clips: Sequence[Clip], workers: int | None = None) -> tuple[tuple[Clip, ...], tuple[Problem, ...]]:
    """The clips whose every frame can be read and that stand there once, and what is wrong with the others."""
    watch, sound, problems = DuplicateWatch(), list[Clip](), list[Problem]()
    for clip, look in _looked(clips, Images.ALL, workers or cores()):
        if fault := _image_fault(clip, look, watch):
            problems.append(fault)
        else:
            sound.append(clip)
    return tuple(sound), tuple(problems)


Found = Clip | Dropped | Problem | Remark
Row = TypeVar("Row", bound=Found)


def _looked(rows: Iterable[Row], images: Images, workers: int) -> Iterator[tuple[Row, Look]]:
    """Every row, in order, with the look at its images; a few are opened ahead of time."""
    if images is Images.NONE:
        yield from ((found, Look()) for found in rows)
        return
    looker = Looker(images)
    with ThreadPoolExecutor(workers) as pool:  # images decode outside the interpreter's lock
        ahead: deque[tuple[Row, Future[Look] | Look]] = deque()
        for found in rows:
            if not isinstance(found, Clip):
                ahead.append((found, Look()))
            else:
                ahead.append((found, looker.look(found) if looker.is_light(found) else pool.submit(looker.look, found)))
            while ahead and (len(ahead) > AHEAD * workers or isinstance(ahead[0][1], Look)):
                yield _done(*ahead.popleft())
        for row, look in ahead:
            yield _done(row, look)


def _done(row: Row, look: Future[Look] | Look) -> tuple[Row, Look]:
    return row, look if isinstance(look, Look) else look.result()


def _image_fault(clip: Clip, look: Look, watch: DuplicateWatch) -> Problem | None:
    """What its images show: they cannot be read, or the same pixels (where none is opened, the same frames of the same
    file) stand there already."""
    if look.problem:
        return look.problem
    what = "the same frames" if look.digest is None else values_of(clip)
    name = clip.clip if clip.path.suffix else ""
    key = look.digest or f"{clip.path}\0{name}\0{clip.onset}\0{clip.offset}".encode()
    again = watch.see(clip, key)
    return again.problem(clip, what) if again else None


@dataclass
class _Tally:
    """What is kept of the rows that have passed."""

    images: Images
    any_label: bool = False
    problems: list[Problem] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    clips: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    datasets: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    subjects: Counter[str] = field(default_factory=Counter)
    members: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    people: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    duplicates: DuplicateWatch = field(default_factory=DuplicateWatch)
    mixed: list[str] = field(default_factory=list)
    still: list[str] = field(default_factory=list)
    halting: list[str] = field(default_factory=list)
    grey: int = 0
    lacking: int = 0
    absent: int = 0
    no_apex: int = 0
    no_onset: int = 0
    no_offset: int = 0
    lone: int = 0
    drawn: int = 0

    def take(self, found: Found, look: Look) -> None:
        if isinstance(found, Problem):
            self.problems.append(found)
        elif isinstance(found, Remark):
            self.remarks.append(found)
        elif isinstance(found, Dropped):
            self.dropped[found.label] += 1
        else:
            self._clip(found, look)

    def _clip(self, clip: Clip, look: Look) -> None:
        if fault := _image_fault(clip, look, self.duplicates):
            self.problems.append(fault)
        self.clips += 1
        self.labels[clip.label] += 1
        self.datasets[clip.dataset] += 1
        self.subjects[clip.subject] += 1
        self.splits[clip.split or ""] += 1
        self.people[clip.label].add(clip.subject)
        self.members[clip.dataset].add(clip.subject)
        self.sizes.update(look.sizes)
        if len(look.sizes) > 1:
            self.mixed.append(place(clip.line, clip.row))
        if look.folder and clip.apex is not None and clip.apex == clip.onset:
            self.still.append(place(clip.line, clip.row))
        if look.repeated:
            self.halting.append(place(clip.line, clip.row))
        self.grey += look.grey
        self.lacking += look.absent > 0
        self.absent += look.absent
        self.no_apex += look.folder and clip.apex is None
        if look.folder and (clip.onset, clip.apex, clip.offset) != (None, None, None):
            self.no_onset += clip.onset is None
            self.no_offset += clip.offset is None
        self.lone += look.lone
        self.drawn += clip.drawn

    def report(self, classes: Sequence[str] | None) -> CheckReport:
        if not (self.clips or self.problems or self.dropped):
            self.problems.append(Problem(0, Fault.EMPTY, "no clips"))
        names = sorted(self.labels) if classes is None else classes
        if classes is None and (words := alike_words(self.labels)):
            self.problems.append(Problem(0, Fault.LABEL, words))
        if self.clips:
            self.problems += [
                Problem(0, Fault.EMPTY, f"class {name} has no clip") for name in names if not self.labels[name]
            ]
        return CheckReport(
            in_order(self.problems),
            tuple(self.remarks),
            tuple(self._notes()),
            self.clips,
            {name: self.labels[name] for name in names},
            dict(sorted(self.dropped.items())),
            dict(sorted(self.datasets.items())),
            {name: count for name, count in sorted(self.splits.items()) if name},
            dict(sorted(self.subjects.items())),
        )

    def _notes(self) -> Iterator[str]:
        if self.images is Images.NONE:
            yield "no image was opened"
        if self.any_label:
            yield "no classes were named, so any label passes: --topology FILE or --classes A,B,... finds others"
        if words := words_of(self.drawn, self.clips):
            yield f"{words}, which were never alive: no result on them says anything about people"
        if self.grey:
            yield f"{many(self.grey, 'clip', 'are')} grey: repeated over three channels"
        if len(self.sizes) > 1:
            common = ", ".join(
                f"{width}x{height} ({count})" for (width, height), count in self.sizes.most_common(SHOWN)
            )
            yield f"images of {len(self.sizes)} sizes, {common}: all are resized"
        if self.clips and not (self.splits["train"] or self.splits[""]):
            yield "no row is for training: a run refuses them, and an evaluation deals them anew"
        if self.mixed:
            what = f"{many(len(self.mixed), 'clip', 'have')} frames of several sizes ({_few(self.mixed)})"
            yield f"{what}: what moves there may be the crop"
        if self.lacking:
            yield f"{many(self.lacking, 'clip', 'lack')} {many(self.absent, 'frame')} between onset and offset"
        if self.no_apex:
            yield f"{many(self.no_apex, 'clip', 'name')} no apex: the frame midway is taken"
        for name, lacking, end in (("onset", self.no_onset, "first"), ("offset", self.no_offset, "last")):
            if lacking:
                yield f"{many(lacking, 'clip', 'name')} no {name}: the {end} frame of the folder is taken"
        if self.still:
            what = f"{many(len(self.still), 'clip', 'have')} the apex at the onset ({_few(self.still)})"
            yield f"{what}: no motion is seen between the two"
        if self.halting:
            what = f"{many(len(self.halting), 'clip', 'show')} some picture twice in a row ({_few(self.halting)})"
            yield f"{what}: what moves, moves in steps"
        if self.lone:
            yield f"{many(self.lone, 'clip', 'have')} one frame only, in which no motion can be seen"
        if single := sorted(name for name, who in self.members.items() if len(who) == 1):
            yield f"one subject is all of {', '.join(single)}: held out, it leaves nobody of its data set to train on"
        if alone := sorted(label for label, subjects in self.people.items() if len(subjects) == 1):
            yield f"only one subject shows {', '.join(alone)}: nobody is left to test what is learned of it"


def _few(places: Sequence[str]) -> str:
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return ", ".join(places[:SHOWN]) + more
