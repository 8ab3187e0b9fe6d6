"""Pages as a browser reads them: parsed strictly, with the figures on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib

SVG = "{http://www.w3.org/2000/svg}"


def parse_page(content: str) -> Element:
    """The tree of a page; any error of the HTML standard is raised."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    parsed: Element = parser.parse(content)
    return parsed


def read_page(path: Path) -> Element:
    return parse_page(path.read_text(encoding="utf-8"))


def text_of(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def find_class(page: Element, tag: str, name: str) -> list[Element]:
    return [one for one in page.iter(tag) if name in one.get("class", "").split()]


def figures_on(page: Element) -> dict[str, dict[str, set[float]]]:
    """For each run the values that the page states of each figure of ``summary.json``."""
    found: dict[str, dict[str, set[float]]] = {}
    for one in page.iter("data"):
        run = found.setdefault(one.attrib["data-run"], {})
        run.setdefault(one.attrib["data-figure"], set()).add(float(one.attrib["value"]))
    return found


def numbers_in(summary: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of a ``summary.json`` by their path."""
    for name, value in summary.items():
        if isinstance(value, dict) and name != "versions":
            yield from numbers_in(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{name}", float(value)
