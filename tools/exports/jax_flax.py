"""Exports Flax and plain JAX networks with jax2onnx into ``tests/exports/jax/``.

    python -m venv ../exports-jax && . ../exports-jax/bin/activate
    pip install jax==0.10.2 flax==0.12.8 jax2onnx==0.17.1 onnxruntime scikit-learn==1.9.0
    python -m tools.exports.jax_flax

The networks classify scikit-learn's 8x8 digits, which have their channel last.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen, nnx
from jax2onnx import to_onnx

from tools.exports.common import SEED, STORED, Folder, Split, digits, versions

EPOCHS = 40
BATCH = 64
IMAGE = (8, 8, 1)

Network = Callable[[jax.Array], jax.Array]


class Mlp(nnx.Module):
    """Flax's newer interface."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(64, 24, rngs=rngs)
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.second = nnx.Linear(24, 24, rngs=rngs)
        self.last = nnx.Linear(24, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.drop(nnx.relu(self.first(x)))
        return self.last(nnx.relu(self.second(x)))


class Cnn(nnx.Module):
    """Batch normalisation, pooling, a residual, a softmax."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(1, 8, (3, 3), use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(8, rngs=rngs)
        self.block = nnx.Conv(8, 8, (3, 3), rngs=rngs)
        self.after = nnx.BatchNorm(8, rngs=rngs)
        self.shrink = nnx.Conv(8, 12, (3, 3), strides=2, rngs=rngs)
        self.hidden = nnx.Linear(12 * 4 + 8, 16, rngs=rngs)
        self.last = nnx.Linear(16, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu6(self.norm(self.stem((x - 0.3) / 0.35)))
        x = nnx.max_pool(x, window_shape=(2, 2), strides=(2, 2))
        x = nnx.leaky_relu(self.after(x + nnx.relu(self.block(x))), 0.1)
        pooled = nnx.avg_pool(x, window_shape=(2, 2), strides=(2, 2)).mean(axis=(1, 2))
        small = nnx.relu(self.shrink(x))
        x = jnp.concatenate([small.reshape(small.shape[0], -1), pooled], axis=1)
        return nnx.softmax(self.last(nnx.relu(self.hidden(x))))


class LinenMlp(linen.Module):
    """Flax's older interface."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape((x.shape[0], -1))
        x = linen.relu(linen.Dense(24)(x))
        x = linen.hard_sigmoid(linen.Dense(24)(x))
        return linen.log_softmax(linen.Dense(10)(x))


def plain(weights: list[jax.Array], x: jax.Array) -> jax.Array:
    """JAX without a library: the operations that jax.numpy is used for."""
    first, bias, second, third, last = weights
    a, b = jnp.split(x @ first + bias, 2, axis=-1)
    upper, lower = jnp.maximum(a, b), jnp.minimum(a, 0.0)
    pieces = jnp.max((jnp.abs(upper) @ second).reshape(-1, 8, 3), axis=2)
    clipped = jnp.clip(lower @ third, -1.0, 1.0)
    return jnp.concatenate([pieces, clipped, a[:, ::2]], axis=1) @ last


def chosen(weights: list[jax.Array], x: jax.Array) -> jax.Array:
    """Activations that become comparisons and choices: jnp.where, and Flax's hard_tanh."""
    first, bias, second, last = weights
    x = x @ first + bias
    x = jnp.where(x > 0, x, 0.2 * x) @ second
    return nnx.hard_tanh(x) @ last


def fitted(scores: Callable[[Any, jax.Array], jax.Array], weights: Any, data: Split) -> Any:
    """The weights after a short training; ``scores`` takes them and inputs."""
    optimizer = optax.adam(0.005)

    def loss(now: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(scores(now, x), y).mean()

    @jax.jit
    def step(
        now: Any, state: optax.OptState, x: jax.Array, y: jax.Array
    ) -> tuple[Any, optax.OptState]:
        updates, state = optimizer.update(jax.grad(loss)(now, x, y), state)
        return optax.apply_updates(now, updates), state

    state = optimizer.init(weights)
    for rows in batches(len(data.train_x)):
        weights, state = step(weights, state, data.train_x[rows], data.train_y[rows])
    return weights


def fit_module(model: nnx.Module, data: Split) -> None:
    """Trains a module of the newer interface in place."""
    optimizer = nnx.Optimizer(model, optax.adam(0.005), wrt=nnx.Param)
    probabilities = isinstance(model, Cnn)

    @nnx.jit
    def step(now: nnx.Module, optimizer: nnx.Optimizer, x: jax.Array, y: jax.Array) -> None:
        def loss(now: nnx.Module) -> jax.Array:
            outputs = jnp.log(now(x) + 1e-6) if probabilities else now(x)
            return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()

        optimizer.update(now, nnx.grad(loss)(now))

    model.train()
    for rows in batches(len(data.train_x)):
        step(model, optimizer, data.train_x[rows], data.train_y[rows])
    model.eval()


def weights_of(sizes: list[tuple[int, ...]]) -> list[jax.Array]:
    """Random weights to begin with."""
    keys = jax.random.split(jax.random.key(SEED), len(sizes))
    return [0.2 * jax.random.normal(key, size) for key, size in zip(keys, sizes, strict=True)]


def batches(n: int) -> list[np.ndarray]:
    """The rows of every batch of the training."""
    generator = np.random.default_rng(SEED)
    orders = [generator.permutation(n) for _ in range(EPOCHS)]
    return [order[i : i + BATCH] for order in orders for i in range(0, n - BATCH + 1, BATCH)]


def export_to(
    folder: Folder,
    file: str,
    what: str,
    network: Network,
    data: Split,
    batch: str | int = "B",
    kind: str = "classifier",
    **options: object,
) -> None:
    """Writes one file; ``options`` are those of jax2onnx."""
    accuracy = (network(data.test_x).argmax(axis=1) == data.test_y).mean()
    print(f"{file}: accuracy {accuracy:.3f}")
    x, y = data.test_x[:STORED], data.test_y[:STORED]
    outputs, shape = np.asarray(network(x)), (batch, *x.shape[1:])
    to_onnx(network, [shape], return_mode="file", output_path=folder.path / file, **options)
    if "inputs_as_nchw" in options:
        x = np.moveaxis(x, -1, 1)
    shown = "".join(f", {name}={value}" for name, value in options.items())
    call = f"`jax2onnx.to_onnx(network, [{shape}]{shown})`, {versions('jax2onnx', 'jax', 'flax')}"
    size = "fixed batch of 1" if batch == 1 else "dynamic batch"
    folder.add(file, f"{what}; {size}", call, x, y, outputs, kind=kind)


def main() -> None:
    """Trains and exports everything."""
    folder = Folder("jax", __file__)
    export = partial(export_to, folder)
    flat, image = digits(), digits(IMAGE)
    model = Mlp(nnx.Rngs(SEED))
    fit_module(model, flat)
    export("mlp_nnx.onnx", "flax.nnx MLP 64-24-24-10", model, flat)
    export("mlp_nnx_fixed.onnx", "flax.nnx MLP 64-24-24-10", model, flat, 1)

    model = Cnn(nnx.Rngs(SEED))
    fit_module(model, image)
    what = (
        "flax.nnx CNN: normalised inputs, BatchNorm, relu6, max_pool, avg_pool, mean, residual "
        "add, leaky_relu, concatenate, softmax"
    )
    export("cnn_nnx.onnx", what, model, image)
    export("cnn_nnx_nchw.onnx", f"{what}; channels first", model, image, inputs_as_nchw=[0])

    module = LinenMlp()
    weights = fitted(module.apply, module.init(jax.random.key(SEED), image.train_x[:1]), image)
    what = "flax.linen MLP 64-24-24-10, hard_sigmoid, log_softmax"
    export("mlp_linen.onnx", what, lambda x: module.apply(weights, x), image)

    learnt = fitted(plain, weights_of([(64, 40), (40,), (20, 24), (20, 10), (28, 10)]), flat)
    what = "plain jax.numpy: split, maximum, minimum, abs, max over an axis, clip, slice"
    export("plain.onnx", what, lambda x: plain(learnt, x), flat)

    picked = fitted(chosen, weights_of([(64, 24), (24,), (24, 16), (16, 10)]), flat)
    what = "MLP 64-24-16-10: jnp.where(x > 0, x, 0.2 x), hard_tanh"
    export("where.onnx", what, lambda x: chosen(picked, x), flat, kind="conditional")
    folder.close()


if __name__ == "__main__":
    main()
