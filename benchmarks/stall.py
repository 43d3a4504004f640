"""How long a checkpoint makes the training thread wait: Holdfast, the peers, and a memory copy.

    python benchmarks/stall.py [--device cpu|cuda] [--rounds 5] [--quick] [--profile]

All save the same model and AdamW state, between the steps of one training loop, in turn; a first
round warms up and is not counted. Twice: in a finetune stage, where everything learns, and in a
head stage, where the body is frozen and its features are at hand.

- *stall*: what the training thread spends on a checkpoint: the call at the step's end and, for
  Holdfast, all that the next steps wait at the fence and for the writer. Without a checkpoint the
  end of a step takes a little, too; that is taken off.
- *all in all*: by how much the saving call and the steps after it (2 in finetune, 500 in head;
  as many for each) took longer than without a checkpoint, in the same round. What a background
  thread takes from the processor is in it, and so is the noise of the steps.

On cuda the device is waited for before and after what is timed; a fence there holds up the
device and not the thread, so it shows in *all in all* only.
"""

import argparse
import gc
import logging
import os
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

from peers.savers import SAVERS, Save, Subject, clean
from stall_loop import Cycle, Loop, loop_in, make_subject
from stall_profile import profile
from table import machine, milliseconds, peer_version, table

OURS, NOTHING, COPY = "**Holdfast**", "no checkpoint", "memcpy into warm memory"
TARGETS = {"finetune": 0.5, "head": 0.05}
Cycles = dict[str, list[Cycle]]


def main() -> None:
    """Print a table for each stage."""
    options = parse_arguments()
    logging.disable(logging.WARNING)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuda's exact kernels want it
    print(f"{options.backbone}, {options.image_size} px, {machine(options.device)}\n", flush=True)
    for stage in options.stages.split(","):
        with tempfile.TemporaryDirectory(dir=options.directory) as directory:
            measure(stage, options, Path(directory))
        gc.collect()


def parse_arguments() -> argparse.Namespace:
    """Return the options; ``--quick`` makes it small."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backbone", default="CustomConvNeXt")
    parser.add_argument("--size", default="full")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stages", default="finetune,head")
    parser.add_argument("--only", default="", metavar="TEXT", help="peers with this in their name")
    parser.add_argument("--directory", help="where the checkpoints go (default: TMPDIR)")
    parser.add_argument("--profile", action="store_true", help="tell where our stall goes")
    parser.add_argument("--quick", action="store_true", help="a small model, two rounds")
    options = parser.parse_args()
    if options.quick:
        options.size, options.image_size, options.rounds = "tiny", 64, 2
    return options


def measure(stage: str, options: argparse.Namespace, directory: Path) -> None:
    """Call all ways in turn, in one stage, and print what they took."""
    subject = make_subject(stage, options, directory / "peers")
    peers, missing = peers_of(subject, options.only)
    with loop_in(stage, subject, directory / "run") as loop:
        ways: dict[str, Save] = {NOTHING: lambda: None, COPY: loop.copying(), OURS: loop.ours}
        ways |= peers
        cycles: Cycles = defaultdict(list)
        for number in range(options.rounds + 1):
            for title, save in ways.items():
                cycle = loop.cycle(save)
                clean(loop.subject.directory)
                if number:
                    cycles[title].append(cycle)
        print(report(stage, loop, cycles, missing), flush=True)
        if options.profile:
            print(profile(loop), flush=True)


def peers_of(subject: Subject, only: str) -> tuple[dict[str, Save], list[str]]:
    """Return how each peer saves, by its title, and which peers are not installed."""
    ways: dict[str, Save] = {}
    missing = []
    for saver in SAVERS:
        installed = peer_version(saver.package)
        if only and only.lower() not in saver.title.lower():
            continue
        if installed is None:
            missing.append(saver.title)
        else:
            ways[f"{saver.title} ({saver.package} {installed})"] = saver.make(subject)
    return ways, missing


def report(stage: str, loop: Loop, cycles: Cycles, missing: list[str]) -> str:
    """Return the table of one stage, the shortest stall first."""
    size = sum(storage.nbytes() for storage in loop.storages().values())
    plain = cycles.pop(NOTHING)
    step = statistics.median(cycle.stall for cycle in plain)
    stalls = {title: [c.stall - step for c in some] for title, some in cycles.items()}
    whole = {title: differences(some, plain) for title, some in cycles.items()}
    copy = statistics.median(stalls[COPY])
    rows = [
        [title, milliseconds(stalls[title]), f"{ratio:.3f}", milliseconds(whole[title])]
        for title in sorted(stalls, key=lambda title: statistics.median(stalls[title]))
        if (ratio := statistics.median(stalls[title]) / copy)
    ]
    rows += [[title, "not installed", "", ""] for title in missing]
    head = [f"{stage}, {size / 1e6:,.0f} MB", "stall, ms", "of memcpy", "all in all, ms"]
    steps = f"{1000 * statistics.median(c.whole for c in plain):,.0f} ms"
    return (
        f"{table(head, rows)}\nThe steps of a cycle take {steps} without a checkpoint; "
        f"{len(plain)} rounds. To reach: {TARGETS[stage]} of memcpy.\n"
    )


def differences(cycles: list[Cycle], plain: list[Cycle]) -> list[float]:
    """Return by how much each took longer than steps without a checkpoint, round by round."""
    return [c.whole - p.whole for c, p in zip(cycles, plain, strict=True)]


if __name__ == "__main__":
    main()
