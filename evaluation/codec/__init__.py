"""Benchmark of the codec: sizes, fidelity and speed on pictures and prompts, compared with other codecs."""

from evaluation.codec.pictures import REFERENCE_CANNY, TOLERANCE
from evaluation.codec.report import CodecReport, measure_codec

__all__ = ["REFERENCE_CANNY", "TOLERANCE", "CodecReport", "measure_codec"]
