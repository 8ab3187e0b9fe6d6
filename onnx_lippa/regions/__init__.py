"""Linear regions, and the LPStep: the best point of a region, exactly."""

from onnx_lippa.regions.engine import EngineSession, Optimum, RegionEngine
from onnx_lippa.regions.named import ENGINE_NAMES, engine_named
from onnx_lippa.regions.region import LinearRegion

__all__ = [
    "ENGINE_NAMES",
    "EngineSession",
    "LinearRegion",
    "Optimum",
    "RegionEngine",
    "engine_named",
]
