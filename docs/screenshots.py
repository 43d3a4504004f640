"""Writes the pictures of `holdfast serve` in docs/images/, from a real run.

``python docs/screenshots.py DIRECTORY`` takes them of the run that is there, finished or in
training; without a directory the demo is trained first. Needs Debian's chromium.
"""

import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from holdfast.status import read_status

IMAGES = Path(__file__).parent / "images"
CHROMIUM = "/usr/bin/chromium"
WIDTHS = {"wide": (1280, 860, 1.0), "phone": (390, 844, 2.0)}
COLOURS = 256
LARGEST = 150_000  # bytes of a picture


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a run; give the URL."""
    command = [sys.executable, "-m", "holdfast", "serve", "--port", "0"]
    command += ["--checkpoint-dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split(" at ")[-1].split()[0]
        finally:
            server.terminate()


def pages(directory: Path) -> dict[str, str]:
    """Return the pages by name; of the jobs, the last that was interrupted most often."""
    jobs = [job for job in read_status(directory).jobs if job.fold is None]
    chosen = max(reversed(jobs), key=lambda job: job.interruptions).job
    return {"series": "", "job": f"job/{chosen}", "recovery": "recovery", "compare": "compare"}


def take(browser: Browser, url: str, paths: dict[str, str]) -> None:
    """Take the picture of each page, in each width and theme."""
    for width, (across, down, scale) in WIDTHS.items():
        for theme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": across, "height": down},
                device_scale_factor=scale,
                color_scheme=theme,
                reduced_motion="reduce",
            )
            for name, path in paths.items():
                page = context.new_page()
                page.goto(url + path)
                page.wait_for_selector(".page")
                page.wait_for_timeout(2_000)  # until files are verified, where that is quick
                keep(page.screenshot(), IMAGES / f"{name}_{width}_{theme}.png")
                page.close()
            context.close()


def keep(picture: bytes, path: Path) -> None:
    """Write a picture with as few colours as it needs."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    few = image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    assert path.stat().st_size < LARGEST, f"{path}: {path.stat().st_size} bytes"


def main() -> None:
    """Train the demo if no run is named, then take the pictures."""
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        directory = Path(sys.argv[1] if len(sys.argv) > 1 else place)
        if len(sys.argv) < 2:
            command = [sys.executable, "-m", "holdfast", "train", "--checkpoint-dir", place]
            subprocess.run(command, check=True)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with served(directory) as url:
            take(browser, url, pages(directory))
        browser.close()


if __name__ == "__main__":
    main()
