"""Measurements of the rendering engine against its bars: `layercast bench render`. Loads no torch when imported."""

from evaluation.rendering.report import RenderReport, measure_limits, measure_rendering
from evaluation.rendering.subjects import find_pictures

__all__ = ["RenderReport", "find_pictures", "measure_limits", "measure_rendering"]
