"""The attacks of PyTorch's, foolbox's and ART's users on a file, where these are installed."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import onnx_lippa
from onnx_lippa import compat
from tests.support.paths import MODELS

DIGITS = MODELS / "digits_mlp.onnx"
EPS = 0.1


def needs(*libraries):
    missing = [name for name in libraries if find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def quietly(name):
    """Imports a library that is not free of warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(name)


@pytest.fixture(scope="module")
def digits():
    data = np.load(DIGITS.with_suffix(".npz"))
    model = onnx_lippa.load(DIGITS)
    x, y = data["x"][:40], data["y"][:40]
    return model, x, y, onnx_lippa.attack(model, x, y, eps=EPS, workers=1)


def confirmed(digits, adversarials, eps=EPS):
    """How many arrays of another library replay; none in the ball breaks what LiPPA did not."""
    model, x, y, ours = digits
    witnesses = compat.check_adversarials(model, x, y, adversarials, eps=eps)
    broken = np.array([one is not None for one in witnesses])
    assert eps is None or not (broken & ~ours.success).any()
    return broken.sum()


@needs("torch")
def test_torch_gradients_are_those_of_the_network(digits):
    torch = quietly("torch")
    model, x, y, _ = digits
    weights = {one.name: numpy_helper.to_array(one) for one in onnx.load(DIGITS).graph.initializer}
    names = [node.input for node in onnx.load(DIGITS).graph.node if node.op_type == "Gemm"]
    layers = []
    for _, weight, bias in names:
        layer = torch.nn.Linear(*weights[weight].shape[::-1])
        layer.weight.data = torch.tensor(weights[weight])
        layer.bias.data = torch.tensor(weights[bias])
        layers += [layer, torch.nn.ReLU()]
    original = torch.nn.Sequential(*layers[:-1])
    gradients = []
    for network in (original, compat.torch_module(model)):
        points = torch.tensor(x, requires_grad=True)
        torch.nn.functional.cross_entropy(network(points), torch.tensor(y)).backward()
        gradients.append(points.grad.numpy())
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-3, atol=1e-6)
    assert np.abs(gradients[0]).max() > 1e-3
    assert not list(compat.torch_module(model).parameters())


@needs("torch", "foolbox")
@pytest.mark.filterwarnings("ignore")
def test_attacks_of_foolbox(digits):
    torch, foolbox = quietly("torch"), quietly("foolbox")
    model, x, y, ours = digits
    classifier = compat.foolbox_model(model)
    inputs, labels = torch.tensor(x), torch.tensor(y)
    assert foolbox.utils.accuracy(classifier, inputs, labels) == pytest.approx(1 - ours.clean_error)
    attack = foolbox.attacks.LinfPGD(steps=40, abs_stepsize=0.01)
    _, clipped, success = attack(classifier, inputs, labels, epsilons=EPS)
    assert confirmed(digits, clipped.numpy()) == success.sum() > ours.success.sum() / 2
    # And what is found here misleads the model there.
    witnesses = torch.tensor(ours.adversarials)
    misled = classifier(witnesses).argmax(axis=1).numpy() != y
    assert misled.tolist() == ours.success.tolist()


@needs("foolbox")
@pytest.mark.filterwarnings("ignore")
def test_foolbox_takes_arrays_where_no_gradient_is_needed(digits):
    quietly("foolbox")
    eagerpy = quietly("eagerpy")
    model, x, *_ = digits
    classifier = compat.foolbox_model(model, lower=-1.0, upper=2.0)
    assert classifier.bounds == (-1.0, 2.0)
    assert isinstance(classifier(x), np.ndarray)
    assert isinstance(classifier(eagerpy.astensor(x)), eagerpy.NumPyTensor)
    with pytest.raises(ValueError, match="Unknown type"):
        classifier("digits")


@needs("art")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "options", "eps", "least"),
    [
        ("ProjectedGradientDescent", {"eps": EPS, "eps_step": 0.01, "max_iter": 20}, EPS, 15),
        ("AutoProjectedGradientDescent", {"eps": EPS, "eps_step": 0.01, "max_iter": 10}, EPS, 15),
        ("DeepFool", {"max_iter": 20, "epsilon": 0.1}, None, 35),  # in l2, at any distance
        ("CarliniL2Method", {"max_iter": 10, "learning_rate": 0.1}, None, 15),
    ],
)
def test_attacks_of_art(digits, name, options, eps, least):
    evasion = quietly("art.attacks.evasion")
    model, x, y, ours = digits
    classifier = compat.art_classifier(model)
    attack = getattr(evasion, name)(classifier, verbose=False, **options)
    found = attack.generate(x, y)
    assert confirmed(digits, found, eps) >= least
    assert (classifier.predict(ours.adversarials).argmax(axis=1) != y).tolist() == (
        ours.success.tolist()
    )


@needs("art")
@pytest.mark.filterwarnings("ignore")
def test_a_black_box_attack_of_art_on_images():
    evasion = quietly("art.attacks.evasion")
    data = np.load(MODELS / "mnist_mlp.npz")
    x, y = data["images"][:4, None].astype(np.float32) / 255, data["labels"][:4]
    classifier = compat.art_classifier(MODELS / "mnist_mlp.onnx")
    found = evasion.SquareAttack(classifier, eps=0.3, max_iter=100, verbose=False).generate(x, y)
    witnesses = compat.check_adversarials(MODELS / "mnist_mlp.onnx", x, y, found, eps=0.3)
    assert all(witness is not None for witness in witnesses)


@needs("art")
@pytest.mark.filterwarnings("ignore")
def test_an_art_classifier_is_a_whole_estimator(digits, tmp_path):
    quietly("art.estimators")
    model, x, y, _ = digits
    classifier = compat.art_classifier(model, lower=np.zeros(64), upper=1.0)
    assert classifier.nb_classes == 10
    assert classifier.input_shape == (64,)
    assert classifier.clip_values[1].shape == (64,)
    losses = classifier.compute_loss(x, y)
    assert classifier.compute_loss(x, y, reduction="mean") == pytest.approx(losses.mean())
    with pytest.raises(onnx_lippa.InputError, match="give none, mean or sum"):
        classifier.compute_loss(x, y, reduction="most")
    with pytest.raises(NotImplementedError, match="export it again"):
        classifier.fit(x, y)
    classifier.save("copy.onnx", str(tmp_path))
    assert (tmp_path / "copy.onnx").read_bytes() == DIGITS.read_bytes()
