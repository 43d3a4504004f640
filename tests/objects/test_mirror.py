"""What is done in a scratch directory is done in the store, in an order that loses nothing."""

import io
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from holdfast.errors import LeaseLostError, StorageError
from holdfast.storage import append_durably, move_durably, remove, write_atomically
from holdfast.storage.objects import fetch, is_safe, located, lock_of, tell, viewed
from holdfast.storage.objects.lease import LEASE
from holdfast.storage.objects.places import _scratches
from holdfast.storage.objects.segments import Segment, current
from holdfast.storage.objects.store import Store
from tests.objects.drivers import direct
from tests.objects.fault_proxy import FINE, Fault, FaultProxy, Request

GOOD: Callable[[Path], str | None] = lambda path: None  # noqa: E731
SLOW = 0.4


class Run:
    """A run at a URL, as a process of this machine has it."""

    def __init__(self, url: str, damage: Callable[[Path], str | None] = GOOD) -> None:
        self.directory = located(url)
        self.said: list[str] = []
        tell(self.directory, self.said.append)
        self.lock = lock_of(self.directory / ".lock", damage)
        self.lock.acquire()

    def put(self, name: str, data: bytes = b"some bytes") -> Path:
        """Write a file."""
        path = self.directory / name
        write_atomically(path, data)
        return path

    def append(self, line: bytes, name: str = "journal.jsonl") -> None:
        """Append to one."""
        append_durably(self.directory / name, line)


@pytest.fixture
def start(url: str) -> Iterator[Callable[..., Run]]:
    """Make a process' run, without what was left of the last one."""
    made: list[Run] = []

    def make(damage: Callable[[Path], str | None] = GOOD) -> Run:
        made.append(Run(url, damage))
        return made[-1]

    yield make
    for run in made:
        if run.lock._local.count:
            run.lock.release()
    _scratches.clear()


def until(what: Callable[[], bool]) -> None:
    """Wait for something that is about to be."""
    end = time.monotonic() + 15.0
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def names(store: Store) -> set[str]:
    """Return what is in the store, but for the lease, and for segments by their file."""
    segments = {name: segment for name in store.list() if (segment := Segment.parse(name))}
    return {segments[n].file if n in segments else n for n in store.list() if n != LEASE}


def contents(store: Store, file: str = "journal.jsonl") -> bytes:
    """Return what a reader takes for a file that grows."""
    parts = current(store.list())[file]
    return b"".join(store.get(part.name)[0] for part in parts)


def test_what_is_written_is_sent(start: Callable[..., Run], store: Store) -> None:
    """Files, appends, moves and removals; not the lock, the images and what is half-written."""
    run = start()
    run.put("a.pth", b"weights")
    run.put("state.json", b"{}")
    run.append(b"one\n")
    run.append(b"two\n")
    (run.directory / "damaged").mkdir()
    move_durably(run.put("b.pth"), run.directory / "damaged" / "b.pth")
    (run.directory / "image_cache").mkdir()
    write_atomically(run.directory / "image_cache" / "index.json", b"{}")
    remove(run.put("c.pth"))
    run.lock.release()
    assert names(store) == {"a.pth", "state.json", "journal.jsonl", "damaged/b.pth"}
    assert store.get("a.pth")[0] == b"weights"
    assert contents(store) == b"one\ntwo\n"


def test_file_is_safe_once_the_store_has_it(start: Callable[..., Run], proxy: FaultProxy) -> None:
    """Not when it is durable here; and a newer one under its name is not safe again."""
    run = start()
    proxy.always(drop=True)
    path = run.put("a.pth")
    time.sleep(0.2)
    assert not is_safe(path)
    proxy.heal()
    until(lambda: is_safe(path))
    proxy.always(delay=SLOW)
    run.put("a.pth", b"newer")
    assert not is_safe(path)


def test_what_is_replaced_before_it_is_sent_is_not_sent(
    start: Callable[..., Run], proxy: FaultProxy, store: Store
) -> None:
    """A slow link is given the newest, not the queue of everything that ever was."""
    run = start()
    until(lambda: not run.lock._held._mirror.outbox.lacks())
    gate, arrived = threading.Event(), threading.Event()

    def hold(request: Request) -> Fault:
        if request.path.endswith("first.pth"):
            arrived.set()
            gate.wait(5.0)
        return FINE

    proxy.choose = hold
    run.put("first.pth")
    arrived.wait(5.0)
    proxy.seen.clear()
    for number in range(20):
        run.put("state.json", b"%d" % number)
        run.put(f"a{number}.pth")
        if number:
            remove(run.directory / f"a{number - 1}.pth")
    gate.set()
    run.lock.release()
    assert [method for method, _ in proxy.seen].count("POST") == 0, "nothing there was removed"
    sent = [path.rpartition("/")[2] for method, path in proxy.seen if method == "PUT"]
    assert sent.count("state.json") == 1
    assert [name for name in sent if name.endswith(".pth")] == ["first.pth", "a19.pth"]
    assert names(store) == {"first.pth", "a19.pth", "state.json"}
    assert store.get("state.json")[0] == b"19"


def test_nothing_is_removed_before_what_replaces_it_is_there(
    start: Callable[..., Run], proxy: FaultProxy, store: Store
) -> None:
    """At each request, whatever became of it, the store has a checkpoint at least."""
    run = start()
    run.put("a0.pth")
    until(lambda: "a0.pth" in names(store))
    seen: list[set[str]] = []

    def watch(request: Request) -> Fault:
        if request.method in ("PUT", "POST") and LEASE not in request.path:
            seen.append({path for path in store_behind.list() if path.endswith(".pth")})
        return Fault(status=503) if len(seen) % 3 == 0 else FINE

    store_behind = direct(str(store.address), proxy.server.endpoint)
    proxy.choose = watch
    for number in range(1, 6):
        path = run.put(f"a{number}.pth")
        remove(run.directory / f"a{number - 1}.pth")
        until(partial(is_safe, path))
    proxy.heal()
    run.lock.release()
    assert len(seen) > 5
    assert all(seen), seen
    assert names(store) == {"a5.pth"}


def test_journal_is_never_behind_what_is_made_from_it(
    start: Callable[..., Run], proxy: FaultProxy, store: Store
) -> None:
    """Whenever a state file arrives, the journal in the store knows all that it knows."""
    run = start()
    behind = direct(str(store.address), proxy.server.endpoint)
    arrived: list[tuple[int, int]] = []

    def look(request: Request) -> Fault:
        if request.method == "PUT" and request.path.endswith("state.json"):
            arrived.append((contents(behind).count(b"\n"), int(request.body)))
        return FINE

    proxy.choose = look
    for number in range(1, 60):
        run.append(b"line\n")
        run.put("state.json", b"%d" % number)
    run.lock.release()
    assert len(arrived) > 1
    assert all(lines >= known for lines, known in arrived), arrived
    assert contents(store).count(b"\n") == 59


def test_journal_that_is_rewritten_or_long_begins_again(
    start: Callable[..., Run], store: Store
) -> None:
    """The newest generation counts, the older ones go, and there are never many segments."""
    run = start()
    for number in range(150):
        run.append(b"%d\n" % number)
        if number % 3 == 0:
            until(lambda: is_safe(run.directory / "journal.jsonl"))
    assert len(store.list()) < 90
    run.put("journal.jsonl", b"anew\n")
    run.append(b"more\n")
    run.lock.release()
    assert contents(store) == b"anew\nmore\n"
    assert len([n for n in store.list() if Segment.parse(n)]) <= 2


def test_segment_of_a_former_holder_is_not_read(start: Callable[..., Run], store: Store) -> None:
    """What is still under way when a lease is lost lands in a generation that nobody reads."""
    first = start()
    first.append(b"one\n")
    first.lock.release()
    second = start()
    second.append(b"two\n")
    until(lambda: is_safe(second.directory / "journal.jsonl"))
    store.create(Segment("journal.jsonl", 1, 0, 4).name, b"a zombie's\n")
    second.lock.release()
    assert contents(store) == b"one\ntwo\n"


def test_store_that_stays_away_is_told_once_and_caught_up_with(
    start: Callable[..., Run], proxy: FaultProxy, store: Store
) -> None:
    """Writing goes on at its own speed; one line at the beginning, one at the end."""
    run = start()
    until(lambda: not run.lock._held._mirror.outbox.lacks())
    proxy.always(status=503)
    began = time.monotonic()
    for number in range(30):
        run.put(f"a{number}.pth")
        run.append(b"line\n")
    assert time.monotonic() - began < 10.0, "writing waited for the store"
    until(lambda: len(run.said) == 1)
    assert "training goes on" in run.said[0]
    assert "NOT in the store yet" in run.said[0]
    proxy.heal()
    until(lambda: len(run.said) == 2)
    assert "has caught up" in run.said[1]
    assert len(names(store)) == 31


def test_link_that_is_busy_with_a_large_file_brings_it_once(
    start: Callable[..., Run], proxy: FaultProxy, store: Store
) -> None:
    """Renewals that do not get through beside it are no reason to send it again."""
    run = start()
    until(lambda: not run.lock._held._mirror.outbox.lacks())
    busy = threading.Event()

    def choose(request: Request) -> Fault:
        if request.path.endswith("large.pth"):
            busy.set()
            time.sleep(3.0)
            busy.clear()
        return Fault(drop=request.path.endswith(LEASE) and busy.is_set())

    proxy.choose = choose
    path = run.put("large.pth")
    until(lambda: is_safe(path))
    assert [n for _, n in proxy.seen if n.endswith("large.pth")] == [
        f"/{store.address.bucket}/{store.address.prefix}/large.pth"
    ]
    assert run.said == []


def test_holder_that_cannot_renew_sends_nothing(
    start: Callable[..., Run], proxy: FaultProxy, store: Store
) -> None:
    """Once its lease may have run out, though the store would take everything else."""
    run = start()
    until(lambda: not run.lock._held._mirror.outbox.lacks())
    proxy.choose = lambda request: Fault(drop=request.path.endswith(LEASE))
    until(lambda: not run.lock._held._lease.is_good)
    proxy.seen.clear()
    path = run.put("a.pth")
    run.append(b"line\n")
    until(lambda: len(run.said) == 1)
    assert [path for method, path in proxy.seen if method == "PUT"] == []
    proxy.heal()
    until(lambda: is_safe(path))


@pytest.mark.parametrize(
    "faults",
    [
        (Fault(status=503), Fault(status=429)),
        (Fault(drop=True), Fault(cut=5), Fault(forget=True), Fault(cut_answer=20)),
        (Fault(delay=0.3), Fault(status=403), Fault(flip=True)),
    ],
    ids=["throttled", "dropped", "slow, expired, flipped"],
)
def test_faults_of_each_kind_lose_nothing(
    start: Callable[..., Run], proxy: FaultProxy, store: Store, faults: tuple[Fault, ...]
) -> None:
    """A third of all requests suffer; in the end everything is there as it was written."""
    run = start()
    proxy.sometimes(0.33, 7, *faults)
    for number in range(8):
        run.put(f"a{number}.pth", bytes([number]) * 5000)
        run.append(b"%d\n" % number)
        time.sleep(0.02)
    time.sleep(1.0)
    proxy.heal()
    run.lock.release()
    assert contents(store) == b"".join(b"%d\n" % number for number in range(8))
    assert all(store.get(f"a{n}.pth")[0] == bytes([n]) * 5000 for n in range(8))


def test_what_is_not_in_the_store_in_the_end_is_said(
    start: Callable[..., Run], proxy: FaultProxy, store: Store
) -> None:
    """How many files, and where they wait: exit code 5. The next start sends them."""
    run = start()
    until(lambda: not run.lock._held._mirror.outbox.lacks())
    proxy.always(drop=True)
    run.put("a.pth")
    run.put("b.pth")
    with pytest.raises(StorageError, match="2 files are NOT in the store") as caught:
        run.lock.release()
    assert str(run.directory) in str(caught.value)
    assert caught.value.exit_code == 5
    proxy.heal()
    start().lock.release()
    assert names(store) == {"a.pth", "b.pth"}


def test_damaged_file_is_not_sent(start: Callable[..., Run], store: Store) -> None:
    """It is verified between the disk and the store; what was there before stays."""
    run = start(lambda path: "not what was written" if b"bad" in path.read_bytes() else None)
    path = run.put("a.pth", b"good")
    until(lambda: is_safe(path))
    run.put("a.pth", b"bad")
    until(lambda: bool(run.said))
    assert not is_safe(path)
    run.lock.release()
    assert "not what was written; NOT sent" in run.said[0]
    assert store.get("a.pth")[0] == b"good"


def test_scratch_that_is_gone_comes_back(start: Callable[..., Run], store: Store) -> None:
    """On another machine: state as it was, checkpoints as outlines with name, size and time."""
    first = start()
    first.put("a.pth", b"w" * 300_000)
    first.put("state.json", b"{}")
    first.append(b"one\n")
    first.lock.release()
    shutil.rmtree(first.directory)
    second = start()
    path = second.directory / "a.pth"
    assert (second.directory / "journal.jsonl").read_bytes() == b"one\n"
    assert (second.directory / "state.json").read_bytes() == b"{}"
    assert second.lock._held.is_skeleton(path)
    assert path.stat().st_size == 300_000
    assert abs(path.stat().st_mtime - store.list()["a.pth"].modified) < 1.0
    second.lock.release()
    assert store.get("a.pth")[0] == b"w" * 300_000


def test_bit_that_flips_on_the_way_here_is_brought_again(
    start: Callable[..., Run], proxy: FaultProxy
) -> None:
    """What is good in the store is not taken for damaged because a network is bad."""
    first = start()
    first.put("a.pth", b"w" * 100_000)
    first.lock.release()
    shutil.rmtree(first.directory)
    second = start()
    flips = iter([True, False])
    proxy.choose = lambda request: Fault(flip_answer=request.path.endswith("a.pth") and next(flips))
    fetch(second.directory / "a.pth")
    assert (second.directory / "a.pth").read_bytes() == b"w" * 100_000
    assert next(flips, None) is None, "it was not asked twice"


def test_file_that_is_replaced_while_it_is_looked_at_is_no_mixture(
    start: Callable[..., Run], url: str, proxy: FaultProxy, store: Store
) -> None:
    """The outlines are those of one version, whoever writes beside whoever reads."""
    run = start()
    run.put("a.pth", archive(b"old"))
    run.lock.release()
    behind = direct(str(store.address), proxy.server.endpoint)
    requests = iter([False, True])

    def replace(request: Request) -> Fault:
        if request.path.endswith("a.pth") and next(requests, False):
            behind.put("a.pth", archive(b"new"))
        return FINE

    proxy.choose = replace
    with viewed(url) as seen, zipfile.ZipFile(seen / "a.pth") as outlines:
        assert outlines.read("archive/data.pkl") == b"new"


def archive(content: bytes) -> bytes:
    """Return a zip whose table lies far from what it names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("archive/data.pkl", content)
        made.writestr("archive/data/0", bytes(300_000))
    return file.getvalue()


def test_store_that_somebody_else_moved_wins(start: Callable[..., Run], store: Store) -> None:
    """What this machine had not sent before another one went on is dropped."""
    here = start()
    here.put("a.pth", b"one")
    here.lock.release()
    kept = here.directory.with_name("kept")
    shutil.copytree(here.directory, kept)
    elsewhere = start()
    elsewhere.put("b.pth", b"two")
    elsewhere.put("a.pth", b"of the other")
    elsewhere.lock.release()
    shutil.rmtree(here.directory)
    shutil.copytree(kept, here.directory)
    (here.directory / "c.pth").write_bytes(b"never sent")
    again = start()
    assert sorted(path.name for path in again.directory.glob("*.pth")) == ["a.pth", "b.pth"]
    assert again.lock._held.is_skeleton(again.directory / "a.pth")
    again.lock.release()
    assert names(store) == {"a.pth", "b.pth"}
    assert store.get("a.pth")[0] == b"of the other"


def test_holder_that_lost_its_lease_sends_nothing_more(
    start: Callable[..., Run], store: Store, proxy: FaultProxy
) -> None:
    """It stops, and what it had not sent stays here."""
    run = start()
    until(lambda: not run.lock._held._mirror.outbox.lacks())
    from tests.objects.test_lease import put_foreign

    put_foreign(store)
    until(lambda: run.lock._held._lease._lost is not None)
    run.put("late.pth")
    with pytest.raises(LeaseLostError, match="process 7 on elsewhere"):
        run.lock.check()
    with pytest.raises(LeaseLostError):
        run.lock.release()
    assert "late.pth" not in names(store)
