"""Prints a document as Markdown, for a repository or a notebook; the pictures are linked, not embedded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from p2pfl_me.report.document import Block, Bullets, Code, Document, Links, Paragraph, Picture, Section, Table, base_of


def render_markdown(document: Document) -> str:
    """The report as CommonMark with tables; names are escaped so that they stay text."""
    lines = [f"# {escape(document.title)}", "", escape(document.subtitle), "", f"**{escape(document.verdict)}**", ""]
    lines += [f"- {escape(fact.name)}: **{escape(fact.value)}** ({escape(fact.detail)})" for fact in document.facts]
    if document.facts:
        lines.append("")
    for section in document.sections:
        lines += [f"{'#' * section.level} {escape(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block, section), ""]
    lines.append(f"*{escape(document.colophon)}*")
    return "\n".join(lines) + "\n"


def _block(block: Block, section: Section) -> Iterator[str]:
    match block:
        case Paragraph(words=words):
            yield escape(words)
        case Bullets(items=items):
            for item in items:
                yield f"- {escape(item)}"
        case Links(items=items):
            for name, path in items:
                yield f"- [{escape(name)}](<{quote(path)}>)"
        case Table():
            yield from _table(block)
        case Code(title=title, words=words):
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", words)), default=0))
            yield from (f"{escape(title)}:", "", f"{fence}yaml", words.rstrip("\n"), fence)
        case Picture():
            path = base_of(section, block)
            yield f"**{escape(block.title)}.** {escape(block.reading)} ([numbers]({path}.csv))"
            yield ""
            yield f"![{escape(block.alt)}]({path}.png)"


def _table(table: Table) -> Iterator[str]:
    columns = range(len(table.header))
    yield _row(table.header)
    yield "|" + "|".join("---:" if column in table.numeric else "---" for column in columns) + "|"
    for row in table.rows:
        yield _row(row)
    if table.caption:
        yield ""
        yield escape(table.caption)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def escape(words: str) -> str:
    """Text that Markdown and the HTML inside it show as it is, on one line."""
    line = " ".join(words.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~!$])", r"\\\1", line)
