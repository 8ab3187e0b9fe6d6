"""Files that are no models, weights in other files, and interfaces that cannot be attacked."""

import hashlib
import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnx_lippa.errors import InputError, ModelError
from onnx_lippa.onnx_io import PackedModel, inspect, load
from onnx_lippa.onnx_io.interface import read_interface
from onnx_lippa.onnx_io.reader import read_model
from tests.support.graphs import graph_model, load_model, node, normal, one_op, saved, with_batch
from tests.support.layers import assert_near


def dense_model() -> onnx.ModelProto:
    """A dense layer of four inputs and three classes."""
    return one_op("Gemm", (4,), "x", normal(1, 4, 3), normal(2, 3), flatten=False)


# Files


@pytest.mark.parametrize("read", [load, inspect])
def test_missing_file(tmp_path, read):
    with pytest.raises(InputError, match=r"cannot read the model .*nowhere\.onnx: No such file"):
        read(tmp_path / "nowhere.onnx")


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(InputError, match="cannot read the model"):
        load(tmp_path)


@pytest.mark.parametrize("read", [load, inspect])
def test_empty_file(tmp_path, read):
    path = tmp_path / "empty.onnx"
    path.write_bytes(b"")
    with pytest.raises(ModelError, match=r"empty\.onnx .*not an ONNX model.*export it again"):
        read(path)


def test_text_file(tmp_path):
    path = tmp_path / "notes.onnx"
    path.write_text("This is not a model at all.\n" * 20)
    with pytest.raises(ModelError, match=r"not an ONNX model"):
        load(path)


@pytest.mark.parametrize("seed", range(10))
def test_random_bytes(seed):
    content = np.random.default_rng(seed).bytes(500)
    with pytest.raises(ModelError, match="not an ONNX model"):
        load_model(content)


@pytest.mark.parametrize("name", [b"gemm_y", b"Gemm", b"c1"])
def test_names_that_are_no_text(name):
    content = dense_model().SerializeToString()
    assert name in content
    with pytest.raises(ModelError, match=r"names that are not text: export or copy it again"):
        load_model(content.replace(name, b"\xff" * len(name)))


def test_truncated_file():
    content = dense_model().SerializeToString()
    with pytest.raises(ModelError, match=r"truncated: export or copy it again"):
        load_model(content[: len(content) // 2])


def test_every_truncation_is_refused():
    content = dense_model().SerializeToString()
    for length in range(len(content)):
        with pytest.raises(ModelError):
            load_model(content[:length])


def test_path_as_text_and_digest(tmp_path):
    path = saved(dense_model(), tmp_path)
    model = load(str(path))
    assert model.file.path == path
    assert model.file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.file.opset == 17


def test_opset_of_either_name_of_the_standard_domain():
    model = dense_model()
    model.opset_import[0].domain = "ai.onnx"
    assert load_model(model).file.opset == 17


def test_model_without_an_opset():
    model = dense_model()
    del model.opset_import[:]
    with pytest.raises(ModelError, match="opset"):
        load_model(model)


# External weights


def with_external_weights(location: str) -> onnx.ModelProto:
    """The dense model with its weight declared to lie in another file."""
    model = dense_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "48")):
        tensor.external_data.add(key=key, value=value)
    return model


def weight_bytes() -> bytes:
    """What belongs into the other file."""
    return dense_model().graph.initializer[0].raw_data


@pytest.mark.parametrize("location", ["weights.bin", "data/weights.bin"])
def test_external_weights(tmp_path, location):
    target = tmp_path / location
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(weight_bytes())
    model = load(saved(with_external_weights(location), tmp_path))
    x = normal(1, 3, 4)
    inline = load_model(dense_model())
    np.testing.assert_array_equal(model.network.forward(x), inline.network.forward(x))
    assert_near(model.runtime.forward(x), inline.runtime.forward(x), 1e-6)


def test_external_weights_are_in_the_digest(tmp_path):
    """And only what the model refers to: other bytes of the data file are not its weights."""
    (tmp_path / "weights.bin").write_bytes(weight_bytes())
    path = saved(with_external_weights("weights.bin"), tmp_path)
    first = load(path).file
    assert first.file_sha256 == hashlib.sha256(path.read_bytes()).hexdigest() != first.sha256
    (tmp_path / "weights.bin").write_bytes(weight_bytes() + b"more")
    assert load(path).file.sha256 == first.sha256
    (tmp_path / "weights.bin").write_bytes(weight_bytes()[::-1])
    assert load(path).file.sha256 != first.sha256
    assert load(path).file.file_sha256 == first.file_sha256


def test_external_weights_anywhere_are_in_the_digest(tmp_path):
    """Constants of nodes count as initialisers do."""
    model = dense_model()
    tensor = model.graph.initializer[0]
    constant = onnx.helper.make_node("Constant", [], [tensor.name], name="c")
    constant.attribute.append(onnx.helper.make_attribute("value", tensor))
    held = constant.attribute[0].t
    held.ClearField("raw_data")
    held.data_location = TensorProto.EXTERNAL
    held.external_data.add(key="location", value="weights.bin")
    del model.graph.initializer[0]
    model.graph.node.insert(0, constant)
    (tmp_path / "weights.bin").write_bytes(weight_bytes())
    path = saved(model, tmp_path)
    first = load(path).file.sha256
    (tmp_path / "weights.bin").write_bytes(weight_bytes()[::-1])
    assert load(path).file.sha256 != first


def test_what_was_loaded_is_what_runs(tmp_path):
    """Whatever becomes of the files afterwards: sessions are opened later than models."""
    (tmp_path / "weights.bin").write_bytes(weight_bytes())
    path = saved(with_external_weights("weights.bin"), tmp_path)
    x, inline = normal(1, 3, 4), load_model(dense_model())
    model = load(path, check=False)
    (tmp_path / "weights.bin").write_bytes(weight_bytes()[::-1])
    path.unlink()
    np.testing.assert_array_equal(model.runtime.forward(x), inline.runtime.forward(x))


def test_a_source_opens_what_was_checked(tmp_path):
    (tmp_path / "weights.bin").write_bytes(weight_bytes())
    model = load(saved(with_external_weights("weights.bin"), tmp_path))
    x, again = normal(1, 3, 4), model.source.open()
    assert again.interface == model.interface
    np.testing.assert_array_equal(model.runtime.forward(x), again.runtime.forward(x))
    joint = model.joint().source.open()
    assert joint.network.output_size == model.network.output_size + model.network.input_size
    (tmp_path / "weights.bin").write_bytes(weight_bytes()[::-1])
    with pytest.raises(ModelError, match="was replaced while the run was going on"):
        model.source.open()


def assert_external_weights_are_refused(path):
    with pytest.raises(
        ModelError, match=r"external weights of .* cannot be read \(.+\): put the data file into"
    ):
        load(path)


def test_external_weights_missing(tmp_path):
    assert_external_weights_are_refused(saved(with_external_weights("weights.bin"), tmp_path))


@pytest.mark.parametrize("content", [b"", b"short"])
def test_external_weights_truncated(tmp_path, content):
    (tmp_path / "weights.bin").write_bytes(content)
    assert_external_weights_are_refused(saved(with_external_weights("weights.bin"), tmp_path))


@pytest.mark.parametrize("location", ["../weights.bin", "inner/../../weights.bin"])
def test_external_weights_above_the_folder(tmp_path, location):
    (tmp_path / "weights.bin").write_bytes(weight_bytes())
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    assert_external_weights_are_refused(saved(with_external_weights(location), folder))


def test_external_weights_at_an_absolute_path(tmp_path):
    target = tmp_path / "weights.bin"
    target.write_bytes(weight_bytes())
    folder = tmp_path / "model"
    folder.mkdir()
    assert_external_weights_are_refused(saved(with_external_weights(str(target)), folder))


def test_external_weights_behind_a_link_out_of_the_folder(tmp_path):
    (tmp_path / "weights.bin").write_bytes(weight_bytes())
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").symlink_to(tmp_path / "weights.bin")
    assert_external_weights_are_refused(saved(with_external_weights("weights.bin"), folder))


def test_external_weights_beside_the_snapshots_of_a_cache(tmp_path):
    """A hub's cache holds links from a snapshot to blobs, for the model and for its weights."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "0123"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    model = saved(with_external_weights("weights.bin"), blobs)
    (blobs / "ab12").write_bytes(weight_bytes())
    (snapshot / "model.onnx").symlink_to(f"../../blobs/{model.name}")
    (snapshot / "weights.bin").symlink_to("../../blobs/ab12")
    found = load(snapshot / "model.onnx")
    x = normal(1, 3, 4)
    assert_near(found.network.forward(x), load_model(dense_model()).network.forward(x), 1e-6)
    # A link to anywhere else stays refused.
    (tmp_path / "secret").write_bytes(weight_bytes())
    (snapshot / "weights.bin").unlink()
    (snapshot / "weights.bin").symlink_to(tmp_path / "secret")
    assert_external_weights_are_refused(snapshot / "model.onnx")


@pytest.mark.parametrize("location", ["weights.bin", "inner/weights.bin"])
def test_a_packed_model_has_its_weights(tmp_path, location):
    """And is the same model where it is unpacked, also of a hub's cache with links."""
    here, there = tmp_path / "here", tmp_path / "there"
    (here / location).parent.mkdir(parents=True)
    there.mkdir()
    (here / "blob").write_bytes(weight_bytes())
    (here / location).symlink_to(here / "blob")
    model = load(saved(with_external_weights(location), here))
    packed = PackedModel.of(model)
    assert set(packed.files) == {model.file.path.name, location}
    opened = packed.unpack(there).open()
    assert opened.file.sha256 == model.file.sha256
    assert opened.file.path.parent == there
    x = normal(1, 3, 4)
    np.testing.assert_array_equal(opened.network.forward(x), model.network.forward(x))
    (here / location).unlink()
    with pytest.raises(ModelError, match=r"external weights of .* cannot be read"):
        PackedModel.of(model)


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_external_weights_that_are_no_file(tmp_path, kind):
    place = tmp_path / "weights.bin"
    if kind == "device":
        place.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    assert_external_weights_are_refused(saved(with_external_weights("weights.bin"), tmp_path))


@pytest.mark.parametrize(("key", "value"), [("offset", "-4"), ("offset", "x"), ("length", "9999")])
def test_external_weights_with_a_wrong_place(tmp_path, key, value):
    (tmp_path / "weights.bin").write_bytes(weight_bytes())
    model = with_external_weights("weights.bin")
    for entry in model.graph.initializer[0].external_data:
        if entry.key == key:
            entry.value = value
    assert_external_weights_are_refused(saved(model, tmp_path))


def test_external_weights_of_a_constant_node(tmp_path):
    (tmp_path / "weights.bin").write_bytes(np.ones(4, np.float32).tobytes())
    tensor = numpy_helper.from_array(np.ones(4, np.float32))
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    nodes = [node("Constant", [], "c", value=tensor), node("Add", "x c", "y")]
    model = inspect(saved(graph_model(nodes, (4,)), tmp_path))
    assert model.network is not None
    np.testing.assert_array_equal(model.network.forward(np.zeros((1, 4))), np.ones((1, 4)))


# Interfaces


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        read_model(tmp_path / "pipe")


def test_free_and_fixed_batch():
    free, fixed = dense_model(), with_batch(dense_model(), 1)
    assert load_model(free).interface.batch_is_free
    assert not load_model(fixed).interface.batch_is_free
    x = normal(1, 7, 4)
    outputs = [load_model(m).runtime.forward(x) for m in (free, fixed)]
    assert_near(outputs[0], outputs[1], 1e-6)


def test_batch_axis_without_any_name():
    model = dense_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].Clear()
    assert load_model(model).interface.batch_is_free


def test_fixed_batch_of_eight():
    with pytest.raises(ModelError, match=r"'x' has the fixed batch size 8: .*dynamic batch axis"):
        load_model(with_batch(dense_model(), 8))


@pytest.mark.parametrize("axis", ["features", None, 0])
def test_dynamic_feature_axis(axis):
    model = graph_model([node("Relu", "x", "y")], (2, axis))
    with pytest.raises(ModelError, match=r"dynamic beyond its batch axis: .*fixed feature axes"):
        load_model(model)


def test_dynamic_axes_are_named_in_the_message():
    with pytest.raises(ModelError, match=r"\['batch', 3, 'width'\]"):
        load_model(graph_model([node("Relu", "x", "y")], (3, "width")))


def test_input_without_a_feature_axis():
    with pytest.raises(ModelError, match=r"shape \['batch'\], dynamic beyond its batch axis"):
        load_model(graph_model([node("Relu", "x", "y")], ()))


@pytest.mark.parametrize("forget", [lambda t: t.ClearField("shape"), lambda t: t.shape.Clear()])
def test_input_without_a_shape(forget):
    model = dense_model()
    forget(model.graph.input[0].type.tensor_type)
    with pytest.raises(
        ModelError,
        match=r"at least one feature axis is needed, so export it as \[batch, features\]",
    ):
        load_model(model)


@pytest.mark.parametrize("kind", ["FLOAT16", "BFLOAT16", "INT64", "UINT8", "STRING"])
def test_element_types_that_cannot_be_attacked(kind):
    element = TensorProto.DataType.Value(kind)
    with pytest.raises(
        ModelError, match=rf"'x' has element type {kind.lower()}: .*float32 or float64"
    ):
        load_model(graph_model([node("Relu", "x", "y")], (3,), element=element))


def test_element_type_that_does_not_exist():
    with pytest.raises(ModelError, match=r"'x' has element type .*99.*: .*float32"):
        load_model(graph_model([node("Relu", "x", "y")], (3,), element=99))


def test_input_that_is_no_tensor():
    model = dense_model()
    sequence = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    model.graph.input[0].CopyFrom(sequence)
    with pytest.raises(ModelError, match=r"'x' .*float32"):
        load_model(model)


def test_several_inputs():
    model = graph_model([node("Add", "x z", "y")], (3,))
    model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 3]))
    with pytest.raises(
        ModelError, match=r"has 2 inputs \('x', 'z'\) where one is needed: .*a single input"
    ):
        load_model(model)


def test_no_input():
    model = graph_model([node("Relu", "c", "y")], (3,), {"c": normal(1, 1, 3)})
    del model.graph.input[:]
    with pytest.raises(ModelError, match=r"has 0 inputs \(none\) where one is needed"):
        load_model(model)


def test_no_output():
    model = graph_model([node("Relu", "x", "y")], (3,))
    del model.graph.output[:]
    with pytest.raises(ModelError, match=r"has 0 outputs \(none\) where one that holds scores"):
        load_model(model)


@pytest.mark.parametrize("ir_version", [3, 4, 8])
def test_weights_that_are_listed_as_inputs(ir_version):
    model = dense_model()
    model.ir_version = ir_version
    for tensor in model.graph.initializer:
        model.graph.input.insert(
            0, helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims)
        )
    loaded = load_model(model)
    assert loaded.interface.input_name == "x"
    assert loaded.interface.sample_shape == (4,)
    assert loaded.network.parameters == 15


def test_reading_without_loading(tmp_path):
    file = read_model(saved(dense_model(), tmp_path))
    interface = read_interface(file)
    assert (interface.input_name, interface.output_name) == ("x", "y")
    assert interface.sample_shape == (4,)


@pytest.mark.parametrize("version", [0, -1, -(2**31), -(2**63)])
def test_an_opset_that_does_not_exist(version):
    """All versions from there to the newest were looked through for one that is supported."""
    model = one_op("Relu", (2,))
    model.opset_import[0].version = version
    with pytest.raises(ModelError, match="opset"):
        load_model(model)
