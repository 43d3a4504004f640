"""A small whole series to train on a cluster, and what it comes to undisturbed on one machine."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.rundir import Journal, Record
from tests.digits import write_digits

_SETTINGS = """
backbones = "{backbones}"
size = "tiny"
image_size = 32
batch_size = 8
epochs_head = 1
epochs_finetune = {epochs}
folds = {folds}
threads = 1
save_interval = 0.05
keep_latest = 2
"""


@dataclass
class Driver:
    """One start of ``holdfast train``."""

    process: subprocess.Popen[str]
    directory: Path
    output: str = ""

    def wait(self, seconds: float = 240.0) -> int:
        """Return the status it ends with; ``output`` is then what it has printed."""
        try:
            self.output += self.process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.output += self.process.communicate()[0]
            raise AssertionError(f"it hangs: {self.output}") from None
        return self.process.returncode

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send it a signal, and return the status it ends with."""
        self.process.send_signal(number)
        return self.wait()

    def journal(self, event: str = "") -> list[Record]:
        """Return what the run's journal has by now, of one kind or of all."""
        records = Journal(self.directory).read()
        return [record for record in records if event in ("", record["event"])]

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None


@dataclass(frozen=True)
class ClusterSeries:
    """The series, and the directory of its undisturbed run on the local engine."""

    home: Path
    data: Path
    calm: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, directory: Path, *options: str) -> Driver:
        """Start the series, or go on with it."""
        command = [sys.executable, "-W", "ignore", "-m", "holdfast", "train", *options]
        command += ["--config", str(self.home / "series.toml")]
        command += ["--checkpoint-dir", str(directory)]
        if "--data" not in options:
            command += ["--data", str(self.data)]
        out, err = subprocess.PIPE, subprocess.STDOUT
        child = subprocess.Popen(command, stdout=out, stderr=err, text=True, cwd=self.home)
        self.started.append(child)
        return Driver(child, directory)

    def on_ray(self, directory: Path, address: str, *options: str) -> Driver:
        """The same on a cluster."""
        return self.start(directory, "--engine", "ray", "--ray-address", address, *options)


@contextmanager
def cluster_series(
    home: Path, backbones: str = "CustomRegNet,CustomResNetMish", folds: int = 2, epochs: int = 3
) -> Iterator[ClusterSeries]:
    """Make the images and train the undisturbed run, in a directory of one's own."""
    data, calm = write_digits(home / "data"), home / "calm"
    settings = _SETTINGS.format(backbones=backbones, folds=folds, epochs=epochs)
    (home / "series.toml").write_text(settings)
    series = ClusterSeries(home, data, calm)
    driver = series.start(calm)
    assert driver.wait() == 0, driver.output
    try:
        yield series
    finally:  # a failed test may have left one
        for child in series.started:
            child.kill()
            child.communicate()
