"""Every injury of ``tests/crash``, for as long as told: ``make torture MINUTES=20``.

Each rung runs in a process of its own, two side by side, and says on a line of JSON what came
of each injury. The tally at the end counts them; a promise that was not kept is told at once,
with the seed, and makes the exit code 1.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from tests.crash import corruption, errno_faults, every_effect, lost_writes, power_cuts, sigkill
from tests.crash.outcome import Outcome
from tests.crash.tiny_run import tiny_run
from tests.crash.torn_run import torn_run

LANES = (  # what runs after what, and its share of the lane's time
    {"corruption": 10, "every-effect": 3, "lost-writes": 3},
    {"sigkill": 6, "power-cuts": 4, "errno-faults": 7},
)
Tally = Counter[tuple[str, str]]


def outcomes(rung: str, seed: int, where: Path) -> Iterator[Outcome]:
    """Deal the injuries of one rung, without end where there is none."""
    chance = random.Random(seed)
    (where / "home").mkdir()
    with ExitStack() as stack:
        if rung == "every-effect":
            yield from every_effect.injuries(chance, where)
        elif rung == "lost-writes":
            yield from lost_writes.injuries(chance, where)
        elif rung == "corruption":
            run = stack.enter_context(torn_run(where / "home"))
            yield from corruption.injuries(chance, where, run)
        else:
            tiny = stack.enter_context(tiny_run(where / "home"))
            module = {"sigkill": sigkill, "power-cuts": power_cuts, "errno-faults": errno_faults}
            yield from module[rung].injuries(chance, where, tiny)


def deal(rung: str, seed: int, seconds: float) -> None:
    """Print the outcome of each injury of a rung, as JSON, until the time is up."""
    end = time.monotonic() + seconds
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        dealt = outcomes(rung, seed, Path(name))
        for outcome in dealt:
            print(json.dumps(asdict(outcome) | {"good": outcome.good}), flush=True)
            if time.monotonic() > end:
                break
        dealt.close()


def run_lane(lane: dict[str, int], seed: int, seconds: float, tally: Tally) -> None:
    """Run one rung after the other, each for its share of the time."""
    for rung, share in lane.items():
        mine = seconds * share / sum(lane.values())
        command = [sys.executable, "-m", "tests.torture", "--rung", rung, "--seed", str(seed)]
        command += ["--seconds", str(mine)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                count(json.loads(line), seed, tally)
        if child.returncode != 0:
            tally[rung, "did not run to its end"] += 1


def count(outcome: dict[str, str], seed: int, tally: Tally) -> None:
    """Add one outcome to the tally, and tell at once where a promise was not kept."""
    tally[family(outcome), outcome["verdict"] if outcome["good"] else "BROKEN"] += 1
    if not outcome["good"]:
        print(f"BROKEN (seed {seed}): {json.dumps(outcome)}", flush=True)


def family(outcome: dict[str, str]) -> str:
    """Return the line of the tally that an outcome belongs to."""
    kind = outcome["kind"]
    if kind.startswith("power cut"):
        return f"{outcome['rung'][0]} {kind.split(',')[0]}"
    names = {"1": "crash at an effect", "2": "lost writes", "3": "SIGKILL", "4": "disk error"}
    return f"{outcome['rung'][0]} {names.get(outcome['rung'][0], 'corruption')}"


def report(tally: Tally, minutes: float) -> None:
    """Print the table of all injuries."""
    verdicts = sorted({verdict for _, verdict in tally})
    print(f"\n{'injury':<28}{'dealt':>7}" + "".join(f"{verdict:>16}" for verdict in verdicts))
    for line in sorted({name for name, _ in tally}):
        counts = [tally[line, verdict] for verdict in verdicts]
        print(f"{line:<28}{sum(counts):>7}" + "".join(f"{number:>16}" for number in counts))
    print(f"{sum(tally.values())} injuries in {minutes:.1f} minutes")


def main() -> int:
    """Run all rungs, or, as a child, one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--rung", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rung:
        deal(given.rung, given.seed, given.seconds)
        return 0
    begun, tally = time.monotonic(), Tally()
    lanes = [
        threading.Thread(target=run_lane, args=(lane, given.seed, given.minutes * 60, tally))
        for lane in LANES
    ]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    report(tally, (time.monotonic() - begun) / 60)
    bad = [verdict for _, verdict in tally if verdict in ("BROKEN", "did not run to its end")]
    return 1 if bad or not tally else 0


if __name__ == "__main__":
    sys.exit(main())
