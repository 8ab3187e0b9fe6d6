"""Exports Keras networks with tf2onnx, and with Keras itself, into ``tests/exports/tensorflow/``.

    python -m venv ../exports-tf && . ../exports-tf/bin/activate
    pip install tensorflow-cpu==2.21.0 keras==3.15.0 tf2onnx==1.17.0 onnxruntime scikit-learn==1.9.0
    python -m tools.exports.tensorflow_keras

The networks classify scikit-learn's 8x8 digits, which have their channel last.
"""

from __future__ import annotations

import os

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}

import keras
import tensorflow as tf
import tf2onnx
from keras import layers

from tools.exports.common import SEED, STORED, Folder, Split, digits, versions

EPOCHS = 40
IMAGE = (8, 8, 1)
PACKAGES = versions("tf2onnx", "tensorflow-cpu", "keras")


def mlp() -> keras.Model:
    """Dense layers with their activations inside."""
    return keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(24, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(24, activation="relu"),
            layers.Dense(10),
        ]
    )


def cnn() -> keras.Model:
    """A functional model with branches, residuals and a softmax."""
    image = keras.Input(IMAGE, name="image")
    x = layers.Rescaling(2.0, offset=-1.0)(image)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(max_value=6.0)(x)
    x = pooled = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([x, pooled])
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    small = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    grown = layers.UpSampling2D(2)(small)
    smooth = layers.UpSampling2D(2, interpolation="bilinear")(small)
    x = layers.Concatenate()([x, grown, smooth])
    x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.AveragePooling2D(2, strides=1)(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(12, 3)(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    both = layers.Concatenate()(
        [
            layers.GlobalAveragePooling2D()(x),
            layers.GlobalMaxPooling2D()(x),
            layers.Flatten()(small),
        ]
    )
    return keras.Model(image, layers.Dense(10, activation="softmax")(both))


def decoder() -> keras.Model:
    """Transposed convolutions, a sequence of rows, and the arithmetic of tensors."""
    image = keras.Input(IMAGE, name="image")
    x = layers.Conv2D(6, 2, strides=2, activation="relu")(image)
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Cropping2D(1)(x)
    rows = layers.Reshape((8, 8))(image)
    rows = layers.Conv1D(8, 3, padding="causal", activation="relu")(rows)
    rows = layers.MaxPooling1D(2)(rows)
    rows = layers.Permute((2, 1))(rows)
    rows = layers.Flatten()(rows)
    a, b = layers.Dense(12)(rows), layers.Dense(12)(layers.Flatten()(x))
    joined = layers.Concatenate()(
        [
            layers.Maximum()([a, b]), layers.Minimum()([a, b]), layers.Average()([a, b]),
            layers.Subtract()([a, b]),
            layers.Activation("hard_sigmoid")(a), layers.Activation("relu6")(b),
        ]
    )  # fmt: skip
    return keras.Model(image, layers.Dense(10)(joined))


def trained(model: keras.Model, data: Split) -> keras.Model:
    """A network after its short training."""
    logits = model.layers[-1].activation is keras.activations.linear
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])
    model.fit(data.train_x, data.train_y, batch_size=64, epochs=EPOCHS, verbose=0)
    accuracy = model.evaluate(data.test_x, data.test_y, verbose=0)[1]
    print(f"accuracy {accuracy:.3f}")
    return model


def from_function(model: keras.Model, path: str) -> str:
    """Exports a function that calls the model; returns how it was called."""
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="input")]
    function = tf.function(lambda x: model(x, training=False), input_signature=signature)
    tf2onnx.convert.from_function(function, signature, output_path=path)
    return "tf2onnx.convert.from_function(function, signature)"


def from_keras(model: keras.Model, path: str) -> str:
    """Exports the model through tf2onnx, which fails for a Sequential one of Keras 3."""
    tf2onnx.convert.from_keras(model, output_path=path)
    return "tf2onnx.convert.from_keras(model)"


def from_export(model: keras.Model, path: str) -> str:
    """Exports the model through Keras, which calls tf2onnx."""
    model.export(path, format="onnx", verbose=False)
    return 'model.export(path, format="onnx")'


def main() -> None:
    """Trains and exports everything."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    folder = Folder("tensorflow", __file__)
    for name, build, shape, ways, what in (
        ("mlp", mlp, (64,), (from_function, from_export), "Sequential MLP 64-24-24-10"),
        (
            "cnn",
            cnn,
            IMAGE,
            (from_keras, from_export),
            "CNN: Rescaling, BatchNormalization, ReLU(max_value=6), MaxPooling2D, Add, LeakyReLU, "
            "UpSampling2D (nearest, bilinear), Concatenate, DepthwiseConv2D, AveragePooling2D, "
            "ZeroPadding2D, PReLU, GlobalAveragePooling2D, GlobalMaxPooling2D, softmax",
        ),
        (
            "decoder",
            decoder,
            IMAGE,
            (from_keras,),
            "Conv2DTranspose, Cropping2D, Conv1D (causal), MaxPooling1D, Permute, Maximum, "
            "Minimum, Average, Subtract, hard_sigmoid, relu6",
        ),
    ):
        keras.utils.set_random_seed(SEED)
        data = digits(shape)
        model = trained(build(), data)
        x, y = data.test_x[:STORED], data.test_y[:STORED]
        outputs = model.predict(x, verbose=0)
        for way in ways:
            file = f"{name}_{way.__name__.removeprefix('from_')}.onnx"
            call = way(model, str(folder.path / file))
            folder.add(file, f"{what}; dynamic batch", f"`{call}`, {PACKAGES}", x, y, outputs)
    folder.close()


if __name__ == "__main__":
    main()
