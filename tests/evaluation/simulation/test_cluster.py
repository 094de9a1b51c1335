"""Simulations on a Ray cluster, where Ray is installed."""

import os
import socket
from pathlib import Path

import pytest
from PIL import Image

from evaluation.simulation.grid.cluster import ray_mapper
from evaluation.simulation.grid.runner import Mapper, local_mapper, run_grid
from evaluation.simulation.grid.workers import portable
from evaluation.simulation.scenario.loading import parse_scenario
from layercast.samples import sample_paths
from layercast_common.errors import BudgetError, CodecError, ConnectError, RenderError

pytest.importorskip("ray")


def refuse(_: int) -> int:
    # As workers do.
    raise portable(BudgetError(5, 50, "a word"))


def fail(_: int) -> int:
    raise KeyError("no such thing")


def results(folder: Path, mapper: Mapper) -> dict[str, object]:
    """Run a small grid; return the results of its cells."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    with Image.open(sample_paths()[0]) as picture:
        picture.resize((256, 256)).save(pictures / "one.png")
    table = {"images": "pictures", "link": ["gsm"], "rivals": {"formats": []}, "grid": {"seeds": 2}}
    grid = run_grid(parse_scenario(table, folder, name="small"), folder / "out", mapper, lambda *_: None)
    return {name: (grid.folder.result(name) or {})["systems"] for name in grid.results}


@pytest.mark.slow
def test_a_cluster_gives_the_same_results_and_passes_errors_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Processes of a cluster are nicer than others by default, and need the package of this checkout.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")])
    )
    with local_mapper(1) as mapper:
        here = results(tmp_path / "here", mapper)
    with ray_mapper("local") as mapper:
        assert results(tmp_path / "there", mapper) == here
        with pytest.raises(CodecError, match="5"):
            list(mapper(refuse, [(1,)]))
        with pytest.raises(RenderError, match="no such thing"):
            list(mapper(fail, [(1,)]))


def test_an_address_without_a_cluster_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectError, match="ray start --head"), ray_mapper(f"127.0.0.1:{port}"):
        pass
