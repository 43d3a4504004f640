"""What `make dist` builds installs into an empty environment, works there, and brings no more."""

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEMO = ["train", "--preset", "demo", "--backbones", "CustomConvNeXt"]


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command to its good end, apart from the tests' environment; return what it said."""
    outside = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    outside["OMP_NUM_THREADS"] = "1"
    done = subprocess.run(
        command, cwd=cwd, env=outside, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel and the sdist that it is built from."""
    directory = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", directory, cwd=ROOT)
    return directory


def test_wheel_holds_the_package_alone(dist: Path) -> None:
    """holdfast with its mark of being typed; not the guide's doors, no tests."""
    (wheel,) = dist.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()

    tops = {name.split("/")[0] for name in names}
    assert tops == {"holdfast", next(top for top in tops if top.endswith(".dist-info"))}
    assert "holdfast/py.typed" in names


def test_sdist_can_be_built_from(dist: Path) -> None:
    """It holds what the build needs, licence and README among it."""
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"pyproject.toml", "README.md", "LICENSE", "src/holdfast/__init__.py"} <= names


def test_wheel_trains_in_an_empty_environment(dist: Path, tmp_path: Path) -> None:
    """Its dependencies are all it needs to train the demo, and nothing but holdfast is new."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    if not python.exists():
        python = tmp_path / "env" / "Scripts" / "python.exe"
    (wheel,) = dist.glob("*.whl")
    install = (python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt")
    run(*install, wheel, cwd=tmp_path)
    site = Path(
        run(python, "-c", "import holdfast; print(holdfast.__file__)", cwd=tmp_path).strip()
    )
    packages = site.parents[1]
    there = {path.name for path in packages.iterdir()}
    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "holdfast", cwd=tmp_path)
    mine = there - {path.name for path in packages.iterdir()}
    run(*install, "--no-deps", wheel, cwd=tmp_path)

    version = run(python.with_name("holdfast"), "--version", cwd=tmp_path).split()[-1]
    trained = run(python.with_name("holdfast"), *DEMO, cwd=tmp_path)

    assert mine == {"holdfast", f"holdfast-{version}.dist-info"}
    assert "1 of 1 backbones complete" in trained
    assert (tmp_path / "checkpoints" / "CustomConvNeXt_best.pth").exists()
