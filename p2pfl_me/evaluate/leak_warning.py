"""Puts a warning on every part of a document, so that no table or figure can be taken out without it.

A figure has it drawn into it: a picture file is what gets copied into papers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from p2pfl_me.report.document import Block, Bullets, Code, Document, Paragraph, Picture, Section, Table


def with_warning(document: Document, words: str) -> Document:
    """The document with `words` at its head, in every section, table and figure."""
    upper = words.upper()
    return replace(
        document,
        title=f"{upper}: {document.title}",
        verdict=f"{upper}. {document.verdict}",
        eyebrow=f"{document.eyebrow}, {words}",
        sections=tuple(_section(section, words) for section in document.sections),
        colophon=f"{document.colophon} {upper}.",
    )


def _section(section: Section, words: str) -> Section:
    blocks = tuple(_block(block, words) for block in section.blocks)
    return replace(section, title=f"{section.title} ({words})", blocks=blocks)


def _block(block: Block, words: str) -> Block:
    match block:
        case Table():
            return replace(block, caption=f"{words.upper()}. {block.caption}")
        case Picture():
            return replace(
                block,
                title=f"{block.title} ({words})",
                header=(*block.header, "warning"),
                rows=tuple((*row, words) for row in block.rows),
                warning=words,
            )
        case Paragraph() | Bullets() | Code():
            return block
        case _:
            assert_never(block)
