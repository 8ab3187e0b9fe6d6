"""What the options state about inputs: the model, the clean inputs, and what is allowed of them."""

from __future__ import annotations

from onnx_lippa.cli.arguments.options import Balls, Inputs
from onnx_lippa.cli.arguments.values import (
    equations_from,
    fixed_from,
    names_from,
    preprocess_from,
    values_from,
)
from onnx_lippa.errors import InputError
from onnx_lippa.onnx_io import Model, load
from onnx_lippa.runs.inputs import OpenedInputs, open_inputs
from onnx_lippa.spec import InputSpecification


def load_model(inputs: Balls) -> Model:
    """Loads the model, and compares it with ONNX Runtime on the domain.

    Raises:
        InputError: there is none, or an option is not understood.
        ModelError: the model cannot be used.
    """
    if inputs.model is None:
        raise InputError("there is no MODEL: give the path of an ONNX file, or --example")
    return load(
        inputs.model,
        output=inputs.output,
        lower=values_from("--lower", inputs.lower),
        upper=values_from("--upper", inputs.upper),
        limits=inputs.limits,
        preprocess=preprocess_from(inputs.preprocess),
    )


def open_data(inputs: Inputs, model: Model) -> OpenedInputs:
    """Reads the clean inputs, or prepares to draw some.

    Raises:
        InputError: they cannot be read.
    """
    return open_inputs(
        model, inputs.data, inputs.first, inputs.indices, inputs.seed, inputs.data_options
    )


def specify_inputs(
    inputs: Balls, opened: OpenedInputs, eps: str | None, grid: str = "0"
) -> InputSpecification:
    """The inputs allowed around any clean input.

    Args:
        inputs: the options.
        opened: the clean inputs, which know the names of features.
        eps: the radius, one of the list that the option may hold.
        grid: the step of the grid.

    Raises:
        InputError: an option that is not understood, or does not fit the model.
    """
    specification = InputSpecification.build(
        opened.model.network.input_size,
        lower=values_from("--lower", inputs.lower),
        upper=values_from("--upper", inputs.upper),
        eps=None if eps is None else values_from("--eps", eps),
        fixed=None if inputs.fixed is None else fixed_from(inputs.fixed),
        only_up=None if inputs.only_up is None else fixed_from(inputs.only_up, "--only-up"),
        only_down=None if inputs.only_down is None else fixed_from(inputs.only_down, "--only-down"),
        one_hot=names_from(inputs.one_hot) or (),
        relations=equations_from(inputs.relations),
        names=opened.features,
        grid=values_from("--grid", grid),
        scale=None if inputs.scale is None else values_from("--scale", inputs.scale),
    )
    return opened.hold_categorical(specification)
