"""A check and a partition in plain text, for the command line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from p2pfl_me.data.check import CheckReport
from p2pfl_me.data.manifest import Clip, Fault


def report_text(report: CheckReport) -> str:
    """Problems, notes, counts and the verdict, one a line."""
    lines = [str(problem) for problem in report.problems]
    lines += [f"note: {note}" for note in report.notes]
    if any(problem.kind is Fault.LABEL for problem in report.problems):
        lines.append("note: the classes are those of --topology or --classes, else CASME II's seven")
    lines.append(f"{report.clips} clips of {len(report.subjects)} subjects")
    for name, counts in (("classes", report.classes), ("data sets", report.datasets), ("splits", report.splits)):
        if counts:
            lines.append(f"{name}: {', '.join(f'{key} {count}' for key, count in counts.items())}")
    count = len(report.problems)
    lines.append(f"{count} problem{'s' if count > 1 else ''}" if count else "no problems")
    return "\n".join(lines)


def parts_text(parts: Mapping[str, Sequence[Clip]], classes: Sequence[str]) -> str:
    """A table: a row for each part, with its clips, subjects, validation clips, and clips of each class."""
    header = ["", "clips", "subjects", "validation", *classes]
    rows = [header]
    for name, clips in parts.items():
        counts = Counter(clip.label for clip in clips)
        watching = sum(clip.split == "validation" for clip in clips)
        numbers = [len(clips), len({clip.subject for clip in clips}), watching, *(counts[label] for label in classes)]
        rows.append([name, *map(str, numbers)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )
