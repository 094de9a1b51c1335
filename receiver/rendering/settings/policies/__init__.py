"""How late layers may come, as measured for single models by `layercast bench render --policy`.

Each file is named like its model and holds what was measured, on how many pictures, and the limits that follow.
"""

import json
from pathlib import Path

from codec.layers import Layer
from receiver.rendering.settings.arrival_limits import USUAL_LIMITS, ArrivalLimits, LimitsBySteps

FOLDER = Path(__file__).parent


def load_limits(model: str) -> LimitsBySteps:
    """The limits that ship for a registered model, or those for models that nobody measured."""
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
