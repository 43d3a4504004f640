"""One prefix of an object store, with faults as one line and uploads that are checked."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from holdfast.errors import StorageError, UsageError
from holdfast.storage.objects.address import Address
from holdfast.storage.objects.md5 import PART, Sums, sums_of

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

_AT_ONCE = 4  # parts; on a slow link each must still arrive in the time of a request
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL")
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")


class AwayError(StorageError):
    """The store does not answer, or not now; what was asked for may work later."""


class GoneError(StorageError):
    """There is no such object."""


class ConflictError(StorageError):
    """A conditional write found another object there than was expected."""


class AlteredError(StorageError):
    """An object has another sum than the store says: altered on the way, or rotten there."""

    def __init__(self, message: str, found: str) -> None:
        self.found = found
        """The sum of what came."""
        super().__init__(message)


class NoRangesError(StorageError):
    """The store gives objects only whole."""


@dataclass(frozen=True)
class Version:
    """What tells what was written at one time from what is written later."""

    etag: str
    number: str = ""
    """The generation that Google's servers count by."""

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> "Version":
        """Read it off what the library returns."""
        return cls((meta["e_tag"] or "").strip('"'), meta["version"] or "")

    def condition(self) -> dict[str, str]:
        """Return the same as the library takes it."""
        number = {"version": self.number} if self.number else {}
        return {"e_tag": f'"{self.etag}"', **number}


@dataclass(frozen=True)
class Entry:
    """One object, as a listing has it."""

    name: str
    size: int
    etag: str
    modified: float
    """When it was written, in seconds since 1970, by the server's clock."""


@dataclass
class Times:
    """How long one request may take, and how often it is tried at once."""

    request: float = 120.0
    retries: int = 3
    patience: float = 15.0
    """Seconds after which a request is not tried again."""


LEASE_TIMES = Times(request=5.0, retries=1, patience=5.0)


@dataclass
class Store:
    """The objects below an address; every method may raise `AwayError` or `StorageError`."""

    address: Address
    times: Times = field(default_factory=Times)
    sums_are_md5: bool = False
    """Whether an ETag is known to be the MD5 of what arrived; `probe` finds out."""

    def __post_init__(self) -> None:
        self._client = _connect(self.address, self.times)

    def put(self, name: str, data: bytes | Path) -> Version:
        """Write an object, whole or not at all; FileNotFoundError where there is no such file.

        S3 is sent SHA-256 sums to check. Where the ETag it answers with is the MD5 of what it
        received, that is compared too: not every server looks at the sums.
        """
        if isinstance(data, bytes):
            return self._put(name, data)
        with data.open("rb") as file:  # which stays what it is, whatever is renamed over it
            return self._put(name, file)

    def create(self, name: str, data: bytes) -> Version:
        """Write an object that is not there yet; ConflictError where it is."""
        return self._put(name, data, mode="create")

    def replace(self, name: str, data: bytes, old: Version) -> Version:
        """Write an object if it is still the old one; ConflictError where it is not."""
        return self._put(name, data, mode=old.condition())

    def get(self, name: str) -> tuple[bytes, Version] | None:
        """Return an object and its version; None where there is none."""
        import obstore

        try:
            with self._faults(name):
                found = obstore.get(self._client, name)
                return bytes(found.bytes()), Version.of(found.meta)
        except GoneError:
            return None

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of an object; GoneError where there is none.

        After the last of them it raises `AlteredError` where the sum is known, and another one.
        """
        import obstore

        with self._faults(name):
            found = obstore.get(self._client, name)
            sums = Sums()
            for piece in found.stream(min_chunk_size=1 << 20):
                data = bytes(piece)
                sums.add(data)
                yield data
        if self.sums_are_md5 and not sums.agree(Version.of(found.meta).etag):
            raise AlteredError(f"{self._where(name)}: arrived damaged", sums.hexdigest())

    def range(self, name: str, start: int, end: int) -> tuple[bytes, Version]:
        """Return some bytes of an object, and which version they are of; GoneError without one."""
        import obstore

        with self._faults(name):
            found = obstore.get(self._client, name, options={"range": (start, end)})
            return bytes(found.bytes()), Version.of(found.meta)

    def list(self) -> dict[str, Entry]:
        """Return every object by its name, relative to the address."""
        import obstore

        with self._faults(""):
            metas = [meta for chunk in obstore.list(self._client) for meta in chunk]
        return {
            meta["path"]: Entry(
                meta["path"],
                meta["size"],
                Version.of(meta).etag,
                meta["last_modified"].timestamp(),
            )
            for meta in metas
        }

    def delete(self, *names: str) -> None:
        """Remove objects; they may be gone already."""
        import obstore

        with suppress(GoneError), self._faults(""):
            obstore.delete(self._client, list(names))

    def _put(self, name: str, data: bytes | BinaryIO, mode: Any = "overwrite") -> Version:
        import obstore

        with self._faults(name):
            # a condition holds for one request only
            multipart = None if mode == "overwrite" else False
            result = obstore.put(
                self._client,
                name,
                data,
                mode=mode,
                use_multipart=multipart,
                chunk_size=PART,
                max_concurrency=_AT_ONCE,
            )
        version = Version.of(result)
        if self.sums_are_md5 and not sums_of(data).agree(version.etag):
            raise AwayError(f"{self._where(name)}: arrived damaged, and is sent again")
        return version

    def _where(self, name: str) -> str:
        return f"{self.address}/{name}" if name else str(self.address)

    @contextmanager
    def _faults(self, name: str) -> Iterator[None]:
        from obstore import exceptions as refused

        try:
            yield
        except (refused.AlreadyExistsError, refused.PreconditionError) as error:
            raise ConflictError(f"{self._where(name)}: another object is there") from error
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise StorageError(self._no_bucket()) from error
            raise GoneError(f"{self._where(name)}: not there") from error
        except (refused.BaseError, OSError) as error:
            raise self._fault(name, str(error)) from error

    def _fault(self, name: str, text: str) -> StorageError:
        """Return one line for what the library says in twenty."""
        if "non-partial" in text:
            return NoRangesError(f"{self._where(name)}: the store gives no part of an object")
        status, code = _STATUS.search(text), _CODE.search(text)
        number = int(status[1]) if status else 0
        answer = f"{number} {code[1]}" if status and code else status[1] if status else ""
        if code and code[1] == "NoSuchBucket":
            return StorageError(self._no_bucket())
        if number in (401, 403) or "credential" in text.lower():
            reason = f"access refused ({answer or 'no credentials'}); look at the credentials in "
            return StorageError(
                f"{self._where(name)}: {reason}the environment (AWS_ACCESS_KEY_ID …)"
            )
        if 400 <= number < 500 and number not in (408, 409, 429):
            return StorageError(
                f"{self._where(name)}: the store refuses ({answer}); look at the "
                "address and what you may do there"
            )
        reason = f"answers {answer}" if answer else f"does not answer ({_short(text)})"
        return AwayError(f"{self.address}: the store {reason}")

    def _no_bucket(self) -> str:
        return f"{self.address}: there is no bucket {self.address.bucket}; make it, or name another"


def _connect(address: Address, times: Times) -> "Client":
    try:
        from obstore import exceptions as refused
        from obstore.store import from_url
    except ImportError:
        raise UsageError(f"{address}: needs obstore; pip install 'holdfast[cloud]'") from None
    plain = any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS)
    config: Any = {"checksum_algorithm": "sha256"} if address.scheme == "s3" else {}
    try:
        return from_url(
            str(address),
            config=config,
            client_options={
                "allow_http": plain,
                "connect_timeout": "5s",
                "timeout": timedelta(seconds=times.request),
            },
            retry_config={
                "max_retries": times.retries,
                "retry_timeout": timedelta(seconds=times.patience),
                "backoff": {"max_backoff": timedelta(seconds=times.patience / 3)},
            },
        )
    except (refused.BaseError, ValueError) as error:
        raise UsageError(
            f"{address}: {_short(str(error))}; mend the address, or the environment (AWS_REGION …)"
        ) from error


def _short(text: str) -> str:
    """Return the cause that stands last in a chain of causes."""
    line = text.partition("\n")[0].rstrip()
    return line.rpartition(": ")[2].rpartition(" - ")[2][:120] or "no reason given"
