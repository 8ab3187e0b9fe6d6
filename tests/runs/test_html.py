"""The table of a result in a notebook has the rows of the terminal's, and no markup of others."""

from __future__ import annotations

from html.parser import HTMLParser
from shutil import copy

import numpy as np

import onnx_lippa

EXAMPLE, X, Y = onnx_lippa.load_example()


class Cells(HTMLParser):
    """The texts between tags."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.texts = set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_a_notebook_shows_the_table(tmp_path):
    model = tmp_path / "<img src=x>.onnx"
    copy(EXAMPLE, model)
    results = onnx_lippa.attack(model, X[:4], Y[:4], eps=np.float64(0.1))
    cells = Cells(results._repr_html_())
    assert cells.tags == {"table", "caption", "tr", "td"}
    shown = [" ".join(line.split()) for line in results.summary().splitlines()]
    title, *texts = (" ".join(text.split()) for text in cells.texts)
    pairs = zip(texts[::2], texts[1::2], strict=True)
    assert [title, *(" ".join(pair) for pair in pairs)] == shown
