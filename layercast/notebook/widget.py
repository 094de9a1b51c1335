"""The widget of an arrival (anywidget): the frames and the slider of exported pages, in a notebook's cell."""

import time
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from receiver.viewer.export.html import arrival_data, join_modules
from receiver.viewer.options import STATIC
from receiver.viewer.pictures.state import PictureState

_HERE = Path(__file__).parent / "static"

#: The modules of the widget's script, each after those it imports.
_MODULES = (STATIC / "words.js", STATIC / "player.js", _HERE / "arrival.js")

#: The shortest time between two updates while a picture is drawn, in seconds: each holds all frames so far.
UPDATE_SECONDS = 0.25


class ArrivalWidget(anywidget.AnyWidget):
    """Shows how one picture arrived; `arrival` is what the browser gets, as `arrival_data` returns it."""

    _esm = f"{join_modules(*_MODULES)}\nexport default {{ render }};\n"
    _css = _HERE / "arrival.css"
    arrival = traitlets.Dict({}).tag(sync=True)
    finished = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self._updated_at = 0.0

    def update(self, arrival: PictureState) -> None:
        """Show an arrival that goes on; too frequent ones are left out."""
        if (now := time.monotonic()) - self._updated_at >= UPDATE_SECONDS:
            self._updated_at = now
            self.arrival = arrival_data(arrival)

    def finish(self, arrival: PictureState) -> None:
        """Show a whole arrival."""
        self.arrival = arrival_data(arrival)
        self.finished = True
