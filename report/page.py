"""HTML pages from the templates of this folder, with their pictures inside: they open without a network."""

import base64
from collections.abc import Mapping
from pathlib import Path

import jinja2

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("ohmgate.report", "."),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, pictures: Mapping[str, Path], **values) -> str:
    """The page of ``template``.html.j2; it finds its pictures, base64 of the files, under their names."""
    inside = {name: base64.b64encode(Path(path).read_bytes()).decode() for name, path in pictures.items()}
    return TEMPLATES.get_template(f"{template}.html.j2").render(pictures=inside, **values)
