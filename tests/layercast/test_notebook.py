"""Pictures in notebooks: the example notebooks run in a real kernel, and the widget in a real browser."""

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import layercast
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from layercast.notebook.widget import ArrivalWidget
from layercast.samples import recorded_path
from layercast_common.errors import BitstreamError, StorageError, UsageError
from receiver.viewer.pictures.recording import recording_from_bytes
from tests.support.browser import NEEDS_BROWSER, chromium
from tests.support.pictures import draw_picture

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))

#: The most bytes of a stored notebook.
MAX_BYTES = 16_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_small_and_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in cells if cell.outputs or cell.execution_count is not None] == []
    assert path.stat().st_size < MAX_BYTES


def test_notebooks_run(tmp_path: Path) -> None:
    # One kernel for all of them: it loads torch once.
    notebooks = [nbformat.read(path, as_version=4) for path in NOTEBOOKS]
    cells = [cell for notebook in notebooks for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    together = nbformat.v4.new_notebook(cells=cells, metadata=notebooks[0].metadata)
    client = NotebookClient(together, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=os.environ | {"PYTHONPATH": str(ROOT)})
    widgets = [state for state in client.widget_state.values() if "arrival" in state]
    (arrival,) = [state["arrival"] for state in widgets]
    assert widgets[0]["finished"]
    assert arrival["arrivals"][0]["layer"] == "semantic"
    assert arrival["frames"][-1]["layers"] == ["semantic", "structure", "texture", "detail"]
    assert arrival["original"].startswith("data:image/webp")
    printed = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    assert "a man in a forest" not in printed
    assert "iridium  layercast" in printed
    pictures = [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 6


def test_what_cannot_be_shown_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        layercast.show(tmp_path / "absent.arrival")
    (tmp_path / "no.arrival").write_bytes(b"no recording")
    with pytest.raises(BitstreamError):
        layercast.show(tmp_path / "no.arrival")
    with pytest.raises(UsageError, match="no link is called"):
        layercast.show(encode(draw_picture(64, 64), "a house", EncodeOptions(budget=300)), link="string")


PAGE = """<!doctype html><html lang="en"><title>cell</title><style>{style}</style><main id="cell"></main>
<script type="application/json" id="data">{data}</script>
<script type="module">{script}
  const state = {{ arrival: {{}}, finished: false }};
  const listeners = [];
  const model = {{ get: (name) => state[name], on: (_, call) => listeners.push(call) }};
  render({{ model, el: document.getElementById("cell") }});
  window.change = (name, value) => {{ state[name] = value; listeners.forEach((call) => call()); }};
  window.data = JSON.parse(document.getElementById("data").textContent);
</script></html>"""


SLIDE = """
    const slider = document.querySelector("input");
    slider.value = arguments[0];
    slider.dispatchEvent(new Event("input"));
"""


@NEEDS_BROWSER
def test_the_widget_shows_frames_and_a_slider(tmp_path: Path) -> None:
    recording = recording_from_bytes(recorded_path().read_bytes())
    widget = ArrivalWidget()
    widget.finish(recording)
    script = str(widget._esm).replace("export default { render };", "")
    style = (Path(layercast.__file__).parent / "notebook" / "static" / "arrival.css").read_text()
    data = json.dumps(widget.arrival).replace("<", "\\u003c")
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(style=style, data=data, script=script))
    with chromium(tmp_path / "profile") as browser:
        browser.get(page.as_uri())
        run = browser.execute_script
        assert run("return document.querySelector('.layercast-arrival').hidden")
        run("change('arrival', data)")
        assert run("return document.querySelector('.time').hidden")
        assert "Drawing" in run("return document.querySelector('.note').innerText")
        run("change('finished', true)")
        last = run("return document.querySelector('img').src")
        assert last == recording_url(widget, -1)
        run(SLIDE, 0)
        assert run("return document.querySelector('output').innerText").startswith("0.0 s")
        run(SLIDE, 1000)
        assert run("return document.querySelector('img').src") == last
        marks = run("return document.querySelectorAll('.marks i').length")
        assert marks == len(recording.arrivals)
        assert browser.get_log("browser") == []


def recording_url(widget: ArrivalWidget, index: int) -> str:
    return str(widget.arrival["frames"][index]["url"])
