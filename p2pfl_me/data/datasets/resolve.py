"""From an entry to a clip: unknown apexes, offsets that cannot be, numbers with gaps, frames that are counted anew.

What the published sheets are known for is taken as a remark says, and the clip is used; what nobody can guess is a
problem.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from p2pfl_me.contract.label_maps import plain
from p2pfl_me.data.cells import frame_number, is_nobody
from p2pfl_me.data.clip import ApexSource, Clip, Dropped, Fault, Problem, Quirk, Remark, Row
from p2pfl_me.data.datasets.layout import Entry, Layout
from p2pfl_me.data.frames import is_clip_folder
from p2pfl_me.data.labels import Labels
from p2pfl_me.data.spelling import clean
from p2pfl_me.errors import DataError

LONG_S = 2.0
"""A micro-expression lasts half a second at most; far longer is a slip in the sheet."""
FAR = 0.25
"""Share of a clip's length beyond which the nearest frame is no stand-in for one that lacks."""

Found = Clip | Dropped | Problem | Remark
Numbers = Callable[[Path], Sequence[int]]
"""The sorted frame numbers of a folder."""


class Unusable(Exception):
    """A row that gives no clip."""

    def __init__(self, kind: Fault, text: str) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text


@dataclass(frozen=True)
class _Span:
    """Onset, apex and offset as far as they are known, and what had to be said on the way."""

    onset: int | None
    apex: int | None
    offset: int | None
    source: ApexSource | None = None
    said: tuple[tuple[Quirk, str], ...] = ()

    def saying(self, kind: Quirk, text: str, **changes: object) -> _Span:
        return replace(self, said=(*self.said, (kind, text)), **changes)  # type: ignore[arg-type]


def resolve(entry: Entry, layout: Layout, labels: Labels, numbers: Numbers) -> Iterator[Found]:
    """The clip of an entry with the remarks on it, or what is wrong, or that the label map leaves it out."""
    try:
        label = _label(entry, layout, labels)
        span = _present(_written(entry, layout), _there(entry, numbers), entry.row, layout)
    except Unusable as error:
        yield Problem(0, error.kind, error.text, entry.row)
        return
    if label is None:
        yield Dropped(plain(entry.label))
        return
    yield from (Remark(kind, text, entry.row) for kind, text in span.said)
    yield Clip(
        entry.folder,
        layout.name,
        f"{layout.name}/{entry.subject}",
        clean(entry.clip),
        label,
        span.onset,
        span.apex,
        span.offset,
        fps=entry.fps or layout.fps,
        apex_source=span.source,
        row=entry.row,
    )


def _label(entry: Entry, layout: Layout, labels: Labels) -> str | None:
    for name, text in (("subject", entry.subject), ("clip", entry.clip), ("emotion", entry.label)):
        if not text:
            raise Unusable(Fault.CELL, f"the {name} is empty")
        if is_nobody(text):
            raise Unusable(Fault.CELL, f"the {name} is {text!r}, which names nobody and nothing")
    label = plain(entry.label)
    if label not in layout.labels:
        raise Unusable(
            Fault.LABEL, f"unknown emotion {entry.label!r}; {layout.title} has {', '.join(sorted(layout.labels))}"
        )
    if complaint := labels.complaint(label):
        raise Unusable(Fault.LABEL, complaint)
    return labels.of(label, layout.name)


def _there(entry: Entry, numbers: Numbers) -> Sequence[int]:
    try:
        if not is_clip_folder(entry.folder):
            raise Unusable(Fault.MISSING, f"no such folder: {entry.folder}")
        found = numbers(entry.folder)
    except DataError as error:
        raise Unusable(Fault.FRAMES, f"{entry.folder} {error.what}") from error
    if not found:
        raise Unusable(Fault.FRAMES, f"no numbered images in {entry.folder}")
    return found


def _written(entry: Entry, layout: Layout) -> _Span:
    """What the sheet says, as far as it can be true."""
    known: dict[str, int | None] = {}
    for name, text in (("onset", entry.onset), ("apex", entry.apex), ("offset", entry.offset)):
        try:
            known[name] = frame_number(text)
        except ValueError as error:
            raise Unusable(Fault.CELL, f"{name} {error}") from error
    span = _Span(known["onset"], known["apex"], known["offset"])
    if span.onset is None and layout.film:
        raise Unusable(Fault.CELL, "the onset is not given, and its film holds more than this clip")
    if span.offset == 0 and span.onset:
        span = span.saying(Quirk.OFFSET, "offset 0: it is taken as not given", offset=None)
    if layout.apex_known and span.apex is None:
        span = span.saying(Quirk.APEX, "no apex is given: it is taken as unknown")
    return _ordered(span)


def _ordered(span: _Span) -> _Span:
    onset, apex, offset = span.onset or 0, span.apex, span.offset
    if offset is not None and offset < onset and (apex is None or apex < onset):
        raise Unusable(Fault.ORDER, f"onset {onset} is after offset {offset}")
    if apex is None:
        return span
    if apex < onset:
        text = f"apex {apex} is before onset {onset}: it is taken as unknown"
        return span.saying(Quirk.APEX, text, apex=None)
    if offset is not None and offset < apex:
        return span.saying(
            Quirk.OFFSET, f"offset {offset} is before apex {apex}: it is taken as not given", offset=None
        )
    return span


def _present(span: _Span, there: Sequence[int], row: Row, layout: Layout) -> _Span:
    """The same clip in frames that are there."""
    span = _ended(span, there, row, layout)
    assert span.onset is not None and span.offset is not None
    inside = there[bisect_left(there, span.onset) : bisect_right(there, span.offset)]
    if not inside:
        span = _shifted(span, there, layout)
        inside = there
    span = _near(span, "onset", inside, FAR)
    span = _near(span, "offset", inside, FAR if layout.film else 1.0)
    span = replace(span, source=ApexSource.GIVEN if span.apex is not None else None)
    if span.apex is not None and span.apex not in inside:
        span = replace(_near(span, "apex", inside, FAR), source=ApexSource.NEAREST)
    if span.onset is not None and span.offset is not None and span.offset - span.onset > LONG_S * layout.fps:
        span = span.saying(Quirk.LONG, f"it lasts more than {LONG_S:g} s: far longer than a micro-expression")
    return span


def _ended(span: _Span, there: Sequence[int], row: Row, layout: Layout) -> _Span:
    """Where onset or offset are not given, the clip's own folder begins and ends it; in a film it ends at its apex."""
    if span.offset is None:
        if not layout.film:
            end = max(there[-1], span.apex or span.onset or 0)
            if row.number and all(kind is not Quirk.OFFSET for kind, _ in span.said):
                span = span.saying(Quirk.OFFSET, f"no offset is given: its last frame, {end}, is taken")
            span = replace(span, offset=end)
        elif span.apex is None:
            raise Unusable(Fault.CELL, "neither apex nor offset is given, and its film holds more than this clip")
        else:
            span = span.saying(Quirk.OFFSET, f"it ends at its apex, {span.apex}", offset=span.apex)
    if span.onset is not None:
        return span
    if row.number:  # without a sheet nobody could have given it
        span = span.saying(Quirk.NEAREST, f"no onset is given: its first frame, {there[0]}, is taken")
    return replace(span, onset=there[0])


def _shifted(span: _Span, there: Sequence[int], layout: Layout) -> _Span:
    """Frames that the folder counts from another number than the sheet."""
    assert span.onset is not None and span.offset is not None
    if layout.film or there[-1] - there[0] != span.offset - span.onset:
        have = f"{there[0]} to {there[-1]}"
        raise Unusable(Fault.FRAMES, f"none of the frames {span.onset} to {span.offset} is there; there are {have}")
    by = there[0] - span.onset
    text = f"frames {span.onset} to {span.offset} are numbered {there[0]} to {there[-1]} in its folder"
    apex = None if span.apex is None else span.apex + by
    return span.saying(Quirk.SHIFTED, text, onset=there[0], offset=there[-1], apex=apex)


def _near(span: _Span, name: str, inside: Sequence[int], far: float) -> _Span:
    """The frame `name` itself, or the nearest that is there."""
    wanted = getattr(span, name)
    nearest = min(inside, key=lambda number: abs(number - wanted))
    if nearest == wanted:
        return span
    assert span.onset is not None and span.offset is not None
    if abs(nearest - wanted) > far * max(1, span.offset - span.onset):
        have = f"{inside[0]} to {inside[-1]}"
        raise Unusable(Fault.FRAMES, f"{name} {wanted} is not there, nor any frame near it; there are {have}")
    text = f"{name} {wanted} is not there: {nearest}, the nearest, is taken"
    return span.saying(Quirk.NEAREST, text, **{name: nearest})
