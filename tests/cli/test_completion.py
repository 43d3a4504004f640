"""What the shell offers behind an option, asked as bash asks, without the seconds of torch."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.config import BACKBONES
from holdfast.rundir import RecoveryState, save_state

HOLDFAST = Path(sys.executable).with_name("holdfast")


def ask(words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Complete the last word of a command line."""
    place = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    environment = {**os.environ, "_HOLDFAST_COMPLETE": "complete_bash", **place, **more}
    return subprocess.run(
        [HOLDFAST], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=True
    )


OFFERED = {
    "holdfast train --preset ": ["demo", "full"],
    "holdfast train --size t": ["tiny"],
    "holdfast train --engine ": ["local", "ray"],
    "holdfast train --on-change re": ["refuse", "restart-affected"],
    "holdfast train --device c": ["cpu", "cuda"],
    "holdfast train --backbones ": [*BACKBONES, "all"],
    "holdfast train --backbones CustomMa": ["CustomMaxViT"],
    "holdfast prove --backbones CustomRegNet,CustomMaxViT,CustomM": [
        "CustomRegNet,CustomMaxViT,CustomMobileOne"
    ],
    "holdfast reset --backbone CustomMo": ["CustomMobileOne"],
    "holdfast status --w": ["--watch"],
}


@pytest.mark.parametrize(("words", "offered"), OFFERED.items())
def test_words_of_an_option_are_offered(words: str, offered: list[str], tmp_path: Path) -> None:
    """Those that it takes and that begin so; of a list, those that are not in it yet."""
    assert ask(words, tmp_path).stdout.split() == offered


def test_reset_offers_what_the_run_has(tmp_path: Path) -> None:
    """Names of one's own too, in the directory that is named; a URL is not asked, nor a ruin."""
    save_state(tmp_path, RecoveryState(backbones=["small", "wide"]))
    (tmp_path / "ruin").mkdir()
    (tmp_path / "ruin" / ".recovery_state.json").write_text('{"format_version": 99}')

    def reset(where: object) -> list[str]:
        return ask(f"holdfast reset --checkpoint-dir {where} --backbone ", tmp_path).stdout.split()

    assert reset(tmp_path) == ["small", "wide"]
    assert reset("s3://bucket/run") == reset(tmp_path / "ruin") == BACKBONES


def test_completing_brings_no_torch(tmp_path: Path) -> None:
    """A key is answered at once."""
    asked = ask("holdfast train --backbones C", tmp_path, PYTHONPROFILEIMPORTTIME="1")
    imported = {line.rpartition("|")[2].strip() for line in asked.stderr.splitlines()}
    assert "holdfast.cli.completion" in imported
    heavy = {"torch", "numpy", "sklearn", "kornia"}
    assert {name.partition(".")[0] for name in imported} & heavy == set()


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_bash_itself_completes(tmp_path: Path) -> None:
    """The script that --install-completion installs works in the shell it is for."""
    script = subprocess.run(
        [HOLDFAST],
        env={**os.environ, "_HOLDFAST_COMPLETE": "source_bash"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    press_tab = "COMP_WORDS=(holdfast train --size ''); COMP_CWORD=3; _holdfast_completion holdfast"
    shell = ["bash", "--norc", "-c", f'{script}\n{press_tab}; echo "${{COMPREPLY[@]}}"']
    path = f"{HOLDFAST.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        shell,
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "tiny full\n"
