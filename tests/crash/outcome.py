"""What came of one injury."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal[
    "same bits",  # the run was finished and equals the undisturbed one
    "clear refusal",  # it was not, and said why
    "other bits",
    "traceback",
    "needless restart",  # a job went back behind a good checkpoint, or lost an acknowledged one
    "unclear end",  # another exit code than documented, no clear line, something left behind
]


@dataclass(frozen=True)
class Outcome:
    """One kill, cut or fault, and what came of it."""

    rung: str
    kind: str
    injury: str
    verdict: Verdict
    evidence: str = ""
    """What shows it, where the verdict is not good."""

    @property
    def good(self) -> bool:
        """Whether the promises held."""
        return self.verdict in ("same bits", "clear refusal")
