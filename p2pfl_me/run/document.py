"""The parts of docs/run-folder.md and exit-codes.md that follow from declarations: files, events, fields, codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from p2pfl_me.exits import Exit
from p2pfl_me.run.codec import events
from p2pfl_me.run.declare import REGISTRY, described
from p2pfl_me.run.folder import FILES
from p2pfl_me.run.ledger import Sent
from p2pfl_me.run.manifest import Clips, Manifest, ToldLies

BEGIN, END = "<!-- made by scripts/run_folder_docs.py -->", "<!-- end of what is made -->"


def declarations() -> str:
    """Markdown of everything that is declared, between its marks."""
    return "\n".join([BEGIN, "", *_lines(), END])


def exit_codes() -> str:
    """Markdown of all exit codes, between its marks."""
    table = _table(("code", "name", "meaning"), ((str(each.value), each.name, each.says) for each in Exit))
    return "\n".join([BEGIN, "", *table, END])


def _lines() -> Iterator[str]:
    yield "## Files"
    yield ""
    yield from _table(("file", "what is in it"), ((f"`{file.name}`", file.says) for file in FILES))
    yield "## The event log, `peer-K.jsonl`"
    yield ""
    for name, kind in REGISTRY.items():
        version = f", version {kind.VERSION}" if kind.VERSION > 1 else ""
        yield from _section(f"### `{name}`{version}", kind)
    yield from _section("### `data` of `start`", events.Data)
    yield from _section(
        "### `test` and `validation` of `round`; also in average.json and baselines.json", events.Scores
    )
    yield from _section("## The egress ledger, `egress-K.jsonl`", Sent)
    yield from _section("## The manifest, `manifest.json`", Manifest)
    yield from _section("### `data` of the manifest", Clips)
    yield from _section("### `lies` of the manifest", ToldLies)


def _section(title: str, kind: type[Any]) -> Iterator[str]:
    yield title
    yield ""
    yield " ".join((kind.__doc__ or "").split())
    yield ""
    rows = ((f"`{field}`", hint, says.unit, says.meaning) for field, hint, says in described(kind))
    yield from _table(("field", "type", "unit", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
