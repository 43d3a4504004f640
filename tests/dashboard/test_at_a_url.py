"""A run on object storage in the browser, with a real S3 server on loopback."""

import os
from pathlib import Path

import pytest

from holdfast.dashboard.watch import Watch
from holdfast.storage.objects.address import Address
from holdfast.storage.objects.store import Store
from tests.cli.changing_run import DONE, IN_TRAINING
from tests.dashboard.served import served
from tests.dashboard.test_following import look
from tests.objects.conftest import new_url
from tests.objects.servers import environment, moto_server


def test_a_run_at_a_url_is_followed_from_anywhere(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page has it; where the store stays away, the last reading is shown and that is said."""
    with moto_server() as moto:
        for name, value in environment(moto.endpoint, tmp_path).items():
            monkeypatch.setenv(name, value)
        url = new_url()
        store = Store(Address.parse(url))
        for path in finished.iterdir():
            if path.is_file() and not path.name.startswith(".lock"):
                store.put(path.name, path)
        with served(url, environment=dict(os.environ)) as server:
            for page in ("/", f"/job/{DONE}", "/compare"):
                answer = server.ask(page)
                assert answer.status == 200
                assert DONE in answer.text
            assert "reads them from there" in server.ask(f"/job/{DONE}").text
            assert url in server.ask("/recovery").text
        watch = Watch(url)
    assert look(watch).trouble != ""
    assert set(watch.reading.jobs) == {DONE, IN_TRAINING}
