"""Writes a report: index.html, report.md, and for every figure PNG, SVG, PDF and the CSV of its numbers.

The only module of this room that writes files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from p2pfl_me.atomic import write_whole
from p2pfl_me.errors import RunError
from p2pfl_me.files import refusing
from p2pfl_me.report.comparison_pairs import PAIR_HEADER, pair_rows
from p2pfl_me.report.comparison_protection import CSV_HEADER, protection_rows
from p2pfl_me.report.compose import SCORE_HEADER, compose, score_rows
from p2pfl_me.report.document import Document, base_of, pictures
from p2pfl_me.report.groups import methods_of
from p2pfl_me.report.html import render_html
from p2pfl_me.report.markdown import render_markdown
from p2pfl_me.report.methods import Comparison, Setting
from p2pfl_me.report.run import find_runs, read_runs
from p2pfl_me.report.style import house_style
from p2pfl_me.report.svg import files_of
from p2pfl_me.report.warning import warned_csv, warning_words

PAGE = "report.html"
"""Of a comparison or an evaluation, whose folder holds other things, too."""


def write_report(runs: Sequence[Path], out: Path) -> Path:
    """Write the report on the run folders `runs` into the folder `out`; give back the path of its page.

    A folder that holds run folders (of a command with --seeds) stands for all of them; folders that laboratories kept
    of one run are read as that run. Files of an earlier
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
    methods = methods_of(read_runs(folders))
    with house_style():
        files = _files(compose(Comparison((Setting("", methods),)), in_full=True))
    _write(files, out)
    return out / "index.html"


def write_comparison(comparison: Comparison, out: Path) -> Path:
    """Write a comparison's page report.html, report.md, its figures' files and its tables as CSV; the page's path.

    Raises
    ------
    RunError
        `out` cannot be written.
    """
    runs = (run for setting in comparison.settings for method in setting.methods for run in method.runs)
    words = warning_words([words for run in runs for words in run.warnings])
    tables = {
        "scores.csv": warned_csv(SCORE_HEADER, score_rows(comparison), words),
        "pairs.csv": warned_csv(PAIR_HEADER, pair_rows(comparison), words),
    }
    if comparison.protections:
        tables["protections.csv"] = warned_csv(CSV_HEADER, protection_rows(comparison.protections), words)
    with house_style():
        return write_document(compose(comparison, in_full=False, beside=out), tables, out)


def write_document(document: Document, extra: Mapping[str, str], out: Path) -> Path:
    """Write a page report.html, report.md and the files of its figures, and `extra` texts by name; the page's path.

    Draw and write inside `house_style`.

    Raises
    ------
    RunError
        `out` cannot be written.
    """
    _write({**_files(document, page=PAGE), **{name: text.encode() for name, text in extra.items()}}, out)
    return out / PAGE


def _write(files: dict[str, bytes], out: Path) -> None:
    with refusing(RunError, out, "name another folder", "cannot write the report"):
        for name, content in files.items():
            write_whole(out / name, content, public=True)


def _files(document: Document, page: str = "index.html") -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    drawings = {}
    for section, picture in pictures(document.sections):
        base = base_of(section, picture)
        own = drawings[base] = files_of(picture)
        files |= {f"{base}.png": own.png, f"{base}.svg": own.svg, f"{base}.pdf": own.pdf}
        files[f"{base}.csv"] = picture.numbers().encode()
    files["report.md"] = render_markdown(document).encode()
    files[page] = render_html(document, drawings).encode()
    return files
