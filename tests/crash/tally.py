"""What came of all injuries of a torture run: the table, and the least that it is to deal."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field

from tests.crash.errno_faults import injections

ERRORS, BAD_DISKS = "4 different errors injected", "4 kinds of bad disk"
HYPOTHESIS = "hypothesis, deep"
DID_NOT_END = "did not run to its end"
LEAST = {
    "3 SIGKILL": 300,
    ERRORS: len(injections()),
    BAD_DISKS: 3,
    "5 power cut ext4": 40,
    "5 power cut xfs": 40,
    "6 corruption": 500,
}
"""What 20 minutes deal."""
_FAMILIES = {
    "1": "crash at an effect",
    "2": "lost writes",
    "3": "SIGKILL",
    "4": "disk error",
    "6": "corruption",
    "8": "hostile state",
}
_ALWAYS = ("same bits", "clear refusal", "BROKEN")
_AT_TIMES = ("forged kept", "passed", "cut short")


@dataclass
class Tally:
    """Counts by line and verdict; one that is not good counts as BROKEN."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: set[str] = field(default_factory=set)
    """The different injected errors and bad disks of rung 4."""
    failed: list[str] = field(default_factory=list)
    """Rungs that did not run to their end."""

    def add(self, outcome: dict[str, str], seed: int) -> None:
        """Count one outcome, and tell at once where a promise was not kept."""
        verdict = outcome["verdict"] if outcome["good"] else "BROKEN"
        self.counts[family(outcome), verdict] += 1
        if outcome["rung"] == "4":
            self.faults.add(fault(outcome))
        if not outcome["good"]:
            print(f"BROKEN (seed {seed}): {json.dumps(outcome)}", flush=True)

    @property
    def bad(self) -> bool:
        """Whether a promise was not kept, or nobody can tell."""
        broken = any(verdict == "BROKEN" for _, verdict in self.counts)
        return broken or bool(self.failed) or not self.counts

    def dealt(self, line: str) -> int:
        """Return how many injuries a line of the table, or of the least, counts."""
        if line in (ERRORS, BAD_DISKS):
            injected = {name for name in self.faults if " at " in name}
            return len(injected if line == ERRORS else self.faults - injected)
        return sum(number for (name, _), number in self.counts.items() if name == line)

    def table(self) -> list[str]:
        """Return a line for each family of injuries, a column for each verdict."""
        seen = {verdict for _, verdict in self.counts}
        verdicts = [*_ALWAYS[:2], *(v for v in _AT_TIMES if v in seen), _ALWAYS[2]]
        lines = [f"{'injury':<28}{'dealt':>7}" + "".join(f"{name:>15}" for name in verdicts)]
        for line in sorted({name for name, _ in self.counts}):
            numbers = "".join(f"{self.counts[line, verdict]:>15}" for verdict in verdicts)
            lines.append(f"{line:<28}{self.dealt(line):>7}{numbers}")
        return [*lines, *(f"{rung}: {DID_NOT_END}" for rung in self.failed)]

    def against_the_least(self, *, deep: bool) -> list[str]:
        """Return a line for each number that 20 minutes are to reach, SHORT where they did not."""
        lines = [
            f"{'reached' if self.dealt(name) >= least else 'SHORT'}: "
            f"{name}: {self.dealt(name)} of at least {least}"
            for name, least in LEAST.items()
        ]
        ended = self.counts[HYPOTHESIS, "passed"] + self.counts[HYPOTHESIS, "BROKEN"]
        if deep and (ended == 0 or self.counts[HYPOTHESIS, "cut short"]):
            lines.append(f"SHORT: {HYPOTHESIS}: not every test ran to its end")
        return lines


def family(outcome: dict[str, str]) -> str:
    """Return the line of the table that an outcome belongs to."""
    kind, rung = outcome["kind"], outcome["rung"][0]
    if rung == "5":
        return f"{rung} {kind.split(',')[0]}"
    return f"{rung} {_FAMILIES[rung]}" if rung in _FAMILIES else outcome["rung"]


def fault(outcome: dict[str, str]) -> str:
    """Return which fault of rung 4 it was, whatever its number among the calls."""
    kind = outcome["kind"]
    return f"{kind} {re.sub(', number [0-9]+', '', outcome['injury'])}" if " at " in kind else kind
