"""What names this boot of the machine."""

import sys
from pathlib import Path
from subprocess import run

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return what names this boot of the machine; empty where the system does not tell."""
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text().strip()
    if sys.platform == "darwin":
        command = ["sysctl", "-n", "kern.bootsessionuuid"]
        return run(command, capture_output=True, text=True, check=False).stdout.strip()
    return ""
