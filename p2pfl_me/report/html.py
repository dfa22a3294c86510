"""Prints a document as one self-contained HTML page: no script, no network, readable on a phone and on paper."""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from p2pfl_me.report.document import Document, Section, pictures
from p2pfl_me.report.svg import inline_svg, png_bytes


def render_html(document: Document) -> str:
    """The page. Everything in `document` is escaped; only the drawings made here are taken as markup."""
    drawings = {}
    for number, (section, picture) in enumerate(pictures(document.sections)):
        if picture.raster:
            data = base64.b64encode(png_bytes(picture.figure, dpi=160)).decode()
            image = Markup('<img class="raster" src="data:image/png;base64,{}" alt="{}">')
            drawings[section.anchor, picture.name] = image.format(data, picture.alt)
        else:
            drawing = inline_svg(picture.figure, f"f{number}", picture.alt)
            if picture.narrow is not None:
                phone = inline_svg(picture.narrow, f"n{number}", picture.alt)
                drawing = f'<div class="full">{drawing}</div><div class="narrow">{phone}</div>'
            drawings[section.anchor, picture.name] = Markup(drawing)
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
