"""Where tests find files, wherever the tests themselves lie."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"
EXPORTS = sorted((ROOT / "tests" / "exports").glob("*/*.onnx"))
"""Small networks as five frameworks write them."""
