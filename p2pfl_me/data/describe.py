"""A check and a partition in plain text, for the command line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict

from p2pfl_me.counting import many
from p2pfl_me.data.check import CheckReport
from p2pfl_me.data.clip import Clip, Fault, Manifest, Remark


def report_text(report: CheckReport) -> str:
    """Problems, remarks, notes, counts and the verdict, one a line."""
    lines = [str(problem) for problem in report.problems]
    lines += [f"note: {remark}" for remark in remarks_text(report.remarks)]
    lines += [f"note: {note}" for note in report.notes]
    if any(problem.kind is Fault.LABEL and problem.line for problem in report.problems):
        lines.append("note: the classes are those of --topology or --classes")
    lines.append(f"{many(report.clips, 'clip')} of {many(len(report.subjects), 'subject')}")
    counted = (
        ("classes", report.classes),
        ("left out by the label map", report.dropped),
        ("data sets", report.datasets),
        ("splits", report.splits),
    )
    for name, counts in counted:
        if counts:
            lines.append(f"{name}: {', '.join(f'{key} {count}' for key, count in counts.items())}")
    lines.append(many(len(report.problems), "problem") if report.problems else "no problems")
    return "\n".join(lines)


def remarks_text(remarks: Sequence[Remark]) -> Iterator[str]:
    """A line for each thing said of a sheet, with all the rows of which it is said."""
    rows: dict[tuple[str, str], list[int]] = defaultdict(list)
    for remark in remarks:
        sheet = remark.row.sheet if remark.row else ""
        rows[sheet, remark.text].append(remark.row.number if remark.row else 0)
    for (sheet, text), numbers in rows.items():
        known = [str(number) for number in numbers if number]
        where = f"{sheet} row{'s' if len(known) > 1 else ''} {', '.join(known)}" if known else sheet
        yield f"{where}: {text}" if where else text


def what_is_read(manifest: Manifest) -> Iterator[str]:
    """Which sheet and frames were taken, and what else lies there; of what is odd about rows, how much."""
    chosen = [remark for remark in manifest.said if remark.of_file]
    yield from (f"note: {text}" for text in remarks_text(chosen))
    if rest := len(manifest.said) - len(chosen):
        yield f"{many(rest, 'note')} on rows of {manifest.source}: `p2pme data check` shows them"


class CountsObject(TypedDict):
    """Clips and subjects, and clips by data set, by label, and by label left out."""

    clips: int
    subjects: int
    datasets: dict[str, int]
    labels: dict[str, int]
    dropped: dict[str, int]


class PartObject(TypedDict):
    """A part of a split."""

    part: str
    clips: int
    subjects: int
    validation: int
    classes: dict[str, int]


def counts_text(manifest: Manifest) -> str:
    """How many clips of how many people, of which data sets and labels."""
    found = counts_object(manifest)
    counted = (
        ("data sets", found["datasets"]),
        ("labels", found["labels"]),
        ("left out by the label map", found["dropped"]),
    )
    lines = [f"{many(found['clips'], 'clip')} of {many(found['subjects'], 'subject')}"]
    lines += [f"{name}: {', '.join(f'{key} {count}' for key, count in of.items())}" for name, of in counted if of]
    return "\n".join(lines)


def counts_object(manifest: Manifest) -> CountsObject:
    """The same for other programs."""
    clips = manifest.clips
    return {
        "clips": len(clips),
        "subjects": len({clip.subject for clip in clips}),
        "datasets": dict(sorted(Counter(clip.dataset for clip in clips).items())),
        "labels": dict(sorted(Counter(clip.label for clip in clips).items())),
        "dropped": dict(sorted(manifest.dropped.items())),
    }


def parts_object(parts: Mapping[str, Sequence[Clip]], classes: Sequence[str]) -> list[PartObject]:
    """What a split holds, part by part: clips, subjects, validation clips, and clips of each class."""
    return [
        {
            "part": name,
            "clips": len(clips),
            "subjects": len({clip.subject for clip in clips}),
            "validation": sum(clip.split == "validation" for clip in clips),
            "classes": {label: sum(clip.label == label for clip in clips) for label in classes},
        }
        for name, clips in parts.items()
    ]


def parts_text(parts: Mapping[str, Sequence[Clip]], classes: Sequence[str]) -> str:
    """The same as a table, a row for each part."""
    rows = [["", "clips", "subjects", "validation", *classes]]
    for each in parts_object(parts, classes):
        counts = [each["clips"], each["subjects"], each["validation"], *each["classes"].values()]
        rows.append([each["part"], *map(str, counts)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
