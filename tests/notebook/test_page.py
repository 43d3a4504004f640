"""docs/notebooks.md, cell by cell, in a Jupyter kernel; and what a notebook does to training."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbclient import NotebookClient

from tests.notebook.kernels import kernel, printed, run, shown

PAGE = (Path(__file__).parents[2] / "docs" / "notebooks.md").read_text(encoding="utf-8")
TRAIN, READ, FRAME, LOOP = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def client(
    digits_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NotebookClient]:
    """A kernel beside a folder of photos."""
    home = tmp_path_factory.mktemp("notebook")
    (home / "photos").symlink_to(digits_folder)
    with kernel(home) as client:
        yield client


@pytest.fixture(scope="module")
def page(client: NotebookClient) -> list[list[dict[str, Any]]]:
    """What each cell of the page has put out."""
    return run(client, TRAIN, READ, FRAME, LOOP)


def test_page_does_what_it_says(page: list[list[dict[str, Any]]]) -> None:
    """Bars while it trains, tables of the results, a DataFrame, and bars in one's own loop."""
    trained, read, frame, loop = page

    bars, table = shown(trained)
    assert bars.count("<progress") == 1
    assert re.search(r'Series.*value="1.0000".*1/1 jobs', bars)
    assert "✓ CustomResNetMish complete: accuracy" in printed(trained)
    assert ">✓ CustomResNetMish</td>" in table
    assert "Complete:   1 of 1 backbones" in table
    assert re.fullmatch(r"\(1, 1, (0.0|None)\)", shown(read, "text/plain")[0])
    assert "CustomResNetMish" in shown(frame)[0]
    assert "complete" in shown(frame)[0]
    bars, table = shown(loop)
    assert re.search(r">small</td>.*value=\"1.0000\".*train epoch 3/3  .*accuracy", bars)
    assert ">✓ small</td>" in table


@pytest.mark.usefixtures("page")
def test_completed_series_is_not_trained_again(client: NotebookClient) -> None:
    """The same cell once more shows the same results at once; nobody trains any more."""
    again, who = run(client, TRAIN, "print(holdfast.read().training)")
    assert "CustomResNetMish complete" not in printed(again)
    assert ">✓ CustomResNetMish</td>" in shown(again)[-1]
    assert printed(who) == "None\n"


INTERRUPT = """
import os, pathlib, signal, threading, time

def interrupt():
    while not list(pathlib.Path("stopped").glob("*_finetune_epoch0*.pth")):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)  # what Jupyter's button does

threading.Thread(target=interrupt).start()
"""


@pytest.mark.usefixtures("page")
def test_interrupted_kernel_saves_and_goes_on(client: NotebookClient) -> None:
    """Interrupt stops the cell, with all saved and the kernel alive; the same call goes on."""
    call = TRAIN.replace("epochs_finetune=2", 'epochs_finetune=9, checkpoint_dir="stopped"')
    run(client, INTERRUPT)
    (stopped,) = run(client, call, fails=True)
    (done,) = run(client, call)

    assert "SIGINT: saving" in printed(stopped)
    assert [o["ename"] for o in stopped if o["output_type"] == "error"] == ["Interrupted"]
    assert "✓ CustomResNetMish: continuing from finetune epoch" in printed(done)
    assert ">✓ CustomResNetMish</td>" in shown(done)[-1]


@pytest.mark.usefixtures("page")
def test_settings_that_cannot_be_used_raise(client: NotebookClient) -> None:
    """A call says by an exception what the command says in a line."""
    (failed,) = run(client, 'holdfast.train(backbones="CustomConvNext")', fails=True)
    (error,) = [o for o in failed if o["output_type"] == "error"]
    assert error["ename"] == "UnknownBackboneError"
    assert "did you mean CustomConvNeXt" in error["evalue"]


@pytest.mark.usefixtures("page")
def test_bars_can_be_turned_off(client: NotebookClient) -> None:
    """show=False, and one's own loop shows nothing."""
    quiet = LOOP.replace('open("my_run")', 'open("quiet", show=False)')
    (outputs,) = run(client, quiet)
    assert not any("<progress" in html for html in shown(outputs))
