"""Images, PNG and JPEG, in folders named after their classes or listed in a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from typing_extensions import override

from onnx_lippa.arrays import AnyArray, Shape, size
from onnx_lippa.data.csv import CsvTable
from onnx_lippa.data.files import (
    MOST_BYTES,
    Format,
    Request,
    Stored,
    StoredData,
    is_folder,
    open_file,
    require_extra,
    require_no_columns,
)
from onnx_lippa.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

_SUFFIXES: Final = (".png", ".jpg", ".jpeg")
_PATH: Final = "path"
_LABEL: Final = "label"
_MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for a number of channels."""
_EIGHT_BITS: Final = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA"})
_REMEDY: Final = "save it again as PNG or JPEG"


class ImageFolder(Format):
    """A folder with a folder of images for each class, or with images alone."""

    naming: ClassVar[str] = "a folder of images"

    @override
    def accepts(self, path: Path) -> bool:
        return is_folder(path)

    @override
    def read(self, path: Path, request: Request) -> StoredData:
        require_no_columns(path, request.options)
        files = sorted(
            file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file()
        )
        if not files:
            raise InputError(f"{path} is a folder without images (PNG or JPEG): check the path")
        inside = [file.relative_to(path).parts for file in files]
        depths = {len(parts) > 1 for parts in inside}
        if len(depths) > 1:
            lone = next(parts[0] for parts in inside if len(parts) == 1)
            raise InputError(
                f"{path} holds images beside folders, such as '{lone}': give every image a folder "
                "with the name of its class, or list them in a CSV file with the columns path and "
                "label"
            )
        labels = None
        if depths == {True}:
            labels = Stored(np.array([parts[0] for parts in inside]), f"folders of {path}")
        return _read_images(files, labels, None, path, request)


class ImageList(Format):
    """A CSV file with the columns ``path``, relative to the file, and ``label``."""

    naming: ClassVar[str] = "a .csv with the paths of images"

    @override
    def accepts(self, path: Path) -> bool:
        if path.suffix.lower() != ".csv":
            return False
        try:
            return _PATH in CsvTable(path).names
        except InputError:
            return False

    @override
    def read(self, path: Path, request: Request) -> StoredData:
        table, options = CsvTable(path), request.options
        label = options.label or (_LABEL if _LABEL in table.names else None)
        wanted = [name for name in (_PATH, label, options.group_column) if name is not None]
        for name in wanted:
            if name not in table.names:
                raise InputError(f"{path} has no column '{name}': check the name")
        columns, _ = table.columns(list(dict.fromkeys(wanted)), None)
        files = [path.parent / str(name) for name in columns[_PATH].tolist()]
        labels = None if label is None else Stored(columns[label], f"column '{label}'")
        groups = None
        if options.group_column is not None:
            name = options.group_column
            groups = Stored(columns[name], f"column '{name}'")
        return _read_images(files, labels, groups, path, request)


@dataclass(frozen=True)
class _Frame:
    """What an image must be: its size, its channels, and where these come in the sample."""

    height: int
    width: int
    channels: int
    first: bool

    @classmethod
    def of(cls, shape: Shape) -> _Frame:
        """The frame of a sample shape.

        Raises:
            InputError: no image has that shape.
        """
        long = tuple(extent for extent in shape if extent != 1)
        if len(shape) == 3 and shape[0] in _MODES:
            return cls(shape[1], shape[2], shape[0], True)
        if len(shape) == 3 and shape[2] in _MODES:
            return cls(shape[0], shape[1], shape[2], False)
        side = round(size(shape) ** 0.5)
        if len(long) == 2:
            return cls(long[0], long[1], 1, True)
        if len(long) == 1 and side * side == size(shape):
            return cls(side, side, 1, True)
        raise InputError(
            f"the model takes samples of shape {shape}, which are no images: give another data file"
        )


def _read_images(
    files: Sequence[Path],
    labels: Stored | None,
    groups: Stored | None,
    path: Path,
    request: Request,
) -> StoredData:
    pillow = require_extra("PIL.Image", "images", path)
    frame, resize = _Frame.of(request.shape), request.options.resize
    needed = files[: request.first]
    total = len(needed) * size(request.shape)
    if total > MOST_BYTES:
        raise InputError(
            f"the images of {path} take {total / 1e9:,.3g} GB of memory, and at most "
            f"{MOST_BYTES / 1e9:g} GB are read: take fewer inputs with --first"
        )
    pixels = np.empty((len(needed), *request.shape), np.uint8)
    resized = 0
    for place, file in enumerate(needed):
        image, changed = _read_image(pillow, file, frame, resize=resize)
        pixels[place] = image.reshape(request.shape)
        resized += changed
    note = ""
    if resized:
        note = (
            f"{resized} of {len(needed)} images are resized to {frame.width}x{frame.height}: "
            "radii and distances are those of the resized pixels"
        )
    whole = (len(files), *request.shape)
    return StoredData(Stored(pixels, str(path), whole), labels, groups, note=note)


def _read_image(
    pillow: ModuleType, file: Path, frame: _Frame, *, resize: bool
) -> tuple[AnyArray, bool]:
    """An image in the order of the model, and whether it was resized."""
    with open_file(file, "an image", _REMEDY) as stream:
        image: Image = pillow.open(stream, formats=["PNG", "JPEG"])
        if image.mode not in _EIGHT_BITS:
            raise InputError(
                f"{file} is an image of mode {image.mode}: save it with 8 bits per channel, grey "
                "or RGB"
            )
        size_fits = image.size == (frame.width, frame.height)
        if not size_fits and not resize:
            raise InputError(
                f"{file} has {image.width}x{image.height} pixels, and the model takes "
                f"{frame.width}x{frame.height}: resize the images, or let them be resized "
                "(--resize)"
            )
        image = _in_mode(image, frame.channels, file)
        if not size_fits:
            image = image.resize((frame.width, frame.height), pillow.Resampling.BILINEAR)
        array = np.asarray(image, np.uint8).reshape(frame.height, frame.width, frame.channels)
    return (np.moveaxis(array, -1, 0) if frame.first else array), not size_fits


def _in_mode(image: Image, channels: int, file: Path) -> Image:
    """The image with so many channels, where that loses nothing.

    Raises:
        InputError: it would lose colours or transparency.
    """
    wanted = _MODES[channels]
    if image.mode == wanted:
        return image
    full = image.convert("RGBA")
    red, green, blue, alpha = full.split()
    if channels < 4 and np.asarray(alpha).min() < 255:
        raise InputError(f"{file} has transparent pixels: save it without transparency")
    if channels == 1 and not red.tobytes() == green.tobytes() == blue.tobytes():
        raise InputError(f"{file} has colours, and the model takes one channel: save it in grey")
    return red if channels == 1 else full.convert(wanted)
