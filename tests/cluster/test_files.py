"""The files of examples/cluster and the commands of docs/cluster.md, as far as goes without Slurm.

Options that do not exist any more, of Holdfast or of Ray, fail here; whether Kubernetes, Slurm or a
cloud accept the rest, only they can tell.
"""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli as ray_cli

from holdfast.cli.app import app

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "cluster"
DOC = ROOT / "docs" / "cluster.md"
HOLDFAST = typer.main.get_command(app)
SBATCH = {  # of `man sbatch`, those that the script uses
    *("job-name", "nodes", "ntasks-per-node", "cpus-per-task", "time", "requeue", "no-kill"),
    *("signal", "open-mode", "output"),
}


def lines_of(path: Path) -> list[str]:
    """Return what a file gives to a shell, a command a line."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        return "".join(blocks).splitlines()
    if path.suffix == ".yaml":
        comments = re.findall(r"^# +(.*)$", text.replace("\n#   --", " --"), re.MULTILINE)
        return [*comments, *leaves(list(yaml.safe_load_all(text)))]
    joined = re.sub(r"\\\n *", "", text).replace(' "$@"', "")
    return [line.strip() for line in joined.splitlines() if line[:1] != "#"]


def leaves(value: Any) -> list[str]:
    """Return every string in what YAML holds."""
    if isinstance(value, str):
        return [value]
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [leaf for item in inside for leaf in leaves(item)]


def commands(path: Path, program: str) -> list[list[str]]:
    """Return the arguments of each command of a program that a file shows."""
    names = "start|stop|status|up|down|exec|get-auth-token|train|verify"
    pattern = rf"(?:TRAIN='|^srun .* |^ *){program} ((?:{names})\b[^#>&'|]*)"
    found = (re.search(pattern, line) for line in lines_of(path))
    # whatever a variable stands for can stand where a number must
    return [shlex.split(re.sub(r"\$\w+", "1", match[1])) for match in found if match]


def parse(program: Any, arguments: list[str]) -> None:
    """Read a command line as the program would, and do nothing."""
    name, *rest = arguments
    program.commands[name].make_context(name, rest)


SHOWN = [DOC, EXAMPLES / "series.sbatch", EXAMPLES / "ray_job.yaml", EXAMPLES / "spot.yaml"]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.name)
def test_every_training_command_is_one(path: Path) -> None:
    """What is shown of `holdfast train` has only options that it has, and is on Ray."""
    found = commands(path, "holdfast")
    assert found
    for arguments in found:
        parse(HOLDFAST, arguments)
        assert arguments[0] != "train" or "--engine" in arguments


@pytest.mark.parametrize("path", [DOC, EXAMPLES / "series.sbatch", EXAMPLES / "spot.yaml"])
def test_every_command_of_ray_is_one(path: Path) -> None:
    """What is shown of `ray` has only options that this version of Ray has."""
    found = commands(path, "ray")
    assert found
    for arguments in found:
        parse(ray_cli, arguments)


def test_batch_script_is_one() -> None:
    """bash reads it; its directives come first, and are options of sbatch; it requeues itself."""
    path = EXAMPLES / "series.sbatch"
    subprocess.run(["bash", "-n", str(path)], check=True)
    lines = path.read_text().splitlines()
    directives = [line for line in lines if line.startswith("#SBATCH")]
    first = next(n for n, line in enumerate(lines) if line and not line.startswith("#"))
    assert all(n < first for n, line in enumerate(lines) if line in directives)
    names = {re.fullmatch(r"#SBATCH --([a-z-]+)(?:=\S+)?", line)[1] for line in directives}
    assert names == SBATCH
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", str(path)], check=True)


def test_ray_job_has_what_kuberay_reads() -> None:
    """The fields of the manifest are those of KubeRay 1.6's RayJob, and the pods can share."""
    claim, job = yaml.safe_load_all((EXAMPLES / "ray_job.yaml").read_text())
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    cluster = spec.pop("rayClusterSpec")
    assert set(spec) <= {
        *("submissionMode", "entrypoint", "backoffLimit"),
        *("shutdownAfterJobFinishes", "ttlSecondsAfterFinished"),
    }
    assert set(cluster) == {"rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"}
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    assert set(head) == {"rayStartParams", "template"}
    counts = {"replicas", "minReplicas", "maxReplicas"}
    assert set(workers) == {"groupName", *counts, "rayStartParams", "template"}
    for group in (head, workers):
        check_pod(group["template"]["spec"], claim["metadata"]["name"], spec["entrypoint"])


def check_pod(pod: dict[str, Any], claim: str, entrypoint: str) -> None:
    """A pod has time to save, and sees the shared directory where the command looks for it."""
    assert pod["terminationGracePeriodSeconds"] >= 60
    (volume,) = pod["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim
    (container,) = pod["containers"]
    (mount,) = container["volumeMounts"]
    assert mount["name"] == volume["name"]
    arguments = shlex.split(entrypoint)
    for option in ("--data", "--checkpoint-dir"):
        assert arguments[arguments.index(option) + 1].startswith(mount["mountPath"])
    assert container["resources"]["limits"] == container["resources"]["requests"]


def test_spot_cluster_is_one_by_rays_own_schema() -> None:
    """Ray's launcher takes the file; the machine of the driver is no spot machine."""
    config = yaml.safe_load((EXAMPLES / "spot.yaml").read_text())
    validate_config(prepare_config(config))
    types = config["available_node_types"]
    assert "InstanceMarketOptions" not in types[config["head_node_type"]]["node_config"]
    assert types["spot"]["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
