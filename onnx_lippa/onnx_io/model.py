"""A loaded model: the imported network, the file it came from, and both in ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy.typing as npt

from onnx_lippa.errors import ModelError, UnsupportedModelError
from onnx_lippa.network import Network
from onnx_lippa.onnx_io.agreement import check_agreement
from onnx_lippa.onnx_io.importer import import_network
from onnx_lippa.onnx_io.needed import needed_part
from onnx_lippa.onnx_io.reader import Interface, ModelFile, interface_of, read_model
from onnx_lippa.onnx_io.runtime import GradientRuntime, Runtime, ValueRuntime
from onnx_lippa.onnx_io.sessions import (
    gradient_runtime,
    open_runtime,
    require_same,
    rows_at_once,
    settled_batch,
    value_runtime,
)
from onnx_lippa.question import Features


@dataclass(frozen=True)
class Model:
    """An ONNX export ready to be attacked.

    Attributes:
        file: the file as read.
        interface: its input and output.
        network: the imported network.
        threads: threads ONNX Runtime may use.
    """

    file: ModelFile
    interface: Interface
    network: Network
    threads: int = 1

    def check(self, domain: Features) -> None:
        """Compares the import with ONNX Runtime on points of a domain.

        Raises:
            ModelMismatchError: they differ.
            ModelError: the model cannot be run there.
        """
        try:
            check_agreement(
                self.network,
                self.runtime,
                needed_part(self.file.proto, self.interface.output_name),
                self.interface,
                domain,
            )
        except MemoryError as error:
            raise ModelError(
                f"{self.file.path} needs more memory than there is for a batch of inputs: "
                "check the shapes in it and export it again"
            ) from error

    @property
    def source(self) -> ModelSource:
        """What another process needs to open the same model."""
        return ModelSource(self.file.path, self.file.sha256, self.interface)

    def joint(self) -> Model:
        """The same model with its inputs appended to its outputs, ``[y; x]``."""
        interface = replace(self.interface, joint=True)
        return replace(self, interface=interface, network=self.network.joint())

    def require_classes(self) -> None:
        """Raises ModelError where the outputs are not one score for each class."""
        shape = self.network.output_shape
        if sum(extent != 1 for extent in shape) > 1 or self.network.output_size < 2:
            raise ModelError(
                f"the model's output has the sample shape {shape}: a vector of class scores "
                "[batch, classes] is needed, or state what to look for as a property (--property; "
                "in Python falsify and verify)"
            )

    @cached_property
    def runtime(self) -> Runtime:
        """The model itself in ONNX Runtime."""
        return open_runtime(self.file, self.interface, self.threads)

    @cached_property
    def gradient(self) -> GradientRuntime:
        """The compiled value and gradient in ONNX Runtime, for any number of samples at once."""
        return gradient_runtime(self.network, self.interface.dtype, self.threads)

    @cached_property
    def values(self) -> ValueRuntime:
        """The compiled network without its gradient, for any number of samples at once."""
        return value_runtime(self.network, self.interface.dtype, self.threads)


@dataclass(frozen=True)
class ModelSource:
    """A checked model, to be opened in another process: where it lies, and which bytes it is.

    Attributes:
        path: the file.
        sha256: digest of the model that was checked, external data included.
        interface: its input and output, as they were settled.
    """

    path: Path
    sha256: str
    interface: Interface

    def open(self, threads: int = 1) -> Model:
        """The model, read anew; it is not checked again.

        Raises:
            InputError: the file is gone.
            ModelError: it is not what was checked.
        """
        file = read_model(self.path)
        require_same(self.path, file.sha256, self.sha256)
        network = import_network(file, self.interface)
        if self.interface.joint:
            network = network.joint()
        return Model(file, self.interface, network, threads)


@dataclass(frozen=True)
class Inspection:
    """What can be said about a model without attacking it.

    Attributes:
        file: the file as read.
        interface: its input and output.
        network: the network, or None where parts are unsupported.
        problem: the error that lists them, or None.
    """

    file: ModelFile
    interface: Interface
    network: Network | None
    problem: UnsupportedModelError | None


def load(
    path: str | Path,
    *,
    output: str | None = None,
    lower: npt.ArrayLike = 0.0,
    upper: npt.ArrayLike = 1.0,
    threads: int = 1,
    check: bool = True,
) -> Model:
    """Reads, imports and checks a model.

    Args:
        path: the ONNX file, or one compressed with gzip.
        output: name of the output (or of any tensor in the graph) to attack; needed only where
            the model has several outputs that could hold scores.
        lower: lower end of the domain from which the points of the check are drawn, or an array
            with one for each feature.
        upper: its upper end, likewise.
        threads: threads ONNX Runtime may use.
        check: whether to compare the import with ONNX Runtime (a worker process that loads a
            model which its parent has checked leaves it out).

    Raises:
        InputError: the file cannot be read, or the domain is none of the model's.
        ModelError: it is no model that can be used.
        UnsupportedModelError: it has parts that are not supported; all are listed.
        ModelMismatchError: the import differs from ONNX Runtime.
    """
    file = read_model(Path(path))
    declared = interface_of(file, output)
    # ONNX Runtime is shown nothing that has not been imported.
    network = import_network(file, declared)
    model = Model(file, _settled(file, declared, network), network, threads)
    if check:
        model.check(Features.given(network.input_size, lower=lower, upper=upper))
    return model


def _settled(file: ModelFile, declared: Interface, network: Network) -> Interface:
    """The interface with the batch that the graph takes, and as many samples as there is room."""
    return settled_batch(file, replace(declared, rows=rows_at_once(network)))


def inspect(path: str | Path, *, output: str | None = None) -> Inspection:
    """Reads and imports a model, and says what is unsupported instead of raising it.

    Args:
        path: the ONNX file.
        output: as in :func:`load`.

    Raises:
        InputError: the file cannot be read.
        ModelError: it is no model at all, or its interface is unusable.
    """
    file = read_model(Path(path))
    declared = interface_of(file, output)
    try:
        network = import_network(file, declared)
    except UnsupportedModelError as problem:
        return Inspection(file, declared, None, problem)
    return Inspection(file, _settled(file, declared, network), network, None)
