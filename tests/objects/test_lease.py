"""One writer for an address: a lease that runs out, on servers that keep to conditions or not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from holdfast.errors import DirectoryInUseError, LeaseLostError
from holdfast.storage.objects.address import Address
from holdfast.storage.objects.lease import LEASE, Claim, Lease, read_claim
from holdfast.storage.objects.store import AwayError, Store
from tests.objects.fault_proxy import Fault, FaultProxy

HOLD = """
import sys, time
from holdfast.errors import HoldfastError
from holdfast.storage.objects.address import Address
from holdfast.storage.objects.lease import Lease
from holdfast.storage.objects.store import Store
lease = Lease(Store(Address.parse(sys.argv[1])), conditional=True, on_notice=print)
try:
    lease.acquire()
    print("held", flush=True)
    while True:
        time.sleep(0.02)
        lease.check()
except HoldfastError as error:
    print(error.exit_code, error, flush=True)
"""
FOREIGN = {"host": "elsewhere", "pid": 7, "boot": "", "since": "then", "seconds": 0.6}


@pytest.fixture
def lease(store: Store) -> Iterator[Callable[..., Lease]]:
    """Make leases of this process; what is left of them is given back."""
    made: list[Lease] = []

    def make(conditional: bool = True) -> Lease:
        made.append(Lease(store, conditional=conditional, on_notice=lambda _: None))
        return made[-1]

    yield make
    for one in made:
        one.release()


@pytest.fixture
def holder(url: str) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Start another process that holds the lease."""
    children: list[subprocess.Popen[str]] = []

    def start() -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HOLD, url]
        children.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert children[-1].stdout.readline() == "held\n"
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.communicate()


def put_foreign(store: Store, **fields: object) -> Claim:
    """Let somebody of another machine have the lease."""
    claim = Claim(**{"id": "theirs", "token": 5, **FOREIGN, **fields})
    store.put(LEASE, claim.encode())
    return claim


def test_lease_is_taken_renewed_and_given_back(lease: Callable[..., Lease], store: Store) -> None:
    """Its number grows with each holder; given back, it is there for the next at once."""
    first = lease()
    first.acquire()
    assert first.is_good
    assert first.token == 1
    first.renew()
    assert read_claim(store)[0].renewed >= 1
    first.release()
    began = time.monotonic()
    second = lease()
    second.acquire()
    assert second.token == 2
    assert second.predecessor.id == first.id
    assert time.monotonic() - began < 2.9


def test_second_process_is_told_who_is_there(
    lease: Callable[..., Lease], holder: Callable[[], "subprocess.Popen[str]"], url: str
) -> None:
    """At the first renewal, in one line, with exit code 4; the holder goes on."""
    child = holder()
    began = time.monotonic()
    with pytest.raises(DirectoryInUseError, match=f"{url} is in use by process {child.pid}"):
        lease().acquire()
    assert time.monotonic() - began < 2.9, "the lease is good for three seconds"
    assert child.poll() is None


def test_lease_of_a_dead_process_is_free_at_once(
    lease: Callable[..., Lease], holder: Callable[[], "subprocess.Popen[str]"]
) -> None:
    """After SIGKILL on this machine nobody need wait for it to run out."""
    child = holder()
    child.kill()
    child.wait()
    began = time.monotonic()
    mine = lease()
    mine.acquire()
    assert mine.token == 2
    assert time.monotonic() - began < 2.9


def test_lease_of_a_machine_that_is_gone_runs_out(
    lease: Callable[..., Lease], store: Store
) -> None:
    """It is watched for as long as it is good, and then taken over with the next number."""
    put_foreign(store)
    began = time.monotonic()
    mine = lease()
    mine.acquire()
    assert mine.token == 6
    assert 0.6 <= time.monotonic() - began < 5.0


def test_lease_of_a_living_machine_is_left_alone(lease: Callable[..., Lease], store: Store) -> None:
    """Its process number means nothing here, even if nobody here has it."""
    put_foreign(store, pid=2**22 + 1, seconds=30.0)
    mine = lease()
    claims = iter(range(1, 99))

    def renewing(self: Store = store) -> tuple[Claim | None, object]:
        put_foreign(store, seconds=30.0, renewed=next(claims))
        return read_claim(store)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("holdfast.storage.objects.lease.read_claim", lambda _: renewing())
        patch.setattr("holdfast.storage.objects.lease.time.sleep", lambda _: None)
        with pytest.raises(DirectoryInUseError, match="process 7 on elsewhere, since then"):
            mine.acquire()


def test_frozen_holder_finds_that_it_has_lost(
    lease: Callable[..., Lease], holder: Callable[[], "subprocess.Popen[str]"], store: Store
) -> None:
    """Stopped past its lease and woken again, it says who has it now, and has changed nothing."""
    child = holder()
    child.send_signal(signal.SIGSTOP)
    mine = lease()
    mine.acquire()
    child.send_signal(signal.SIGCONT)
    said = child.stdout.readline()
    assert said.startswith("4 ")
    assert f"process {os.getpid()}" in said
    mine.check()
    mine.renew()
    assert read_claim(store)[0].id == mine.id


def test_holder_that_is_cut_off_goes_on_if_nobody_came(
    lease: Callable[..., Lease], proxy: FaultProxy
) -> None:
    """It may not write while it cannot renew; it has lost nothing when the store is back."""
    mine = lease()
    mine.acquire()
    proxy.always(drop=True)
    until = time.monotonic() + 15.0
    while mine.is_good and time.monotonic() < until:
        time.sleep(0.05)
    assert not mine.is_good
    mine.check()
    proxy.heal()
    while not mine.is_good and time.monotonic() < until:
        time.sleep(0.05)
    assert mine.is_good


def test_answer_that_is_lost_is_no_lost_lease(
    lease: Callable[..., Lease], proxy: FaultProxy
) -> None:
    """Who asks again finds what the first try has written, which is its own."""
    mine = lease()
    for act in (mine.acquire, mine.renew, mine.renew):
        proxy.choose = lambda request: Fault(forget=request.method == "PUT")
        with pytest.raises(AwayError):
            act()
        proxy.heal()
        act()
    mine.check()
    assert mine.is_good
    assert mine.token == 1


def test_lease_that_somebody_removed_is_lost(lease: Callable[..., Lease], store: Store) -> None:
    """Whoever removes it means it."""
    mine = lease()
    mine.acquire()
    store.delete(LEASE)
    mine.renew()
    with pytest.raises(LeaseLostError, match="somebody has removed it"):
        mine.check()


def test_scrambled_lease_is_replaced(lease: Callable[..., Lease], store: Store) -> None:
    """What nobody can read, nobody holds."""
    store.put(LEASE, b"{")
    mine = lease()
    mine.acquire()
    assert read_claim(store)[0].id == mine.id


def test_server_without_conditions_is_read_back(loose_url: str) -> None:
    """There too the second comes second, and a holder whose lease was overwritten has lost it."""
    store = Store(Address.parse(loose_url))
    mine = Lease(store, conditional=False, on_notice=lambda _: None)
    mine.acquire()
    put_foreign(store)
    mine.renew()
    with pytest.raises(LeaseLostError, match="process 7 on elsewhere"):
        mine.check()
    mine.release()


def test_away_store_gives_no_lease(lease: Callable[..., Lease], proxy: FaultProxy) -> None:
    """Who cannot ask does not have it."""
    proxy.always(status=503)
    with pytest.raises(AwayError):
        lease().acquire()
