"""Figure 1: the linear regions of a small network of two inputs, and over a plane of a real one."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnx
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Rectangle
from onnx import TensorProto, helper, numpy_helper

from onnx_lippa import load
from onnx_lippa.arrays import Float64
from onnx_lippa.ir.plane import PlanarRegion, Plane, cut_plane
from tools.bench.paper.setting import Setting

FEW_CODES = 60
"""Codes are written into the regions where there are no more."""
UNITS = (5, 4)
"""ReLUs of the small network's hidden layers."""
MOST_UNITS = 300
"""Networks with more ReLUs have too many regions to be seen."""


def make(setting: Setting) -> None:
    """Draws both pictures, and counts the regions."""
    small = load(write_small(setting.out / "figure1_network.onnx"), lower=-1, upper=1)
    plane = Plane(np.zeros(2), np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    regions = cut_plane(small.network, plane, np.full(2, -1.0), np.full(2, 1.0))
    figure, axes = plt.subplots(figsize=(6, 5.6), layout="constrained")
    draw(axes, regions, "A network of 2 inputs and hidden layers of 5 and 4 ReLUs")
    setting.draw("figure1", figure)
    table = setting.begin("figure1", "network", "inputs", "ReLUs", "regions", "classes")
    table.add("small", 2, small.network.units, len(regions), len(classes_of(regions)))

    small_ones = [one for one in setting.networks() if one.load().network.units <= MOST_UNITS]
    for network in small_ones[: setting.few(3, 1)]:
        model = network.load()
        x, _ = setting.images(network, model, 3)
        points = x.reshape(3, -1).astype(np.float64)
        plane = Plane.through(points)
        marks = plane.coordinates(points)
        border = 0.15 * np.ptp(marks, axis=0)
        lower, upper = marks.min(axis=0) - border, marks.max(axis=0) + border
        regions = cut_plane(model.network, plane, lower, upper)
        figure, axes = plt.subplots(figsize=(6, 5.6), layout="constrained")
        draw(axes, regions, f"{network.name}: the plane through its first three images")
        axes.plot(*marks.T, "o", color="black", markersize=5)
        for place, mark in enumerate(marks):
            axes.annotate(f" image {place}", (mark[0], mark[1]), fontweight="bold")
        setting.draw(f"figure1_{network.name}", figure)
        units = model.network.units
        table.add(network.name, points.shape[1], units, len(regions), len(classes_of(regions)))


def classes_of(regions: list[PlanarRegion]) -> set[int]:
    """The classes that occur."""
    return {label for region in regions for label in region.classes}


def draw(axes: Axes, regions: list[PlanarRegion], title: str) -> None:
    """Regions in the colour of their class, faces between them, and codes where they are few."""
    colours = plt.get_cmap("Pastel1" if len(classes_of(regions)) <= 9 else "tab20")
    parts = [(label, part) for one in regions for label, part in one.classes.items()]
    faces = [colours(label % colours.N) for label, _ in parts]
    axes.add_collection(PolyCollection([part for _, part in parts], facecolors=faces))
    width = 0.9 if len(regions) <= FEW_CODES else 0.25
    outline = PolyCollection([region.vertices for region in regions], facecolors="none",
                             edgecolors="#333333", linewidths=width)  # fmt: skip
    axes.add_collection(outline)
    if len(regions) <= FEW_CODES:
        for region in filter(has_room, regions):
            code = "\n".join("".join(map(str, one.ravel())) for one in region.pattern.states)
            axes.annotate(code, centroid(region.vertices), fontsize=5, ha="center", va="center")
    handles = [
        Rectangle((0, 0), 1, 1, color=colours(label % colours.N))
        for label in sorted(classes_of(regions))
    ]
    names = [f"class {label}" for label in sorted(classes_of(regions))]
    axes.legend(handles, names, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    corners = np.concatenate([region.vertices for region in regions])
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.set_title(f"{title}: {len(regions)} linear regions", fontsize=9)


def has_room(region: PlanarRegion) -> bool:
    """Whether a code fits into a region of the rectangle [-1, 1] x [-1, 1]."""
    x, y = region.vertices.T
    area = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return area > 0.012 and area / max(float(np.ptp(x)), float(np.ptp(y))) > 0.08


def centroid(vertices: Float64) -> tuple[float, float]:
    """The centroid of a convex polygon."""
    x, y = vertices.T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    total = cross.sum()
    if abs(total) < 1e-15:
        return float(x.mean()), float(y.mean())
    at = ((vertices + np.roll(vertices, -1, axis=0)) * cross[:, None]).sum(axis=0) / (3 * total)
    return float(at[0]), float(at[1])


def write_small(path: Path) -> Path:
    """A network of two inputs, two hidden layers and three classes, with random weights."""
    generator = np.random.default_rng(24)
    nodes, constants, value = [], [], "x"
    for place, (inputs, outputs) in enumerate([(2, UNITS[0]), UNITS, (UNITS[1], 3)]):
        weight = generator.normal(size=(inputs, outputs)) * np.sqrt(2.0 / inputs)
        bias = 0.5 * generator.normal(size=outputs)
        constants += [numpy_helper.from_array(weight.astype(np.float32), f"w{place}"),
                      numpy_helper.from_array(bias.astype(np.float32), f"b{place}")]  # fmt: skip
        nodes.append(helper.make_node("Gemm", [value, f"w{place}", f"b{place}"], [f"a{place}"]))
        if place < 2:
            nodes.append(helper.make_node("Relu", [f"a{place}"], [f"r{place}"]))
            value = f"r{place}"
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor_value_info("a2", TensorProto.FLOAT, ["batch", 3])],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path
