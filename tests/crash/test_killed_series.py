"""The main promise, by injury: a series killed twenty times ends as the undisturbed one."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.crash.sameness import same_runs

BACKBONES = "CustomResNetMish,CustomDeiTStyle,CustomConvNeXt"  # BatchNorm, transformer, DropPath
KILLS = 20
SETTINGS = """
backbones = "{backbones}"
size = "tiny"
image_size = 32
batch_size = 8
epochs_head = 3
epochs_finetune = 5
folds = 2
fold_backbones = ["CustomConvNeXt"]
save_interval = 0.05
patience = 8
threads = 1
[head]
augment = true
"""


def start(data: Path, directory: Path) -> subprocess.Popen[bytes]:
    settings = directory.parent / "settings.toml"
    settings.write_text(SETTINGS.format(backbones=BACKBONES))
    command = [sys.executable, "-m", "holdfast", "train", "--data", str(data)]
    command += ["--checkpoint-dir", str(directory), "--config", str(settings)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(data: Path, directory: Path) -> None:
    child = start(data, directory)
    output, _ = child.communicate(timeout=600)
    assert child.returncode == 0, output.decode()


def kill_at_random(data: Path, directory: Path, chance: random.Random) -> None:
    """Start the series and end it with SIGKILL, while it starts up or while it trains."""
    journal = directory / "journal.jsonl"
    before = journal.stat().st_size if journal.exists() else 0
    child = start(data, directory)
    if chance.random() < 0.8:  # wait until it trains
        while not (journal.exists() and journal.stat().st_size > before):
            time.sleep(0.01)
            assert child.poll() is None, child.stdout.read().decode()
        time.sleep(chance.uniform(0.0, 0.5))
    else:
        time.sleep(chance.uniform(0.0, 3.0))
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL, "it ended before it could be killed: train longer"


def test_series_killed_twenty_times_equals_the_undisturbed_one(
    digits_folder: Path, tmp_path: Path
) -> None:
    """Weights, optimizer state, history, metrics and results equal with ==, no epoch twice."""
    calm, stormy = tmp_path / "calm" / "run", tmp_path / "stormy" / "run"
    calm.parent.mkdir()
    stormy.parent.mkdir()
    seed = random.SystemRandom().randrange(2**32)
    print("moments drawn with seed", seed)  # shown when the test fails
    chance = random.Random(seed)

    finish(digits_folder, calm)
    for _ in range(KILLS):
        kill_at_random(digits_folder, stormy, chance)
    finish(digits_folder, stormy)

    weights = sorted(path.name for path in calm.glob("*_best.pth"))
    assert weights == sorted(path.name for path in stormy.glob("*_best.pth"))
    assert len(weights) == 5
    last = [path.name for path in calm.glob("*_finetune_epoch5.pth")]
    assert len(last) == 3
    same_runs(calm, stormy)
