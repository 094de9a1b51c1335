"""`layercast models check --report`: measures a model on a device, part by part, and writes the figures to a file."""

import argparse
import json
import time
from typing import Any

from layercast.commands.options.rendering import parts_of
from layercast.console import progress, report, say


def write_device_report(options: argparse.Namespace) -> None:
    """Measure a model on a device; the file is written anew after each part, so that Ctrl-C loses only the rest."""
    from evaluation.rendering.device.report import measure_device
    from evaluation.rendering.random_model import build
    from layercast_common.files import make_folder, save_whole
    from layercast_common.stopping.unfinished import scratch_folder
    from receiver.rendering import load_model
    from receiver.rendering.models.parts import quiet_libraries

    make_folder(options.report.absolute().parent)
    found: dict[str, Any] = {"model": options.name or "random weights", "parts": {}}
    with scratch_folder() as scratch, progress(quiet=options.quiet) as bars:

        def note(text: str) -> None:
            # Each part is said when it is done: a run that is stopped has said what it found.
            say(text, quiet=options.quiet or options.json)

        task = bars.add_task("checking", total=None, note="loading the model")
        started = time.monotonic()
        name = options.name
        if name is None:
            name = scratch / "random-sd15"
            with quiet_libraries():
                build(name, device=options.device, on_part=lambda part: bars.update(task, note=f"making {part}"))
            note(f"made a model with random weights in {time.monotonic() - started:.1f} s")
        started = time.monotonic()
        model = load_model(name, options.device, performance="plain", tuning=parts_of(options))
        found["load_s"] = round(time.monotonic() - started, 2)
        for part, figures in measure_device(model):
            found["parts"][part] = figures
            save_whole(json.dumps(found, indent=1) + "\n", options.report)
            bars.update(task, note=part)
            note(f"{part}: {json.dumps(figures)}")
    if options.json:
        report(found)
        return
    say(f"written to {options.report}", quiet=options.quiet)
