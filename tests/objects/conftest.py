"""The servers of this room, started once, and an empty run on them for each test."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.storage.objects.address import Address
from holdfast.storage.objects.store import Store
from tests.objects.fault_proxy import FaultProxy, fault_proxy
from tests.objects.servers import BUCKET, Server, environment, moto_server, rclone_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def moto() -> Iterator[Server]:
    """A server that keeps to the conditions of writes."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that does not."""
    with rclone_server(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture
def proxy(moto: Server) -> Iterator[FaultProxy]:
    """A proxy in front of the good server."""
    with fault_proxy(moto) as proxy:
        yield proxy


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where scratch directories are."""
    return tmp_path / "scratch"


@pytest.fixture
def url(proxy: FaultProxy, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place on the good server, by way of the proxy, where nothing is yet."""
    for name, value in environment(proxy.endpoint, scratch).items():
        monkeypatch.setenv(name, value)
    return new_url()


@pytest.fixture
def store(url: str) -> Store:
    """The objects there."""
    return Store(Address.parse(url))


@pytest.fixture
def loose_url(rclone: Server, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place on the server that ignores conditions."""
    for name, value in environment(rclone.endpoint, scratch).items():
        monkeypatch.setenv(name, value)
    return new_url()


def new_url() -> str:
    """Return a URL that no other test has."""
    return f"s3://{BUCKET}/run{next(_numbers)}"
