"""Pictures: one look for all figures, and their form in the page and in files.

In the page a figure is SVG whose colours are variables of the page's style, so that one picture
serves light and dark. In a file it is a PNG in the light colours.
"""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import numpy.typing as npt
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas
from PIL import Image

from onnx_lippa.witness import Verdict

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

INK: Final = "#1b1f24"
MUTED: Final = "#5b6470"
RULE: Final = "#d5d9df"
PAPER: Final = "#ffffff"
ACCENT: Final = "#2f6db3"
COLOURS: Final = {
    Verdict.MISCLASSIFIED: "#7a2e5d",
    Verdict.ADVERSARIAL: "#cf4a1f",
    Verdict.UNKNOWN: "#a3abb5",
    Verdict.ROBUST: "#1f8a70",
}
"""The colour of each verdict; they differ in lightness too."""
_VARIABLES: Final = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    PAPER: "var(--paper)",
    ACCENT: "var(--accent)",
    **{colour: f"var(--{verdict.value})" for verdict, colour in COLOURS.items()},
}
SERIES: Final = (ACCENT, "#b8860b", "#8e44ad", "#0f7f9d", "#7d5a3c", "#4d7c0f")
"""Colours of runs side by side; the first one is the accent."""
WIDTH: Final = 7.2
"""Width of a figure, in inches."""
NARROW: Final = 5.4
"""Width of a figure beside another one."""
_STYLE: Final[dict[RcKeyType, Any]] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "onnx-lippa",
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "none",
    "figure.dpi": 72,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@final
@dataclass(frozen=True)
class Picture:
    """A figure of the page.

    Attributes:
        name: the name of its file, without suffix.
        title: its title.
        caption: what it shows and what follows, in sentences.
        svg: the picture for the page, as markup.
        png: the picture as a file.
    """

    name: str
    title: str
    caption: str
    svg: Markup
    png: bytes


@contextmanager
def open_canvas(height: float, width: float = WIDTH) -> Iterator[Canvas]:
    """A canvas in the style of the page, which is in force inside."""
    with rc_context(_STYLE), warnings.catch_warnings():
        # A PNG file shows a box for a letter that the font lacks; a browser has more fonts.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        yield Canvas(figsize=(width, height))


@contextmanager
def draw(height: float, width: float = WIDTH) -> Iterator[tuple[Canvas, Axes]]:
    """Axes to draw on, in the style of the page; :func:`finish` makes the picture inside."""
    with open_canvas(height, width) as canvas:
        yield canvas, canvas.add_subplot()


def finish(canvas: Canvas, name: str, title: str, caption: str) -> Picture:
    """The picture that was drawn, while its style is still in force."""
    file = io.StringIO()
    canvas.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    svg = _inline(file.getvalue(), name, title)
    stored = io.BytesIO()
    canvas.savefig(stored, format="png", dpi=200, facecolor=PAPER)
    return Picture(name, title, caption, svg, stored.getvalue())


def _inline(svg: str, name: str, title: str) -> Markup:
    """An SVG for the page: its own names, colours by variables, a role for screen readers."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\sid="|url\(#|xlink:href="#)', lambda one: f"{one[1]}{name}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    svg = svg.replace("'DejaVu Sans'", "inherit").replace("font-family: inherit, sans-serif", "")
    # The size is that of the page's column; the box keeps the proportions.
    opening = re.search(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', svg)
    if opening is None:
        return Markup(svg)
    box = opening[1]
    head = (
        f'<svg viewBox="{box}" style="max-width: {_width(box)}px" role="img" '
        f'aria-label="{escape(title)}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return Markup((head + svg[opening.end() :]).strip())


def _width(box: str) -> int:
    """Widest a picture is shown, in pixels: its text is then a little larger than notes."""
    return round(float(box.split()[2]) * 1.4)


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """An image (rows, columns) or (rows, columns, 3) as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG", optimize=True)
    return file.getvalue()


def data_uri(png: bytes) -> str:
    """A PNG as an address that a page may hold."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


DIFFERENCES: Final = LinearSegmentedColormap.from_list(
    "differences", ["#2166ac", "#92c5de", "#f7f7f7", "#f4a582", "#b2182b"]
)
"""From less to more, white in the middle."""
