"""Scenario files."""

from pathlib import Path

import pytest

from evaluation.simulation.links.loss import GilbertElliott, RandomLoss
from evaluation.simulation.links.service import Opportunities, Slots
from evaluation.simulation.scenario.arrivals import arrival_times
from evaluation.simulation.scenario.cells import cells_of
from evaluation.simulation.scenario.loading import load_scenario, parse_scenario
from evaluation.simulation.scenario.model import Rendering, Workload
from layercast.samples import sample_paths
from layercast_common.errors import StorageError, UsageError

SAMPLES = sample_paths()[0].parent

FULL = """
name = "valley"
images = "."
count = 2
link = ["gsm"]
render = "cost=0.5/2"

[links.valley]
profile = "gsm"
gemodel = {p = 0.01, r = 0.3}
jitter = 0.05
slot = {min = 1, max = 2, packets = 1}
back = {rate = 2400, loss = 0.1}
cost = {dollars_per_kb = 1.5}

[links.recorded]
trace = "cell.trace"
delay = 0.05

[workload]
arrivals = "poisson"
every = 20
restarts = [30]

[rivals]
formats = ["webp"]
sizes = ["bytes", "quality"]

[measure]
figure = "psnr"
recognisable = {psnr = 18}

[grid]
budgets = [330, 655]
seeds = 3
"""


def write(folder: Path, text: str) -> Path:
    for path in sample_paths()[:2]:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "cell.trace").write_text("10\n20\n")
    path = folder / "valley.toml"
    path.write_text(text)
    return path


def test_a_scenario_says_everything(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, FULL))
    gsm, valley, recorded = scenario.links
    assert (scenario.name, len(scenario.images), gsm.name) == ("valley", 2, "gsm")
    assert valley.there.loss == GilbertElliott(p=0.01, r=0.3)
    assert (valley.there.rate, valley.back.rate) == (9600, 2400)
    assert (valley.there.slots, valley.back.loss) == (Slots(shortest=1, longest=2, packets=1), RandomLoss(share=0.1))
    assert valley.cost.dollars_per_kb == 1.5
    assert recorded.there.opportunities == Opportunities(times=(10, 20))
    assert scenario.rendering == Rendering(model="none", cost=(0.5, 2.0))
    assert scenario.measures.recognisable == (("psnr", 18.0),)
    cells = cells_of(scenario)
    assert len(cells) == 3 * 2 * 3
    assert cells[0].condition == "gsm, 330 B"
    assert len({(cell.condition, cell.seed) for cell in cells}) == len(cells)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("speed = 5", "the scenario has no key 'speed'; there are name, images"),
        ("[grid]\nrate = 5", r"\[grid\] has no key 'rate'; there are rates"),
        ("[grid]\nrates = [-1]", "rates are positive"),
        ("[grid]\nseeds = []", "at least one"),
        ('[grid]\norders = ["best"]', "orders are"),
        ("[workload]\nevery = true", "workload.every is a float"),
        ('[workload]\narrivals = "often"', "arrivals are"),
        ('[rivals]\nformats = ["png"]', "rivals are jpeg"),
        ("[links.a]\nlos = 0.1", r"\[links.a\] has no key 'los'"),
        ("[links.a]\nloss = 0.1\ngemodel = {p = 0.1, r = 0.2}", "contradict"),
        ("[links.a]\ngemodel = {p = 0.1}", "gemodel needs r"),
        ("[links.a]\nrate = 'fast'", "rate is a float"),
        ("[links.a]\nprofile = 'pigeon'", "no link is called"),
        ("[measure]\nrecognisable = {beauty = 1}", "figures are"),
        ("render = 'cost=1'", "cost=FIRST/WHOLE"),
        ("link = 'gsm'\n[links.gsm]\nrate = 5", "same name"),
        ("= 5", "valley.toml: "),
    ],
)
def test_mistakes_are_named_with_what_is_possible(tmp_path: Path, change: str, text: str) -> None:
    start = 'images = "."\n' + ("" if "link =" in change or "links" in change else 'link = "gsm"\n')
    with pytest.raises(UsageError, match=text):
        load_scenario(write(tmp_path, start + change + "\n"))


def test_missing_files_are_storage_errors(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        load_scenario(tmp_path / "none.toml")
    with pytest.raises(StorageError):
        parse_scenario({"images": "nowhere", "link": "gsm"}, tmp_path, name="x")
    with pytest.raises(UsageError, match="no picture in"):
        parse_scenario({"images": ".", "link": "gsm"}, tmp_path, name="x")


def test_pictures_come_as_the_workload_says() -> None:
    assert arrival_times(Workload(every=5), 3, seed=0) == (0, 5, 10)
    assert arrival_times(Workload(arrivals="together"), 2, seed=0) == (0, 0)
    assert arrival_times(Workload(arrivals="times", times=(3, 1)), 2, seed=0) == (3, 1)
    poisson = arrival_times(Workload(arrivals="poisson", every=5), 4000, seed=1)
    assert poisson[-1] / 3999 == pytest.approx(5, rel=0.06)
    assert poisson == arrival_times(Workload(arrivals="poisson", every=5), 4000, seed=1)
    assert poisson != arrival_times(Workload(arrivals="poisson", every=5), 4000, seed=2)


def test_a_trace_keeps_its_own_rates() -> None:
    table = {"images": str(SAMPLES), "links": {"a": {"trace": "cell.csv"}}, "grid": {"rates": [5]}}
    folder = Path(__file__).parent
    with pytest.raises(StorageError):
        parse_scenario(table, folder, name="x")
