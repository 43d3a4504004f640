"""The benchmark of scale adds up: what it simulates is a series, whatever dies."""

from pathlib import Path
from typing import Any

import pytest

from holdfast.rundir import JobName, Journal, load_state

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
HOUR = 3600.0


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The simulator, which is no part of the package."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import simulation

    return simulation


def jobs(count: int) -> dict[JobName, float]:
    """Return equal jobs of an hour."""
    return {JobName("net", fold or None): HOUR for fold in range(count)}


def test_equal_jobs_without_failures_take_the_ideal(simulation: Any, tmp_path: Path) -> None:
    """Nothing waits, nothing is done twice: 6 jobs of an hour on 2 nodes take three."""
    calm = simulation.Cluster(nodes=2, start=0.0, overhead=0.0)
    series = simulation.Simulation(tmp_path / "run", jobs(6), calm)
    assert series.run() == pytest.approx(simulation.ideal(jobs(6), 2)) == 3 * HOUR


def test_each_job_is_done_once_however_many_nodes_die(simulation: Any, tmp_path: Path) -> None:
    """With a death every ten minutes the books have each result, and each epoch, once."""
    storm = simulation.Cluster(nodes=3, mtbf=600.0)
    series = simulation.Simulation(tmp_path / "run", jobs(8), storm)
    series.run()
    assert series.deaths > 8
    assert not series.failed
    assert dict(series.completed) == dict.fromkeys(jobs(8), 1)
    assert load_state(tmp_path / "run").results.keys() == jobs(8).keys()
    told = [r for r in Journal(tmp_path / "run").read() if r["event"] == "epoch"]
    epochs = {(r["job"], r["stage"], r["epoch"]) for r in told}
    assert len(told) == len(epochs) == 8 * sum(simulation.STAGES.values())


def test_failures_never_make_it_faster(simulation: Any, tmp_path: Path) -> None:
    """Time to finish grows as nodes die more often, and so does the work that is lost."""
    found = []
    for mtbf in (float("inf"), 4 * HOUR, HOUR / 3):
        cluster = simulation.Cluster(nodes=4, mtbf=mtbf)
        series = simulation.Simulation(tmp_path / str(mtbf), jobs(12), cluster)
        found.append((series.run(), series.lost, series.deaths))
    assert found == sorted(found)
    assert found[0][0] < found[-1][0]


def test_benchmark_prints_its_table(simulation: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A case of the benchmark itself, in a process of its own as always."""
    import scale

    shares = {"CustomRegNet": 1.5, "CustomMobileOne": 0.5}
    case = scale.Case(jobs=8, nodes=2, mtbf="6h", interval=60.0, repair=300.0)
    (found,) = scale.show("One case", [case], shares)
    assert found.jobs == 8
    assert found.ratio > 1
    assert "| 8 | 2 | 6h |" in capsys.readouterr().out
