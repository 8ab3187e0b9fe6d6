"""Figure 2: how many regions a hidden layer can represent, against 2 to the number of its ReLUs.

n hyperplanes in general position cut a space of d dimensions into ``sum(C(n, i), i = 0..d)`` cells
(Zaslavsky 1975), the regions of one hidden layer of n ReLUs; there are 2^n codes of n bits.
"""

from __future__ import annotations

from itertools import accumulate
from math import comb

import matplotlib.pyplot as plt
import numpy as np

from tools.bench.paper.setting import Setting

DIMENSIONS = (2, 5, 10, 20, 50, 100)
NEURONS = range(1, 201)


def make(setting: Setting) -> None:
    """Draws both numbers and their ratio."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
    table = setting.begin("figure2", "dimension d", "ReLUs n", "regions", "regions / 2^n")
    every = np.array(NEURONS)
    for d in DIMENSIONS:
        counts = [count_regions(n, d) for n in NEURONS]
        shares = [count / 2**n for n, count in zip(NEURONS, counts, strict=True)]
        left.plot(every, [float(np.log10(float(count))) for count in counts], label=f"d = {d}")
        right.plot(every, shares, label=f"d = {d}")
        for n, count, share in zip(NEURONS, counts, shares, strict=True):
            if n % 20 == 0 or n == d:
                table.add(d, n, str(count), share)
    left.plot(every, every * np.log10(2.0), "k--", label="$2^n$")
    left.set(xlabel="ReLUs n of the layer", ylabel="$\\log_{10}$ of the number of regions")
    right.set(xlabel="ReLUs n of the layer", ylabel="regions / $2^n$", yscale="log",
              ylim=(1e-20, 2))  # fmt: skip
    left.legend(frameon=False)
    left.set_title("Regions that a layer can represent", fontsize=9)
    right.set_title("Their share of all codes", fontsize=9)
    setting.draw("figure2", figure)


def count_regions(neurons: int, dimension: int) -> int:
    """Cells of so many hyperplanes in general position, exactly."""
    terms = (comb(neurons, i) for i in range(min(neurons, dimension) + 1))
    return list(accumulate(terms))[-1]
