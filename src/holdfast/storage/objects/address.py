"""The address of a run on object storage, and where on this machine its scratch is."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from holdfast.errors import UsageError

SCRATCH = "HOLDFAST_SCRATCH"
"""The environment variable that says where scratch directories are."""

_URL = re.compile(r"(?P<scheme>s3|gs|az):/{1,2}(?P<rest>.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")


def is_url(text: str | Path) -> bool:
    """Tell whether this names a place on object storage; a `Path` of a URL has lost a slash."""
    return _URL.fullmatch(str(text)) is not None


@dataclass(frozen=True)
class Address:
    """A prefix in a bucket: ``s3://bucket/run``."""

    scheme: str
    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str | Path) -> "Address":
        """Read a URL.

        Raises:
            UsageError: it names no bucket, or no run in it.
        """
        match = _URL.fullmatch(str(text))
        bucket, _, prefix = (match["rest"] if match else "").partition("/")
        parts = [part for part in prefix.split("/") if part]
        if match is None or not _BUCKET.fullmatch(bucket):
            raise UsageError(f"{text}: names no bucket; write it as s3://BUCKET/RUN")
        if not parts or any(part in (".", "..") or not part.isprintable() for part in parts):
            raise UsageError(f"{text}: names no run; write it as {match['scheme']}://{bucket}/RUN")
        return cls(match["scheme"], bucket, "/".join(parts))

    def __str__(self) -> str:
        """Return the URL."""
        return f"{self.scheme}://{self.bucket}/{self.prefix}"

    @property
    def slug(self) -> str:
        """A name for its directories on this machine; another endpoint gives another one."""
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
        digest = hashlib.sha256(f"{endpoint} {self}".encode()).hexdigest()[:12]
        words = _PLAIN.findall(f"{self.bucket}-{self.prefix}")
        return f"{self.scheme}-{'-'.join(words)[:60]}-{digest}"


def scratch_root() -> Path:
    """Return where the scratch directories of this user are."""
    return Path(os.environ.get(SCRATCH) or "~/.cache/holdfast/scratch").expanduser().resolve()
