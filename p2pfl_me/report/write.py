"""Writes a report: index.html, report.md, and for every figure its PNG and the CSV of its numbers.

The only module of this room that writes files.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from p2pfl_me.errors import RunError
from p2pfl_me.report.compose import compose
from p2pfl_me.report.document import Cell, Document, Picture, pictures
from p2pfl_me.report.html import render_html
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.run import find_runs, read_run
from p2pfl_me.report.style import house_style
from p2pfl_me.report.svg import png_bytes


def write_report(runs: Sequence[Path], out: Path) -> Path:
    """Write the report on the run folders `runs` into the folder `out`; give back the path of its page.

    A folder that holds run folders (of a command with --seeds) stands for all of them. Files of an earlier
    report in `out` are replaced.

    Raises
    ------
    RunError
        A path is no run folder, or `out` cannot be written.
    ContractError
        A run's contract cannot be read.
    """
    folders = find_runs(runs)
    if not folders:
        raise RunError("no run to report on", fix="name at least one run folder")
    read = [read_run(folder) for folder in folders]
    with house_style():
        document = compose(read)
        files = _files(document)
    try:
        for name, content in files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise RunError(
            f"cannot write the report: {error.strerror}", where=str(out), fix="name another folder with -o"
        ) from error
    return out / "index.html"


def _files(document: Document) -> dict[str, bytes]:
    files = {}
    for section, picture in pictures(document.sections):
        base = f"{section.folder}/{picture.name}" if section.folder else picture.name
        files[f"{base}.png"] = png_bytes(picture.figure)
        files[f"{base}.csv"] = _csv(picture).encode()
    files["report.md"] = render_markdown(document).encode()
    files["index.html"] = render_html(document).encode()
    return files


def _csv(picture: Picture) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(picture.header)
    writer.writerows([_cell(cell) for cell in row] for row in picture.rows)
    return buffer.getvalue()


def _cell(cell: Cell) -> str | int:
    if isinstance(cell, str):
        # A spreadsheet would take such a name for a formula.
        return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
    if isinstance(cell, float):
        return f"{cell:.7g}"
    return "" if cell is None else cell
