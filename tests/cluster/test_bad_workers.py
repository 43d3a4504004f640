"""Jobs that always die, nodes that compute otherwise, an engine that is not there."""

import os
import subprocess
import sys
from pathlib import Path

from holdfast.rundir import load_state
from tests.cluster.nodes import Nodes
from tests.cluster.series import ClusterSeries, Driver
from tests.crash.sameness import same_runs

POISON = """
import os, signal, sys, threading, time

def poison():  # once the worker has imported Holdfast
    while not hasattr(sys.modules.get("holdfast.storage.disk"), "_tell"):
        time.sleep(0.01)
    from holdfast.storage import disk

    def die(effect):
        step = effect.path.name.startswith(".CustomResNetMish_finetune_epoch0_step")
        if effect.kind == disk.SYNC and step:
            os.kill(os.getpid(), signal.SIGKILL)

    global watching  # what nobody holds is over
    watching = disk.watching(die)
    watching.__enter__()

threading.Thread(target=poison, daemon=True).start()
"""


def poisoned(directory: Path) -> dict[str, str]:
    """Return the environment of a node on which one job dies wherever it saves inside finetune."""
    directory.mkdir()
    (directory / "sitecustomize.py").write_text(POISON)
    return {"PYTHONPATH": str(directory)}


def ends(driver: Driver) -> list[str]:
    """Return the jobs in the order in which they ended."""
    ended = [r for r in driver.journal() if r["event"] in ("job_completed", "job_failed")]
    return [record["job"] for record in ended]


def test_a_job_that_always_dies_costs_the_others_nothing(
    series: ClusterSeries, nodes: Nodes, tmp_path: Path
) -> None:
    """It goes behind the others, is tried again, then given up: exit code 1.

    Once what killed it is gone, the same command trains it, to the same bits.
    """
    sick = nodes.add(**poisoned(tmp_path / "poison"))
    driver = series.on_ray(tmp_path / "run", nodes.address)
    assert driver.wait() == 1, driver.output
    # the longest, which had gone first
    assert driver.journal("job_started")[0]["job"] == "CustomResNetMish"
    assert ends(driver)[-1] == "CustomResNetMish"
    assert "CustomResNetMish died 3 times in a row at finetune epoch 0" in driver.output
    assert "✗ CustomResNetMish failed: its process dies again and again" in driver.output
    assert len(load_state(driver.directory).results) == 5

    nodes.kill(sick)
    nodes.add()
    again = series.on_ray(tmp_path / "run", nodes.address)
    assert again.wait() == 0, again.output
    same_runs(series.calm, again.directory)


def test_a_node_that_computes_otherwise_trains_nothing(
    series: ClusterSeries, nodes: Nodes, tmp_path: Path
) -> None:
    """Other instructions give other bits: such a machine is named, and left out.

    Where none is left, it is exit code 3 and the reason, rather than waiting for ever.
    """
    usual = nodes.add()
    driver = series.on_ray(tmp_path / "run", nodes.address, "--backbones", "CustomRegNet")
    assert driver.wait() == 0, driver.output

    nodes.add(ATEN_CPU_CAPABILITY="default")
    nodes.add(ATEN_CPU_CAPABILITY="default")
    again = series.on_ray(tmp_path / "run", nodes.address)
    assert again.wait() == 0, again.output
    assert "is left out: instructions is DEFAULT, the run's " in again.output
    same_runs(series.calm, again.directory)

    nodes.kill(usual)
    refused = series.on_ray(tmp_path / "run", nodes.address)
    assert refused.wait() == 3, refused.output
    assert "instructions was " in refused.output
    assert "now DEFAULT" in refused.output


def test_where_no_ray_answers_it_is_one_line(series: ClusterSeries, tmp_path: Path) -> None:
    """Exit code 2 at once, not after the minutes for which Ray itself would try."""
    for address in ("127.0.0.1:1", "nowhere"):
        driver = series.on_ray(tmp_path / "run", address)
        assert driver.wait(60) == 2, driver.output
        assert driver.output.startswith(f"holdfast: --ray-address {address}: no Ray can be reached")
        assert driver.output.count("\n") == 1


WITHOUT_RAY = """
import sys
sys.modules["ray"] = None
from holdfast.__main__ import main
sys.argv = ["holdfast", "train", "--engine", "ray"]
main()
"""


def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path) -> None:
    """Exit code 2, and the line to type."""
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_RAY],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert child.returncode == 2, child.stderr
    assert child.stderr == "holdfast: --engine ray needs Ray: pip install 'holdfast[ray]'\n"
