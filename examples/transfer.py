"""Attacks of foolbox and ART on an ONNX file, replayed here; witnesses of this package there."""

from __future__ import annotations

import warnings

import torch

import onnx_lippa
from onnx_lippa import compat

warnings.filterwarnings("ignore")  # of the libraries' own imports

import foolbox  # noqa: E402
from art.attacks.evasion import AutoProjectedGradientDescent  # noqa: E402

EPS = 0.1


def main() -> None:
    """Attacks the example three times and compares."""
    path, x, y = onnx_lippa.load_example()
    x, y = x[:50], y[:50]
    model = onnx_lippa.load(path)
    ours = onnx_lippa.attack(model, x, y, eps=EPS)
    print(f"LiPPA:         {ours.success.sum()} of {len(x)} are broken")

    foolbox_model = compat.foolbox_model(model)
    attack = foolbox.attacks.LinfPGD(steps=40, abs_stepsize=0.01)
    _, found, _ = attack(foolbox_model, torch.tensor(x), torch.tensor(y), epsilons=EPS)
    by_foolbox = compat.check_adversarials(model, x, y, found.numpy(), eps=EPS)
    print(f"foolbox's PGD: {sum(one is not None for one in by_foolbox)}, each replayed")

    art = compat.art_classifier(model)
    auto = AutoProjectedGradientDescent(art, eps=EPS, eps_step=0.02, max_iter=20, verbose=False)
    by_art = compat.check_adversarials(model, x, y, auto.generate(x, y), eps=EPS)
    print(f"ART's AutoPGD: {sum(one is not None for one in by_art)}, each replayed")

    # Arrays out: every witness misleads the classifiers of the other libraries.
    witnesses, labels = ours.adversarials[ours.success], y[ours.success]
    assert (art.predict(witnesses).argmax(axis=1) != labels).all()
    accuracy = foolbox.utils.accuracy(foolbox_model, torch.tensor(witnesses), torch.tensor(labels))
    print(f"accuracy of the model on LiPPA's witnesses, by foolbox: {accuracy:.0%}")
    assert accuracy == 0


if __name__ == "__main__":
    main()
