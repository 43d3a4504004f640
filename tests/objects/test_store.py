"""What object storage answers, and what is made of it: faults, conditions, sums."""

import pytest

from holdfast.errors import StorageError, UsageError
from holdfast.storage.objects.address import Address, is_url
from holdfast.storage.objects.probe import probe
from holdfast.storage.objects.store import AwayError, ConflictError, Store
from tests.objects.fault_proxy import Fault, FaultProxy


def test_addresses_are_read_as_people_and_paths_write_them() -> None:
    """A Path of a URL has lost a slash, and is the same place; folders are no URLs."""
    assert str(Address.parse("s3:/bucket/a/run/")) == "s3://bucket/a/run"
    assert is_url("gs://b/r") and is_url("az://b/r")
    assert not is_url("checkpoints") and not is_url("/data/s3") and not is_url("http://b/r")


@pytest.mark.parametrize(
    "text", ["s3://", "s3://bucket", "s3://bucket/", "s3://a b/run", "s3://b/.."]
)
def test_address_without_a_run_is_refused(text: str) -> None:
    """One line says how to write it."""
    with pytest.raises(UsageError, match="s3://"):
        Address.parse(text)


def test_objects_are_written_read_and_listed(store: Store) -> None:
    """Names are relative to the run's address; what is not there is None."""
    assert store.get("a") is None
    store.put("a", b"one")
    store.put("damaged/b", b"two")
    assert store.get("a")[0] == b"one"
    assert store.range("a", 1, 3)[0] == b"ne"
    assert {n: e.size for n, e in store.list().items()} == {"a": 3, "damaged/b": 3}
    store.delete("a")
    store.delete("a")
    assert store.list().keys() == {"damaged/b"}


def test_conditions_are_kept(store: Store) -> None:
    """Creating twice, and replacing what has changed, is a conflict and changes nothing."""
    version = store.create("a", b"one")
    with pytest.raises(ConflictError):
        store.create("a", b"two")
    store.replace("a", b"three", version)
    with pytest.raises(ConflictError):
        store.replace("a", b"four", version)
    assert store.get("a")[0] == b"three"


def test_probe_finds_out_who_keeps_to_conditions(store: Store) -> None:
    """moto does; its ETags are sums; nothing is left of the trying."""
    honours = probe(store)
    assert (honours.conditions, honours.sums) == (True, True)
    assert store.list() == {}


def test_probe_finds_out_who_does_not(loose_url: str) -> None:
    """`rclone serve s3` answers success and overwrites."""
    store = Store(Address.parse(loose_url))
    honours = probe(store)
    assert (honours.conditions, honours.sums) == (False, True)
    assert store.list() == {}


@pytest.mark.parametrize("size", [20, 20 << 20], ids=["small", "in parts"])
def test_upload_that_arrives_damaged_is_found(store: Store, proxy: FaultProxy, size: int) -> None:
    """A bit that changes on the way is not taken for what was sent, by whatever server."""
    store.sums_are_md5 = True
    store.put("a", b"x" * size)
    proxy.choose = lambda request: Fault(flip=request.method == "PUT")
    with pytest.raises(AwayError, match="arrived damaged"):
        store.put("a", b"x" * size)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=503), "answers 503 SlowDown"),
        (Fault(status=429), "answers 429"),
        (Fault(drop=True), "does not answer"),
        (Fault(cut=0), "does not answer"),
    ],
)
def test_faults_that_pass_are_told_from_those_that_stay(
    store: Store, proxy: FaultProxy, fault: Fault, words: str
) -> None:
    """A store that is away is one line, and one to wait for."""
    store.times.retries, store.times.patience = 1, 1.0
    store = Store(store.address, store.times)
    proxy.choose = lambda _: fault
    with pytest.raises(AwayError) as caught:
        store.put("a", b"1")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 5


def test_refused_credentials_are_said_at_once(store: Store, proxy: FaultProxy) -> None:
    """No waiting for what waiting does not mend: the line says where to look."""
    proxy.always(status=403)
    with pytest.raises(StorageError, match=r"access refused \(403 ExpiredToken\)") as caught:
        store.list()
    assert not isinstance(caught.value, AwayError)


def test_missing_bucket_is_said(store: Store) -> None:
    """By every request, and not as a file that is not there."""
    nowhere = Store(Address.parse("s3://no-such-bucket/run"))
    for act in (nowhere.list, lambda: nowhere.get("a"), lambda: nowhere.put("a", b"")):
        with pytest.raises(StorageError, match="there is no bucket no-such-bucket"):
            act()


def test_short_faults_are_retried_unseen(store: Store, proxy: FaultProxy) -> None:
    """One request in three fails in some way, and every object arrives whole."""
    faults = (Fault(status=503), Fault(drop=True), Fault(cut=1), Fault(forget=True))
    proxy.sometimes(0.3, 1, *faults)
    store = Store(store.address)
    for number in range(12):
        store.put(f"a{number}", bytes([number]) * 1000)
    proxy.heal()
    assert [store.get(f"a{n}")[0] for n in range(12)] == [bytes([n]) * 1000 for n in range(12)]
