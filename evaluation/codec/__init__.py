"""What the codec takes and gives on pictures and prompts, beside what else there is, all in one run."""

from evaluation.codec.pictures import REFERENCE_CANNY, TOLERANCE
from evaluation.codec.report import CodecReport, measure_codec

__all__ = ["REFERENCE_CANNY", "TOLERANCE", "CodecReport", "measure_codec"]
