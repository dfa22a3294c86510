"""Prints a document as one self-contained HTML page: no script, no network, readable on a phone and on paper."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from p2pfl_me.report.document import Document, Section, base_of, pictures
from p2pfl_me.report.svg import Files, themed


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
            wide, phone = themed(own.svg, f"f{number}", picture.alt), themed(own.phone, f"n{number}", picture.alt)
            drawings[section.anchor, picture.name] = Markup(
                f'<div class="full">{wide}</div><div class="narrow">{phone}</div>'
            )
    environment = Environment(
        loader=PackageLoader("p2pfl_me.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    return template.render(document=document, drawings=drawings, contents=_contents(document.sections))


def _contents(sections: tuple[Section, ...]) -> list[Section]:
    top = [section for section in sections if section.level == 2]
    return top if len(top) > 3 else []
