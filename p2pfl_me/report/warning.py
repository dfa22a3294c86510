"""Puts a warning on every part of a document, so that no table or figure can be taken out without it.

A figure has it drawn into it: a picture file is what gets copied into papers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from p2pfl_me.report.document import Block, Bullets, Code, Document, Links, Paragraph, Picture, Section, Table
from p2pfl_me.report.numbers import Cell, csv_text


def with_warning(document: Document, warnings: Sequence[str]) -> Document:
    """The document with all warnings at its head, in every section, table and figure; the same where there is none."""
    if not warnings:
        return document
    words = warning_words(warnings)
    upper = words.upper()
    return replace(
        document,
        title=f"{upper}: {document.title}",
        verdict=f"{upper}. {document.verdict}",
        eyebrow=f"{document.eyebrow}, {words}",
        sections=tuple(_section(section, words) for section in document.sections),
        colophon=f"{document.colophon} {upper}.",
    )


def warning_words(warnings: Sequence[str]) -> str:
    """Several warnings as one."""
    return "; ".join(dict.fromkeys(warnings))


def warned_csv(header: Sequence[str], rows: Sequence[Sequence[Cell]], words: str) -> str:
    """A table as CSV, with the warning in every row where there is one."""
    return csv_text((*header, "warning"), [(*row, words) for row in rows]) if words else csv_text(header, rows)


def _section(section: Section, words: str) -> Section:
    blocks = tuple(_block(block, words) for block in section.blocks)
    return replace(section, title=f"{section.title} ({words})", menu=section.title, blocks=blocks)


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
        case Paragraph() | Bullets() | Code() | Links():
            return block
        case _:
            assert_never(block)
