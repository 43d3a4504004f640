"""What becomes of training when it is injured: Lightning, HF Trainer, Accelerate, Holdfast.

    python benchmarks/peer_injuries.py [--peers lightning,holdfast] [--cases killed,flipped]

Each trains the same small network by its own documented way of saving and resuming
(benchmarks/peers/*_loop.py), is hurt, and is started again by the same command. Verdicts come from
exit status, output, and the final weights, compared with `torch.equal` to those of an undisturbed
run of the same peer. Prints Markdown. Linux; `killed-in-save` needs strace, `disk-full` root.
"""

import argparse
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from peers.cases import CASES, Trial
from peers.launch import Place
from peers.peer import PEERS, Peer


def choose(text: str | None, known: list[str], parser: argparse.ArgumentParser) -> list[str]:
    """Return the chosen names, in the known order."""
    chosen = text.split(",") if text else known
    if unknown := set(chosen) - set(known):
        parser.error(f"{', '.join(sorted(unknown))}: not among {', '.join(known)}")
    return [name for name in known if name in chosen]


def verdicts(peer: Peer, cases: list[str], work: Path, save_every: int) -> dict[str, str]:
    """Put one peer through the cases."""

    def note(text: str) -> None:
        print(f"{peer.title}, {case}: {text}", file=sys.stderr, flush=True)

    trial = Trial(Place(peer, work, save_every), note)
    found = {}
    for case in cases:
        found[case] = CASES[case](trial)
        note(found[case])
    return found


def table(cases: list[str], columns: dict[str, dict[str, str]]) -> str:
    """Return the verdicts as Markdown, one row for each case."""
    rows = [["", *columns], ["---"] * (len(columns) + 1)]
    for case in cases:
        title = (CASES[case].__doc__ or "").strip().rstrip(".")
        rows.append([f"{title} (`{case}`)", *(found[case] for found in columns.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", help="some of " + ",".join(peer.key for peer in PEERS))
    parser.add_argument("--cases", help="some of " + ",".join(CASES))
    parser.add_argument("--save-every", type=int, default=20, metavar="STEPS")
    options = parser.parse_args()
    cases = choose(options.cases, list(CASES), parser)
    keys = choose(options.peers, [peer.key for peer in PEERS], parser)
    peers = [peer for peer in PEERS if peer.key in keys]
    columns = {}
    with tempfile.TemporaryDirectory(prefix="peer-injuries-") as work:
        for peer in peers:
            if peer.version is None:
                print(f"{peer.title}: absent ({peer.package} is not installed)\n")
                continue
            columns[peer.title] = verdicts(peer, cases, Path(work), options.save_every)
    print(table(cases, columns))
    shown = {"torch": version("torch"), **{p.package: p.version for p in peers if p.version}}
    packages = ", ".join(f"{name} {number}" for name, number in shown.items())
    system = f"Python {platform.python_version()}, {platform.system()} {platform.release()}"
    print(f"\n{system}; {packages}; a checkpoint each {options.save_every} steps")


if __name__ == "__main__":
    main()
