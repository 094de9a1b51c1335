"""Arrival limits of single models, measured by `layercast bench render --policy`.

Each file is named after its model. It holds the measurements, their number of pictures, and the resulting limits.
"""

import json
from pathlib import Path

from codec.layers import Layer
from receiver.rendering.settings.arrival_limits import USUAL_LIMITS, ArrivalLimits, LimitsBySteps

FOLDER = Path(__file__).parent


def load_limits(model: str) -> LimitsBySteps:
    """Return the measured limits of a registered model; the usual limits if none were measured."""
    file = FOLDER / f"{model}.json"
    if not file.is_file():
        return USUAL_LIMITS
    tables = json.loads(file.read_text(encoding="utf-8"))["tables"]
    return {
        int(table["least_steps"]): {
            Layer[name.upper()]: ArrivalLimits(**limits) for name, limits in table["limits"].items()
        }
        for table in tables
    }
