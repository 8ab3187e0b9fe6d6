"""A loaded model: the imported network, the file it came from, and both in ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeAlias

import numpy.typing as npt

from onnx_lippa.errors import ModelError, UnsupportedModelError
from onnx_lippa.ir.network import Network
from onnx_lippa.onnx_io.graph import needed_part
from onnx_lippa.onnx_io.importer import import_network
from onnx_lippa.onnx_io.interface import Interface, read_interface
from onnx_lippa.onnx_io.limits import DEFAULT_LIMITS, LoadLimits, SizeLimits
from onnx_lippa.onnx_io.metadata import read_classes, read_feature_names
from onnx_lippa.onnx_io.preprocess import Preprocess, compose
from onnx_lippa.onnx_io.reader import ModelFile, read_model
from onnx_lippa.onnx_io.runtime import (
    GradientRuntime,
    Runtime,
    ValueRuntime,
    open_runtime,
    require_same,
    rows_at_once,
)
from onnx_lippa.onnx_io.trial import run_in_child
from onnx_lippa.onnx_io.validation import check_agreement, determine_batch
from onnx_lippa.spec import InputSpecification
from onnx_lippa.spec.feature_names import Amounts, bound_all


@dataclass(frozen=True)
class Model:
    """An ONNX export ready to be attacked.

    Attributes:
        file: the file as read.
        interface: its input and output.
        network: the imported network.
        threads: threads ONNX Runtime may use.
        limits: how large its tensors may be.
        preprocess: the preprocessing that the model has in front, here and in ONNX Runtime.
    """

    file: ModelFile
    interface: Interface
    network: Network
    threads: int = 1
    limits: SizeLimits = DEFAULT_LIMITS
    preprocess: Preprocess | None = None

    def check(self, domain: InputSpecification) -> None:
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
        """The model as another process opens it."""
        return ModelSource(
            self.file.path, self.file.sha256, self.interface, self.limits, self.preprocess
        )

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
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes that the model states, in the order of its outputs, or None."""
        return read_classes(self.file, self.network.output_size)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features that the model states; empty without any."""
        return read_feature_names(self.file, self.network.input_size)

    @cached_property
    def runtime(self) -> Runtime:
        """The model itself in ONNX Runtime."""
        return open_runtime(self.file, self.interface, self.threads)

    @cached_property
    def gradient(self) -> GradientRuntime:
        """The compiled value and gradient in ONNX Runtime, for any number of samples at once."""
        return GradientRuntime.of(self.network, self.interface.dtype, self.threads)

    @cached_property
    def values(self) -> ValueRuntime:
        """The compiled network without its gradient, for any number of samples at once."""
        return ValueRuntime.of(self.network, self.interface.dtype, self.threads)


@dataclass(frozen=True)
class ModelSource:
    """A checked model, to be opened in another process: its path and its digest.

    Attributes:
        path: the file.
        sha256: digest of the model that was checked, external data included.
        interface: its input and output, the batch determined.
        limits: how large its tensors may be.
        preprocess: the preprocessing in front of it.
    """

    path: Path
    sha256: str
    interface: Interface
    limits: SizeLimits = DEFAULT_LIMITS
    preprocess: Preprocess | None = None

    def open(self, threads: int = 1) -> Model:
        """The model, read anew; it is not checked again.

        Raises:
            InputError: the file is gone.
            ModelError: it is not what was checked.
        """
        file = read_model(self.path)
        require_same(self.path, file.sha256, self.sha256)
        if self.preprocess is not None:
            declared = read_interface(file, self.interface.output_name)
            file = compose(file, declared, self.preprocess)
        network = import_network(file, self.interface, self.limits)
        if self.interface.joint:
            network = network.joint()
        return Model(file, self.interface, network, threads, self.limits, self.preprocess)


@dataclass(frozen=True)
class Inspection:
    """A model as it was imported, supported or not.

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
    lower: Amounts = 0.0,
    upper: Amounts = 1.0,
    threads: int = 1,
    check: bool = True,
    limits: LoadLimits | None = None,
    preprocess: Preprocess | str | None = None,
) -> Model:
    """Reads, imports and checks a model.

    Args:
        path: the ONNX file, or one compressed with gzip.
        output: name of the output (or of any tensor in the graph) to attack; needed only where
            the model has several outputs that could hold scores.
        lower: lower end of the domain from which the points of the check are drawn, an array
            with one for each feature, or ends by the names of features.
        upper: upper end of that domain.
        threads: threads ONNX Runtime may use.
        check: whether to compare the import with ONNX Runtime (a worker process that loads a
            model that its parent has checked skips this).
        limits: memory and time that loading may take, for files from others: the model is loaded
            in a child process first, as the command line does. Without limits, only the shapes
            of the model are compared with the default memory.
        preprocess: what becomes of an input before the file's own graph takes it, or the name of
            a usual one, ``"imagenet"``. It is part of the model, so radii, domain and distances
            are those of the inputs as stated.

    Raises:
        InputError: the file cannot be read, or domain or preprocessing do not fit the model.
        ModelError: the model cannot be used.
        UnsupportedModelError: it has parts that are not supported; all are listed.
        ModelMismatchError: the import differs from ONNX Runtime.
    """
    domain = bound_all(lower, upper) if check else None
    wanted = Preprocess.of(preprocess)
    if limits is not None:
        attempt = partial(_attempt, Path(path), output, domain, limits, wanted)
        return run_in_child(Path(path), limits, attempt).open(threads)
    return replace(_load(Path(path), output, domain, DEFAULT_LIMITS, wanted), threads=threads)


_Domain: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike] | None
"""Lower and upper ends of the domain of the check; None for no check."""


def _attempt(
    path: Path,
    output: str | None,
    domain: _Domain,
    limits: SizeLimits,
    preprocess: Preprocess | None,
) -> ModelSource:
    """The source of a model that was loaded here."""
    return _load(path, output, domain, limits, preprocess).source


def _load(
    path: Path,
    output: str | None,
    domain: _Domain,
    limits: SizeLimits,
    preprocess: Preprocess | None,
) -> Model:
    model = _import(path, output, limits, preprocess)
    if domain is not None:
        lower, upper = domain
        model.check(InputSpecification.build(model.network.input_size, lower=lower, upper=upper))
    return model


def _import(
    path: Path, output: str | None, limits: SizeLimits, preprocess: Preprocess | None
) -> Model:
    """The model, not checked; its interface has the batch that the graph takes."""
    file = read_model(path)
    declared = read_interface(file, output)
    if preprocess is not None:
        file = compose(file, declared, preprocess)
        declared = read_interface(file, output)
    # ONNX Runtime is shown nothing that has not been imported.
    network = import_network(file, declared, limits)
    interface = replace(declared, rows=rows_at_once(network))
    interface = determine_batch(file, interface, network.work)
    return Model(file, interface, network, limits=limits, preprocess=preprocess)


def inspect(
    path: str | Path,
    *,
    output: str | None = None,
    limits: LoadLimits | None = None,
    preprocess: Preprocess | str | None = None,
) -> Inspection:
    """Reads and imports a model; what is unsupported is part of the result, not raised.

    Args:
        path: the ONNX file.
        output: as in :func:`load`.
        limits: as in :func:`load`.
        preprocess: as in :func:`load`; its steps are the first of the network.

    Raises:
        InputError: the file cannot be read.
        ModelError: it is no model at all, or its interface is unusable.
    """
    path, problem, wanted = Path(path), None, Preprocess.of(preprocess)
    if limits is not None:
        problem = run_in_child(path, limits, partial(_find_problem, path, output, limits, wanted))
    if problem is None:
        try:
            model = _import(path, output, limits or DEFAULT_LIMITS, wanted)
            return Inspection(model.file, model.interface, model.network, None)
        except UnsupportedModelError as error:
            problem = error
    file = read_model(path)
    return Inspection(file, read_interface(file, output), None, problem)


def _find_problem(
    path: Path, output: str | None, limits: SizeLimits, preprocess: Preprocess | None
) -> UnsupportedModelError | None:
    try:
        _import(path, output, limits, preprocess)
    except UnsupportedModelError as problem:
        return problem
    return None
