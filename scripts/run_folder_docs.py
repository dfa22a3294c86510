"""Brings docs/run-folder.md up to the declarations in p2pfl_me/run, after one of them changed."""

from __future__ import annotations

from pathlib import Path

from p2pfl_me.run.document import BEGIN, END, declarations

PAGE = Path(__file__).parent.parent / "docs" / "run-folder.md"


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(before + declarations() + after, encoding="utf-8")


if __name__ == "__main__":
    main()
