"""How far a series goes: time to finish, and what the driver costs, by nodes, jobs and failures.

    python benchmarks/scale.py                                  # ten minutes
    python benchmarks/scale.py --quick                          # two minutes
    python benchmarks/scale.py --jobs 100000 --nodes 10000 --mtbf 1d
    python benchmarks/scale.py --picture docs/images/scale.svg

`simulation.py` says what is real and what is not. Jobs take two hours on average, in proportion to
the fifteen backbones' floating-point operations (`workload`, as the driver itself estimates
them), each up to a tenth more or less than that. *Ideal*: all work shared out evenly
over the nodes, or the longest job if that is more; no failures, no checkpoints, no start-ups. Each
case is a process of its own, whose peak memory is the driver's and the simulation's together. The
run's directory is on /dev/shm where there is one: an fsync costs processor time there and
no waiting.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from simulation import Cluster, Simulation, ideal, peak_memory, start_again

from holdfast.rundir import JobName

MEAN = 7200.0  # seconds of a job
SPREAD = 0.1  # by which a job takes more or less than is expected of it
SIZES = ((90, 10), (1000, 100), (10_000, 1000), (100_000, 10_000))  # jobs, nodes
MTBFS = ("10m", "1h", "6h", "1d", "10d", "never")
UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0}
FAILURES = (1000, 100)  # jobs, nodes


@dataclass(frozen=True)
class Case:
    """One simulated series."""

    jobs: int
    nodes: int
    mtbf: str
    interval: float
    repair: float


@dataclass(frozen=True)
class Figures:
    """What came of it; times in seconds."""

    jobs: int
    ratio: float
    """Time to finish over the ideal."""
    hours: float
    deaths: int
    lost: float
    """Work done in vain, of all work."""
    cpu: float
    """Processor time of the driver's own code, for a job."""
    event: float
    """The same for an event."""
    memory: int
    written: float
    """Bytes to storage for a job."""
    requests: float
    """Effects on storage for a job: opens, writes, syncs, renames."""
    syncs: float
    events: float
    """Events a second of the simulated time."""
    checkpoints: float
    """Checkpoints a second of the simulated time, of all workers."""
    again: float
    """Until another driver knows the run."""
    wall: float


def seconds(text: str) -> float:
    """Return what 10m, 6h or 1d is in seconds; never is for ever."""
    return float("inf") if text == "never" else float(text[:-1]) * UNITS[text[-1]]


def expected() -> dict[str, float]:
    """Return what the driver expects of each backbone's job, 1 on average."""
    from holdfast.config import resolve
    from holdfast.pipeline.workload import workload

    config = resolve({"preset": "full", "data": "photos"}, None)
    jobs = [JobName(name) for name in config.backbones]
    work = workload(config, jobs, lambda job: 1, [])
    mean = sum(work.values()) / len(work)
    return {job.backbone: one / mean for job, one in work.items()}


def series(shares: dict[str, float], count: int) -> dict[JobName, float]:
    """Return the work of at least so many jobs: each backbone, and as many folds as it takes."""
    draw, folds = random.Random(1), -(-count // len(shares)) - 1
    jobs = [JobName(name, fold or None) for fold in range(folds + 1) for name in shares]
    return {job: MEAN * shares[job.backbone] * draw.uniform(1 - SPREAD, 1 + SPREAD) for job in jobs}


def measure(case: Case, shares: dict[str, float], directory: Path) -> Figures:
    """Simulate one series in this process."""
    began, work = time.perf_counter(), series(shares, case.jobs)
    cluster = Cluster(case.nodes, seconds(case.mtbf), repair=case.repair, interval=case.interval)
    simulation = Simulation(directory, work, cluster)
    took, cost, memory = simulation.run(), simulation.cost, peak_memory()
    del simulation.ledger
    again, state = start_again(directory)
    if set(simulation.completed.values()) != {1} or len(state.results) != len(work):
        raise SystemExit(f"{len(state.results)} results of {len(work)} jobs: this is a mistake")
    jobs, events = len(work), cost.events.total()
    return Figures(
        jobs=jobs,
        ratio=took / ideal(work, case.nodes),
        hours=took / 3600,
        deaths=simulation.deaths,
        lost=simulation.lost / sum(work.values()),
        cpu=cost.cpu / jobs,
        event=cost.cpu / events,
        memory=memory,
        written=cost.written / jobs,
        requests=cost.effects.total() / jobs,
        syncs=(cost.effects["sync"] + cost.effects["sync_directory"]) / jobs,
        events=events / took,
        checkpoints=simulation.checkpoints / took,
        again=again,
        wall=time.perf_counter() - began,
    )


def run(case: Case, shares: dict[str, float]) -> Figures:
    """Simulate one series in a process of its own."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None) as home:
        order = json.dumps({"case": asdict(case), "shares": shares, "directory": home})
        command = [sys.executable, __file__, "--one", order]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = Figures(**json.loads(done.stdout))
    shown = f"{case.jobs} jobs, {case.nodes} nodes, {case.mtbf}: {found.ratio:.3f}"
    print(time.strftime("%H:%M:%S"), shown, f"{found.wall:.0f} s", file=sys.stderr, flush=True)
    return found


def show(title: str, cases: list[Case], shares: dict[str, float]) -> list[Figures]:
    """Simulate some series, and print a table of them."""
    from table import table

    found = [run(case, shares) for case in cases]
    head = ["jobs", "nodes", "node MTBF", "to the ideal", "hours", "node deaths", "work lost"]
    head += ["driver CPU, ms a job", "of it an event, ms", "peak, MB", "kB a job"]
    head += ["requests a job", "syncs a job", "events/s", "checkpoints/s", "known again, s"]
    rows = [
        [
            *(f"{f.jobs:,}", f"{case.nodes:,}", case.mtbf, f"{f.ratio:.3f}", f"{f.hours:.1f}"),
            *(f"{f.deaths:,}", f"{f.lost:.2%}", f"{f.cpu * 1e3:.2f}", f"{f.event * 1e3:.3f}"),
            *(f"{f.memory / 1e6:,.0f}", f"{f.written / 1e3:.1f}", f"{f.requests:.1f}"),
            *(f"{f.syncs:.1f}", f"{f.events:.3g}", f"{f.checkpoints:.3g}", f"{f.again:.1f}"),
        ]
        for case, f in zip(cases, found, strict=True)
    ]
    print(f"\n{title}\n\n{table(head, rows)}", flush=True)
    return found


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--nodes", type=int)
    parser.add_argument("--mtbf", default="1d", help="of a node: 10m, 6h, 1d, never")
    parser.add_argument("--interval", type=float, default=60.0, help="seconds to a checkpoint")
    parser.add_argument("--repair", type=float, default=300.0, help="seconds that a node is gone")
    parser.add_argument("--picture", type=Path, help="where to draw the curves")
    parser.add_argument("--figures", type=Path, help="keep them there, or draw those kept there")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--device", help="not used: no job is trained")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def sweep(options: argparse.Namespace, shares: dict[str, float]) -> dict[str, list[object]]:
    """Simulate by size and by failures."""
    sizes = SIZES[:-1] if options.quick else SIZES
    by_size = [Case(*size, options.mtbf, options.interval, options.repair) for size in sizes]
    by_mtbf = [Case(*FAILURES, mtbf, options.interval, options.repair) for mtbf in MTBFS]
    kept = {}
    for title, cases in {"By size": by_size, "By failures": by_mtbf}.items():
        found = show(title, cases, shares)
        kept[title] = [[asdict(c), asdict(f)] for c, f in zip(cases, found, strict=True)]
    return kept


def main() -> None:
    """Print the tables, and draw the picture."""
    options = parse()
    if options.one:
        order = json.loads(options.one)
        home = Path(order["directory"]) / "run"
        print(json.dumps(asdict(measure(Case(**order["case"]), order["shares"], home))))
        return
    if options.jobs or options.nodes:
        size = (options.jobs or 10 * options.nodes, options.nodes or max(options.jobs // 10, 1))
        case = Case(*size, options.mtbf, options.interval, options.repair)
        show("One case", [case], expected())
        return
    if options.figures and options.figures.exists():
        kept = json.loads(options.figures.read_text())
    else:
        kept = sweep(options, expected())
        if options.figures:
            options.figures.write_text(json.dumps(kept))
    if options.picture:
        from scale_picture import draw

        draw(kept, options.picture)


if __name__ == "__main__":
    main()
