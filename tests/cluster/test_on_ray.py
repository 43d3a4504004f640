"""The series on Ray: the same bits as on one machine, whoever dies meanwhile."""

import signal
from pathlib import Path

from holdfast.rundir import list_all_checkpoints, load_state
from tests.cluster.nodes import Nodes, children, send, wait_for
from tests.cluster.series import ClusterSeries, Driver
from tests.crash.sameness import same_runs


def trains(driver: Driver, jobs: int = 1) -> bool:
    """Tell whether so many jobs have completed an epoch; AssertionError once the driver ends."""
    assert driver.running, driver.process.communicate()[0]
    return len({record["job"] for record in driver.journal("epoch")}) >= jobs


def test_the_engine_does_not_change_a_bit(
    series: ClusterSeries, two_nodes: Nodes, tmp_path: Path
) -> None:
    """Weights, optimizer state, history and results of a run on Ray are those of a local one."""
    driver = series.on_ray(tmp_path / "run", two_nodes.address)
    assert driver.wait() == 0, driver.output

    same_runs(series.calm, driver.directory)
    assert "2 of 2 backbones complete" in driver.output
    for job in ("CustomRegNet", "CustomRegNet_fold1", "CustomResNetMish_fold2"):
        assert f"✓ {job} complete: accuracy" in driver.output


def test_killed_workers_cost_no_more_than_its_last_steps(
    series: ClusterSeries, two_nodes: Nodes, tmp_path: Path
) -> None:
    """Ray starts the job anew, and it goes on from its newest good checkpoint."""
    driver = series.on_ray(tmp_path / "run", two_nodes.address)
    wait_for(lambda: trains(driver, 2))
    for worker in wait_for(two_nodes.trainers):
        send(worker, signal.SIGKILL)
    assert driver.wait() == 0, driver.output

    same_runs(series.calm, driver.directory)
    assert driver.journal("job_resumed")


def test_a_killed_node_gives_its_jobs_to_the_others(
    series: ClusterSeries, nodes: Nodes, tmp_path: Path
) -> None:
    """The machine is gone; what it trained is trained elsewhere, to the same bits."""
    nodes.add()
    lost = nodes.add()
    driver = series.on_ray(tmp_path / "run", nodes.address)
    wait_for(lambda: trains(driver, 2))
    nodes.kill(lost)
    assert driver.wait() == 0, driver.output

    same_runs(series.calm, driver.directory)


def test_a_killed_driver_is_started_again_by_the_same_command(
    series: ClusterSeries, two_nodes: Nodes, tmp_path: Path
) -> None:
    """Its workers end with it, nothing is locked, and the run goes on."""
    driver = series.on_ray(tmp_path / "run", two_nodes.address)
    wait_for(lambda: trains(driver))
    assert driver.kill() == -signal.SIGKILL
    again = series.on_ray(tmp_path / "run", two_nodes.address)
    assert again.wait() == 0, again.output

    assert "Previous training detected!" in again.output
    same_runs(series.calm, again.directory)


def test_signals_let_every_worker_save(
    series: ClusterSeries, two_nodes: Nodes, tmp_path: Path
) -> None:
    """A signal to the driver: each job in training saves where it is, then exit code 130 or 143."""
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        driver = series.on_ray(tmp_path / "run", two_nodes.address)
        before = len(driver.journal("epoch"))
        wait_for(lambda: trains(driver) and len(driver.journal("epoch")) > before)  # noqa: B023
        assert driver.kill(number) == status, driver.output

        assert "Stopped: every worker, saved. The same command goes on from here." in driver.output
        stopped = {record["job"] for record in driver.journal("job_interrupted")}
        done = {str(job) for job in load_state(driver.directory).results}
        begun = {record["job"] for record in driver.journal("job_started")}
        assert begun - done <= stopped
        assert stopped - done <= {str(file.job) for file in list_all_checkpoints(driver.directory)}
        wait_for(lambda: not two_nodes.trainers(), 20)

    again = series.on_ray(tmp_path / "run", two_nodes.address)
    assert again.wait() == 0, again.output
    same_runs(series.calm, again.directory)


def test_one_that_was_given_up_and_lives_does_no_harm(
    series: ClusterSeries, nodes: Nodes, tmp_path: Path
) -> None:
    """A node that hangs counts as dead; woken again, its worker may write nothing more."""
    frozen = nodes.add()
    driver = series.on_ray(tmp_path / "run", nodes.address)
    wait_for(lambda: trains(driver))
    workers = wait_for(nodes.trainers)
    for pid in (frozen, *workers):
        send(pid, signal.SIGSTOP)
    nodes.add()
    entered = len(driver.journal("job_resumed"))
    wait_for(lambda: trains(driver) and len(driver.journal("job_resumed")) > entered, 120)
    for worker in workers:
        send(worker, signal.SIGCONT)  # not its node, which would end it
    assert driver.wait() == 0, driver.output

    assert {*workers} <= {*children(frozen)}
    same_runs(series.calm, driver.directory)
    done = [record["job"] for record in driver.journal("job_completed")]
    assert len(done) == len(set(done))
