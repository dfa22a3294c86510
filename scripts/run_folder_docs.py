"""Brings docs/run-folder.md up to the declarations in p2pfl_me/run, after one of them changed."""

from __future__ import annotations

from pathlib import Path

from p2pfl_me.run.document import BEGIN, END, declarations, exit_codes

DOCS = Path(__file__).parent.parent / "docs"


def main() -> None:
    for page, made in (("run-folder.md", declarations()), ("exit-codes.md", exit_codes())):
        text = (DOCS / page).read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        after = rest.split(END)[1]
        (DOCS / page).write_text(before + made + after, encoding="utf-8")


if __name__ == "__main__":
    main()
