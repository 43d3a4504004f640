"""A process killed at each sync of a change of state leaves the old state or the new one."""

import subprocess
from pathlib import Path

from holdfast.rundir import JobName, Journal, RecoveryState, load_state, save_state
from tests.storage.strace import injected

COMPLETE = """
import sys
from pathlib import Path
from holdfast.rundir import JobName, Journal, load_state, save_state
directory = Path(sys.argv[1])
state = load_state(directory)
Journal(directory).append("job_completed", job="B", result={"accuracy": 0.5})
state.results[JobName("B")] = {"accuracy": 0.5}
save_state(directory, state)
"""
SYNCS = 5  # the journal; twice a file and its directory


def complete_and_die(directory: Path, sync: int) -> subprocess.CompletedProcess[str]:
    state = RecoveryState(backbones=["A", "B"], results={JobName("A"): {"accuracy": 0.9}})
    directory.mkdir()
    Journal(directory).append("job_completed", job="A", result={"accuracy": 0.9})
    save_state(directory, state)
    return injected(f"fsync:signal=SIGKILL:when={sync}", COMPLETE, directory)


def test_completion_is_known_or_not_never_in_part(tmp_path: Path) -> None:
    """From the journal's write on, the result counts, and the first one stays in any case."""
    seen = []
    for sync in range(1, SYNCS + 1):
        directory = tmp_path / str(sync)
        child = complete_and_die(directory, sync)
        assert child.returncode == -9, (sync, child.stderr)
        state = load_state(directory)
        assert state is not None
        assert state.results[JobName("A")] == {"accuracy": 0.9}
        seen.append(state.results.get(JobName("B")))

    assert seen == [{"accuracy": 0.5}] * SYNCS  # SIGKILL loses no write, synced or not


def test_there_are_no_other_syncs(tmp_path: Path) -> None:
    """The test above kills at every one: one more, and the child ends by itself."""
    child = complete_and_die(tmp_path / "last", SYNCS + 1)
    assert child.returncode == 0, child.stderr
