"""The tests that draw their examples by hypothesis, with many more of them than `make test` has."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.crash.outcome import CUT_SHORT, PASSED, Outcome, Verdict
from tests.crash.tally import HYPOTHESIS

MOST = 120.0  # seconds
LEAST = 60.0  # the start alone takes ten
_TESTS = Path(__file__).parents[1]
_OPTIONS = ("-m", "hypothesis", "-v", "-p", "no:cacheprovider")
_VERDICTS: dict[str, Verdict] = {"PASSED": PASSED, "FAILED": "unclear end", "ERROR": "unclear end"}
_LINE = re.compile(rf"^(\S+::.+?) ({'|'.join(_VERDICTS)}) +\[", re.M)


def outcomes(seed: int, seconds: float, tests: Path = _TESTS) -> Iterator[Outcome]:
    """Run them for so long at most; yield what came of each."""
    status, output = _pytest(seed, seconds, tests)
    found = _LINE.findall(output)
    for name, word in found:
        evidence = "" if word == "PASSED" else output[-5000:]
        yield Outcome(HYPOTHESIS, name, f"seed {seed}", _VERDICTS[word], evidence)
    if status is None:
        yield Outcome(HYPOTHESIS, "the rest", f"after {seconds:.0f} s", CUT_SHORT)
    elif status != 0 and all(word == "PASSED" for _, word in found):
        yield Outcome(HYPOTHESIS, "pytest", f"status {status}", "unclear end", output[-5000:])


def _pytest(seed: int, seconds: float, tests: Path) -> tuple[int | None, str]:
    """Return its status, None where its time was up, and what it said."""
    command = [sys.executable, "-m", "pytest", *_OPTIONS, f"--hypothesis-seed={seed}", str(tests)]
    deep = {**os.environ, "HOLDFAST_DEEP": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=deep) as child:
        try:
            output, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)
            return None, child.communicate()[0]
        return child.returncode, output
