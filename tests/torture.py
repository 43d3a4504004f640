"""Every injury of ``tests/crash``, for as long as told: ``make torture MINUTES=20``.

Each rung runs in a process of its own, two side by side, and says on a line of JSON what came
of each injury. The tally at the end counts them; a promise that was not kept is told at once,
with the seed, and makes the exit code 1.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from tests.crash import (
    corruption,
    deep_examples,
    errno_faults,
    every_effect,
    hostile_state,
    lost_writes,
    power_cuts,
    sigkill,
)
from tests.crash.outcome import Outcome
from tests.crash.tally import HYPOTHESIS, Tally
from tests.crash.tiny_run import tiny_run
from tests.crash.torn_run import TornRun, torn_run

LANES = (  # what runs after what, and its share of the lane's time; the last has what is left over
    {"hypothesis": 2.0, "every-effect": 1.0, "lost-writes": 1.0, "corruption": 16.0},
    {"power-cuts": 3.5, "sigkill": 7.5, "errno-faults": 9.0},
)
FULL = 20.0  # minutes in which the least is dealt
HOSTILE_AFTER = 10  # corruptions; both injure copies of the same run
_IN_A_RUN = {"sigkill": sigkill, "power-cuts": power_cuts, "errno-faults": errno_faults}
_RECORDED = {"every-effect": every_effect, "lost-writes": lost_writes}


def outcomes(rung: str, seed: int, where: Path) -> Iterator[list[Outcome]]:
    """Deal the injuries of one rung, without end where there is none; those of a run together."""
    chance, home, dealt = random.Random(seed), where / "home", where / "dealt"
    home.mkdir()
    dealt.mkdir()
    with ExitStack() as stack:
        if rung in _IN_A_RUN:
            tiny = stack.enter_context(tiny_run(home))
            yield from _IN_A_RUN[rung].injuries(chance, dealt, tiny)
        elif rung == "corruption":
            run = stack.enter_context(torn_run(home))
            yield from in_copies(chance, dealt, run)
        else:
            yield from ([one] for one in _RECORDED[rung].injuries(chance, dealt))


def in_copies(chance: random.Random, where: Path, run: TornRun) -> Iterator[list[Outcome]]:
    """Corrupt file after file of a run, with a hostile one after every few."""
    hostile = hostile_state.injuries(chance, where, run)
    for number, outcome in enumerate(corruption.injuries(chance, where, run), 1):
        yield [outcome]
        if number % HOSTILE_AFTER == 0:
            yield [next(hostile)]


def deal(rung: str, seed: int, seconds: float) -> None:
    """Print the outcome of each injury of a rung, as JSON, until the time is up."""
    if rung == "hypothesis":
        say(list(deep_examples.outcomes(seed, min(seconds, deep_examples.MOST))))
        return
    end = time.monotonic() + seconds
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        dealt = outcomes(rung, seed, Path(name))
        for together in dealt:
            say(together)
            if time.monotonic() > end:
                break
        dealt.close()


def say(together: list[Outcome]) -> None:
    """Tell them to the process that counts."""
    for outcome in together:
        print(json.dumps(asdict(outcome) | {"good": outcome.good}), flush=True)


def run_lane(lane: dict[str, float], seed: int, seconds: float, tally: Tally) -> None:
    """Run one rung after the other, each for its share of the time that is left."""
    end, waiting = time.monotonic() + seconds, dict(lane)
    for rung, share in lane.items():
        mine = max(0.0, end - time.monotonic()) * share / sum(waiting.values())
        del waiting[rung]
        if rung != "hypothesis" or time_for_deep(mine):
            run_rung(rung, seed, mine, tally)


def time_for_deep(seconds: float) -> bool:
    """Tell whether the tests by hypothesis are asked for, and worth beginning."""
    return bool(os.environ.get("HOLDFAST_DEEP")) and seconds >= deep_examples.LEAST


def run_rung(rung: str, seed: int, seconds: float, tally: Tally) -> None:
    """Run one rung in a process of its own, and count what it says."""
    command = [sys.executable, "-m", "tests.torture", "--rung", rung, "--seed", str(seed)]
    command += ["--seconds", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            tally.add(json.loads(line), seed)
    if child.returncode != 0:
        tally.failed.append(rung)


def report(tally: Tally, seed: int, given: float, taken: float) -> None:
    """Print the table of all injuries, and what is missing from it."""
    deep, full = bool(os.environ.get("HOLDFAST_DEEP")), given >= FULL
    print("", *tally.table(), sep="\n")
    if deep and not tally.dealt(HYPOTHESIS):
        print(f"{HYPOTHESIS}: left out, there was no time for it")
    print(f"{sum(tally.counts.values())} injuries in {taken:.1f} minutes, seed {seed}")
    for line in tally.against_the_least(deep=deep) if full else ():
        print(line)


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
    report(tally, given.seed, given.minutes, (time.monotonic() - begun) / 60)
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
