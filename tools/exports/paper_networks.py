"""The ten networks of the paper's Table 2 as ONNX files, from a clone of the authors' weights.

::

    git clone https://github.com/IsSeck/LiPPA
    python -m tools.exports.paper_networks LiPPA networks --test t10k-images-idx3-ubyte.gz

PyTorch reads the weights; nothing else of it is needed. Each file has one input ``input`` (float32,
``[batch, 1, 28, 28]``, range [0, 1]) and one output ``logits``. With ``--test``, the test error of
each on the MNIST test set, judged by ONNX Runtime, must be the published one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnx_lippa import load
from tools.bench.common import measure_error
from tools.bench.published import PUBLISHED, Published

FOLDERS = ("pth_folder/robust_verify_benchmark", "pth_folder/mmr_paper/models/pth")
CHANNELS, SIDE = 32, 7
"""The last feature map of the convolutional networks."""


def main() -> None:
    """Writes the files, and checks their test errors."""
    parser = argparse.ArgumentParser(prog="python -m tools.exports.paper_networks",
                                     description=__doc__.splitlines()[0])  # fmt: skip
    parser.add_argument("clone", type=Path, help="the clone of the authors' repository")
    parser.add_argument("out", type=Path, help="folder for the ONNX files")
    parser.add_argument("--test", type=Path, metavar="IMAGES",
                        help="MNIST's test images (IDX), with the labels beside them")  # fmt: skip
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    wrong = []
    for published in PUBLISHED:
        found = [options.clone / folder / f"{published.name}.pth" for folder in FOLDERS]
        paths = [path for path in found if path.exists()]
        if not paths:
            sys.exit(f"{published.name}.pth is not in {options.clone}: give the clone's folder")
        target = options.out / f"{published.name}.onnx"
        onnx.save(export(read_weights(paths[0])), target)
        error = None if options.test is None else measure_error(load(target), options.test)
        print(f"{target}: {describe(published, error)}", flush=True)
        if error is not None and round(error, 2) != published.test_error:
            wrong.append(published.name)
    if wrong:
        sys.exit(f"the test error is not the published one: {', '.join(wrong)}")


def describe(published: Published, error: float | None) -> str:
    """The test error beside the published one."""
    said = f"published test error {published.test_error:.2f} %"
    return said if error is None else f"test error {error:.2f} %, {said}"


def read_weights(path: Path) -> list[NDArray[np.float32]]:
    """Weights and biases in the order of the layers."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return [tensor.numpy().astype(np.float32) for tensor in state.values()]


def export(tensors: Sequence[NDArray[np.float32]]) -> onnx.ModelProto:
    """The network of these weights: convolutions (4x4, stride 2, padding 1), then dense layers."""
    pairs = list(zip(tensors[::2], tensors[1::2], strict=True))
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    value, is_flat = "input", False
    for place, (weight, bias) in enumerate(pairs):
        stored = weight
        if weight.ndim == 2 and not is_flat:
            nodes.append(helper.make_node("Flatten", [value], ["flat"], axis=1))
            value, is_flat = "flat", True
            if place > 0:
                # Trained for flattening height, width, channel; Flatten has the channel first.
                shaped = weight.reshape(len(weight), SIDE, SIDE, CHANNELS)
                stored = shaped.transpose(0, 3, 1, 2).reshape(len(weight), -1)
        names = [f"weight{place}", f"bias{place}"]
        constants += map(numpy_helper.from_array, (stored, bias), names)
        output = "logits" if place == len(pairs) - 1 else f"layer{place}"
        nodes.append(
            helper.make_node("Gemm", [value, *names], [output], transB=1)
            if is_flat
            else helper.make_node(
                "Conv", [value, *names], [output], kernel_shape=[4, 4], strides=[2, 2],
                pads=[1, 1, 1, 1],
            )
        )  # fmt: skip
        if output != "logits":
            nodes.append(helper.make_node("Relu", [output], [f"relu{place}"]))
            value = f"relu{place}"
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 1, 28, 28])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)


if __name__ == "__main__":
    main()
