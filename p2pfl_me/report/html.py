"""Prints a document as one self-contained HTML page: no network, readable on a phone and on paper, and without scripts.

Its one script (templates/*.js) sorts tables, shows and hides lines of figures, and shows figures larger; the page's
policy names it by its hash, so nothing else can run. A kept library for interactive figures weighs 50 kB (uPlot) to
1 MB (Plotly) a page and would draw everything a second time in another look; what it would add here, values under the
pointer, an SVG's own titles give.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files as package_files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from p2pfl_me.report.document import Document, Section, base_of, pictures
from p2pfl_me.report.svg import Files, themed, with_tips

SCRIPTS = ("sorting", "buttons", "toggling", "zooming")
MOST_SWITCHES = 40
"""A figure of more lines has none: a wall of buttons says less than the lines."""


def render_html(document: Document, files: Mapping[str, Files]) -> str:
    """The page. Everything in `document` is escaped; only the drawings made here are taken as markup.

    `files` are the figures' by `base_of`.
    """
    drawings = {}
    for number, (section, picture) in enumerate(pictures(document.sections)):
        own = files[base_of(section, picture)]
        if own.phone is None:
            data = base64.b64encode(own.png).decode()
            image = Markup('<img class="raster" src="data:image/png;base64,{}" alt="{}">')
            drawings[section.anchor, picture.name] = image.format(data, picture.alt)
        else:
            wide = with_tips(themed(own.svg, f"f{number}", picture.alt), own.tips)
            phone = themed(own.phone, f"n{number}", picture.alt)
            drawings[section.anchor, picture.name] = Markup(
                f'<div class="full"{_switched(own.series)}>{wide}</div><div class="narrow">{phone}</div>'
            )
    environment = Environment(
        loader=PackageLoader("p2pfl_me.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tied"] = _tied
    environment.filters["named"] = _named
    templates = package_files("p2pfl_me.report") / "templates"
    script = "\n".join((templates / f"{name}.js").read_text(encoding="utf-8").strip() for name in SCRIPTS)
    return environment.get_template("report.html.j2").render(
        document=document,
        drawings=drawings,
        contents=_contents(document.sections),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _tied(words: str) -> Markup:
    """No line ends between a number and its unit, within `p < 0.001`, within an option and its number, or before a dot
    that parts names."""
    words = words.replace(" \N{MIDDLE DOT} ", "\N{NO-BREAK SPACE}\N{MIDDLE DOT} ")
    words = re.sub(r"\bp ([<=]) (?=[\d.])", "p\N{NO-BREAK SPACE}\\1\N{NO-BREAK SPACE}", words)
    words = re.sub(r"(?<=\d) (?=(?:%|[kMG]?B|m?s|min|h)(?!\w))", "\N{NO-BREAK SPACE}", words)
    # A hyphen that does not break would not be the one to type: the style keeps the option whole.
    return Markup(
        re.sub(r"(?<!\S)(\(?--[a-z][a-z-]*(?: \d+\)?)?)", r'<span class="tied">\1</span>', str(escape(words)))
    )


def _named(words: str) -> Markup:
    """A long name ends its lines where its parts do, as `model.backbone=ststnet`, and never within a number."""
    return Markup(re.sub(r"((?<=\w)[_=]|(?<=[a-z])\.(?=[a-z]))", r"\1<wbr>", str(escape(words))))


def _switched(series: tuple[str, ...]) -> Markup:
    """What tells the script which lines a figure has, where there is one to tell from another."""
    return Markup(' data-series="{}"').format(json.dumps(series)) if 1 < len(series) <= MOST_SWITCHES else Markup()


def _contents(sections: tuple[Section, ...]) -> list[Section]:
    top = [section for section in sections if section.level == 2]
    return top if len(top) > 3 else []
