"""A run in whose files stands whatever somebody might want a browser to run."""

import json
from pathlib import Path

from holdfast.rundir import RecoveryState, save_state

SCRIPT = "<script>alert(1)</script>"


def hostile(directory: Path) -> Path:
    """Write whatever a file may say into a run's state."""
    result = {
        "final_accuracy": float("nan"),
        "f1": float("inf"),
        "parameters": -5,
        "confusion_matrix": [[1, "x"], [2]],
        "roc_auc": SCRIPT,
        "changed_in_training": [SCRIPT],
    }
    state = RecoveryState(
        backbones=["a", "b", "c"],
        run={"stages": {"head": 0}, "classes": [SCRIPT, '"><img src=x onerror=alert(1)>']},
    )
    jobs = list(state.jobs())
    state.results[jobs[0]] = result
    state.results[jobs[1]] = {**result, "final_accuracy": 1e9, "confusion_matrix": [[1, 0], [9, 0]]}
    state.failed[jobs[2]] = SCRIPT + "\x1b[2J\u202e"
    save_state(directory, state)
    (directory / "damaged").mkdir()
    name = "<img src=x onerror=alert(1)>\udcff"
    (directory / "damaged" / name).write_bytes(b"")
    (directory / "damaged" / f"{name}.reason.txt").write_text(SCRIPT)
    holder = {"host": SCRIPT, "pid": 1, "since": SCRIPT}
    (directory / ".lock.holder.json").write_text(json.dumps(holder))
    return directory
