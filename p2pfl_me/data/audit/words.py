"""An audit in plain text and as one object (docs/json.md), for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from p2pfl_me.counting import many
from p2pfl_me.data.audit.leaks import Audit, Leak


def audit_text(audit: Audit) -> str:
    """What was compared, a table of leaks, the verdict."""
    where = f"{many(len(audit.places), 'place')} ({_some(audit.places)})"
    lines = [f"{audit.name}: {many(audit.clips, 'clip')} in {where}"]
    if not any(each.startswith(("test", "fold", "no split")) for each in audit.places) and len(audit.places) > 1:
        lines.append("note: no clip is for testing, so training parts were compared with each other alone")
    if audit.unread:
        lines.append(f"note: the images of {many(audit.unread, 'clip')} cannot be opened; `p2pme data check` says why")
    if audit.on_purpose:
        lines.append("subjects leak: the split was made by frames, so every subject is on both sides")
    rows = [["leak", "between", "", "count", "for example"]]
    rows += [[leak.kind, *leak.places, str(leak.count), leak.example] for leak in audit.leaks]
    if audit.leaks:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines += [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
    lines.append(_verdict(audit))
    return "\n".join(lines)


class AuditObject(TypedDict):
    """One split: `on_purpose` where subjects leak by its protocol, `with_weights` where it was asked about those.
    `seen` is what its run says of scored clips that its weights have seen."""

    verdict: Literal["leaks", "nothing compared", "no leak"]
    name: str
    clips: int
    places: Sequence[str]
    leaks: Sequence[Leak]
    unread: int
    on_purpose: bool
    with_weights: bool
    seen: Sequence[str]


class AuditsObject(TypedDict):
    """What `p2pme data audit --json` prints."""

    audits: list[AuditObject]


def audits_object(audits: Sequence[Audit]) -> AuditsObject:
    """The same for machines."""
    return {
        "audits": [
            {
                "verdict": "leaks" if each.leaking else "nothing compared" if each.silent else "no leak",
                "name": each.name,
                "clips": each.clips,
                "places": each.places,
                "leaks": each.leaks,
                "unread": each.unread,
                "on_purpose": each.on_purpose,
                "with_weights": each.with_weights,
                "seen": each.seen,
            }
            for each in audits
        ]
    }


def _verdict(audit: Audit) -> str:
    if audit.leaking:
        return "it leaks: a score on this split is no measure of the model"
    if audit.blind:
        return (
            "no image can be opened, so that no face was compared\n"
            "  -> mend what `p2pme data check` names, or compare rows alone: --rows-only"
        )
    if audit.silent:
        return (
            "nothing could be compared, as all of it is in one place\n"
            "  -> fill the column `split`, or name a run, what `data split` wrote, several manifests, or a split.json"
        )
    rest = audit.clips - audit.unread
    return f"no leak was found; images were compared of {rest} clips only" if audit.unread else "no leak was found"


def _some(places: Sequence[str], most: int = 6) -> str:
    more = f" and {len(places) - most} more" if len(places) > most else ""
    return ", ".join(places[:most]) + more
