"""A run whose classes are many, with long names and hundreds of images each."""

from pathlib import Path

from holdfast.rundir import RecoveryState, save_state

JOB = "CustomResNetMish"


def many_classes(directory: Path, count: int) -> Path:
    """Write a complete run; each class is taken for the next one now and then."""
    names = [f"sugarcane_leaf_curl_virus_{number:02}" for number in range(count)]
    matrix = [[0] * count for _ in names]
    for true, row in enumerate(matrix):
        row[true], row[(true + 1) % count] = 110 + true, 2
    state = RecoveryState(backbones=[JOB], run={"stages": {"head": 1}, "classes": names})
    job = next(iter(state.jobs()))
    state.results[job] = {"final_accuracy": 0.98, "confusion_matrix": matrix}
    save_state(directory, state)
    return directory
