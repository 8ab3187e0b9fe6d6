"""Figures that others have published about the networks of the paper's tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A row of the paper's Table 2, in percent.

    Attributes:
        name: the file of the network.
        title: its name in the paper.
        eps: the radius.
        test_error: clean error on the whole test set.
        earlier: the best lower bound of the robust error before the paper.
        lippa: the paper's lower bound, on the first 1000 images.
        upper: the upper bound.
        is_whole: whether ``earlier`` and ``upper`` are of the whole test set.
    """

    name: str
    title: str
    eps: float
    test_error: float
    earlier: float
    lippa: float
    upper: float
    is_whole: bool = False


PUBLISHED = (
    Published("NOR_MLP_B", "NOR MLP-B", 0.05, 2.05, 53.37, 63.30, 94.04, is_whole=True),
    Published("NOR_MLP_C", "NOR MLP-C", 0.1, 1.44, 93.0, 94.3, 100.0),
    Published("ADV_MLP_B_0.1", "ADV MLP-B", 0.1, 3.33, 16.25, 20.40, 34.3, is_whole=True),
    Published("ADV_MLP_C", "ADV MLP-C", 0.1, 0.92, 10.0, 11.90, 99.0),
    Published("ADV_CNN", "ADV CNN", 0.1, 0.82, 3.0, 4.50, 100.0),
    Published("LPD_MLP_B_0.2", "LP_D MLP-B", 0.2, 15.72, 36.33, 38.3, 36.33, is_whole=True),
    Published("MMR_MLP_C", "MMR MLP-C", 0.1, 2.11, 22.5, 21.30, 24.9),
    Published("MMR_CNN", "MMR CNN", 0.1, 1.65, 6.0, 5.80, 6.0),
    Published("MMR_ADV_MLP_C", "MMR-ADV MLP-C", 0.1, 2.04, 14.0, 13.40, 14.1),
    Published("MMR_ADV_CNN", "MMR-ADV CNN", 0.1, 1.19, 3.6, 3.20, 3.6),
)
