"""What came of one injury."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal[
    "same bits",  # the run was finished and equals the undisturbed one
    "clear refusal",  # it was not, and said why
    "forged kept",  # it was, with what somebody forged in it, sums and all
    "passed",  # a test that deals injuries itself
    "cut short",  # such a test had no time to end
    "other bits",
    "traceback",
    "needless restart",  # a job went back behind a good checkpoint, or lost an acknowledged one
    "unclear end",  # another exit code than documented, no clear line, something left behind
]


SAME_BITS: Verdict = "same bits"
CLEAR_REFUSAL: Verdict = "clear refusal"
FORGED: Verdict = "forged kept"
PASSED: Verdict = "passed"
CUT_SHORT: Verdict = "cut short"
OTHER_BITS: Verdict = "other bits"
TRACEBACK: Verdict = "traceback"
NEEDLESS_RESTART: Verdict = "needless restart"


@dataclass(frozen=True)
class Outcome:
    """One kill, cut or fault, and what came of it."""

    rung: str
    kind: str
    injury: str
    verdict: Verdict
    evidence: str = ""
    """What shows it, where the verdict is not good."""
    may_refuse: bool = True
    """Whether a refusal is an answer; after a mere crash it is not."""

    @property
    def good(self) -> bool:
        """Whether the promises held."""
        held = self.verdict in (SAME_BITS, FORGED, PASSED, CUT_SHORT)
        return held or (self.may_refuse and self.verdict == CLEAR_REFUSAL)
