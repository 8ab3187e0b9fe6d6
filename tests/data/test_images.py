"""Images in folders and in lists: order, channels, sizes, and what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from onnx_lippa.data import DataOptions, open_data
from onnx_lippa.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
"""Four colour images of height 6 and width 5."""


@pytest.fixture
def photos(tmp_path):
    """A folder with two images of cats, then two of dogs."""
    for place, name in enumerate(("cat/a.png", "cat/b.PNG", "dog/c.png", "dog/d.png")):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[place]).save(tmp_path / "photos" / name, format="PNG")
    return tmp_path / "photos"


def test_the_folder_is_the_class(photos):
    data = open_data(photos, (3, 6, 5))
    expected = np.moveaxis(PIXELS, -1, 1).reshape(4, -1).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(data.inputs[:], expected)
    assert data.labels is not None
    assert (data.labels.tolist(), data.classes) == ([0, 0, 1, 1], ("cat", "dog"))
    last = open_data(photos, (6, 5, 3), first=1)
    np.testing.assert_array_equal(last.inputs[:][0], (PIXELS[0] / 255).astype(np.float32).ravel())
    assert last.count == 4


def test_a_list_gives_labels_and_groups(photos):
    listing = photos / "list.csv"
    listing.write_text("path,label,camera\ndog/c.png,dog,1\ncat/a.png,cat,2\n")
    data = open_data(listing, (3, 6, 5), options=DataOptions(groups="camera"))
    assert data.labels is not None
    assert (data.labels.tolist(), data.groups) == ([1, 0], ("1", "2"))
    expected = np.moveaxis(PIXELS[[2, 0]], -1, 1).reshape(2, -1) / 255
    np.testing.assert_array_equal(data.inputs[:], expected.astype(np.float32))


def test_another_size_is_refused_or_resized_and_said(photos):
    with pytest.raises(InputError, match=r"a.png has 5x6 pixels, and .* takes 4x3: .*--resize"):
        open_data(photos, (3, 3, 4))
    data = open_data(photos, (3, 3, 4), options=DataOptions(resize=True))
    assert "4 of 4 images are resized to 4x3" in data.notes[0]
    small = Image.fromarray(PIXELS[0]).resize((4, 3), Image.Resampling.BILINEAR)
    expected = np.moveaxis(np.asarray(small), -1, 0).ravel() / 255
    np.testing.assert_array_equal(data.inputs[0], expected.astype(np.float32))
    same = open_data(photos, (3, 6, 5), options=DataOptions(resize=True))
    assert not any("resized" in note for note in same.notes)


def test_grey_images(tmp_path):
    grey = PIXELS[0, :, :, 0]
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "rgb.png")
    data = open_data(tmp_path, (1, 6, 5))
    np.testing.assert_array_equal(data.inputs[0], (grey.ravel() / 255).astype(np.float32))
    assert data.labels is None
    square = tmp_path / "square"
    square.mkdir()
    Image.fromarray(grey[:5]).save(square / "s.png")
    assert open_data(square, (25,)).inputs.shape == (1, 25)
    assert (
        open_data(square, (3, 5, 5)).inputs[0].tolist() == [*open_data(square, (25,)).inputs[0]] * 3
    )


def test_what_would_lose_colours_or_bits_is_refused(tmp_path):
    cases = {
        "colours": (Image.fromarray(PIXELS[0]), (1, 6, 5), "has colours"),
        "bits": (Image.fromarray(np.zeros((6, 5), np.uint16)), (1, 6, 5), "8 bits per channel"),
        "alpha": (Image.new("RGBA", (5, 6), (9, 9, 9, 99)), (3, 6, 5), "transparent"),
    }
    for name, (image, shape, says) in cases.items():
        (tmp_path / name).mkdir()
        image.save(tmp_path / name / "a.png")
        with pytest.raises(InputError, match=says):
            open_data(tmp_path / name, shape)


def test_refused(photos, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="without images"):
        open_data(tmp_path / "empty", (3, 6, 5))
    with pytest.raises(InputError, match="no images: give another"):
        open_data(photos, (7,))
    with pytest.raises(InputError, match="has no columns"):
        open_data(photos, (3, 6, 5), options=DataOptions(label="kind"))
    (photos / "cat" / "a.png").write_bytes((photos / "cat" / "b.PNG").read_bytes()[:60])
    with pytest.raises(InputError, match="cannot be read as an image"):
        open_data(photos, (3, 6, 5))
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(InputError, match=r"pip install 'onnx-lippa\[images\]'"):
        open_data(photos, (3, 6, 5))
