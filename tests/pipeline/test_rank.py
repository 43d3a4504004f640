"""What a rank tells of a fault arrives, whatever it is."""

import pickle

import pytest

from holdfast.errors import DamagedCheckpointError, Interrupted, StorageError, UnknownBackboneError
from holdfast.pipeline.rank import _portable


class OddError(Exception):
    """Cannot be made again from what it says."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def arrived(error: BaseException) -> BaseException:
    received: BaseException = pickle.loads(pickle.dumps(_portable(error)))
    return received


def test_fault_arrives_as_it_is() -> None:
    """The exit code is that of the fault."""
    full = arrived(StorageError("disk full", 28))

    assert type(full) is StorageError
    assert str(full) == "disk full"


def test_fault_made_of_two_things_arrives_with_both() -> None:
    """A worker of Ray's sends its faults as a rank does."""
    damaged = arrived(DamagedCheckpointError("a.pth", "torn"))

    assert type(damaged) is DamagedCheckpointError
    assert (str(damaged), damaged.reason, damaged.exit_code) == ("a.pth: torn", "torn", 3)
    unknown = arrived(UnknownBackboneError("Nte", ["Net"]))
    assert str(unknown) == "no backbone is called 'Nte': did you mean Net?"
    assert arrived(StorageError("disk full", 28)).errno == 28


def test_stop_arrives_with_its_signal_and_its_place() -> None:
    """Ctrl-C is 130, everything else 143, and where it was saved is told."""
    for number, code in ((2, 130), (15, 143)):
        stop = arrived(Interrupted(number, "net, head epoch 2"))
        assert isinstance(stop, Interrupted)
        assert (stop.exit_code, stop.code, str(stop)) == (code, code, "net, head epoch 2")


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (OddError("this", "that"), RuntimeError, "OddError: this and that"),
        (ValueError(lambda: 1), RuntimeError, "ValueError: <function"),
    ],
)
def test_fault_that_cannot_be_sent(error: Exception, kind: type[Exception], said: str) -> None:
    """The nearest fault that can says the same."""
    told = arrived(error)

    assert type(told) is kind
    assert str(told).startswith(said)
