"""The journal gives back what was appended, whatever a crash or the disk did to it since."""

import json
from pathlib import Path

import pytest

from holdfast.rundir import Journal, Record, stamped

ROWS = [
    {"job": "A", "epoch": 1, "loss": 0.1},
    {"job": "B ö\n", "epoch": 2},
    {"job": "A", "epoch": 3},
]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal with three epochs."""
    journal = Journal(tmp_path)
    for row in ROWS:
        journal.append("note", **row)
    return journal


def rows(journal: Journal) -> list[Record]:
    """What was appended, without what the journal adds."""
    return [{k: r[k] for k in r if k not in ("time", "event")} for r in journal.read()]


def test_reads_back_what_was_appended(journal: Journal) -> None:
    """Every record comes back with its event and its time, in order."""
    assert rows(journal) == ROWS
    assert {record["event"] for record in journal.read()} == {"note"}
    assert journal.has("note")
    assert not journal.has("reset")


def test_each_line_is_a_json_object(journal: Journal) -> None:
    """Any tool that reads JSON lines can read it."""
    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3]


def test_missing_journal_is_empty(tmp_path: Path) -> None:
    """Reading needs no file and makes none."""
    assert Journal(tmp_path).read() == []
    assert not Journal(tmp_path).path.exists()


def test_torn_last_line_is_ignored_and_not_glued_to_the_next(journal: Journal) -> None:
    """Torn at any byte, the last record is whole or gone; the next one is on its own line."""
    data = journal.path.read_bytes()
    last = data.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(last, len(data)):
        journal.path.write_bytes(data[:end])
        whole = ROWS if end == len(data) - 1 else ROWS[:2]  # only its newline is missing
        assert rows(journal) == whole, end
        journal.append("note", job="C")
        assert rows(journal) == [*whole, {"job": "C"}], end


@pytest.mark.parametrize(
    "garbage", [bytes(4096), b"\xff\xfe{}\n", b"[1]\n", b"{}\n", b'{"event"\n']
)
def test_blocks_that_were_never_written_are_ignored(garbage: bytes, journal: Journal) -> None:
    """Zeros that a power cut left in a block, or any other line of no record, change nothing."""
    with journal.path.open("ab") as file:
        file.write(garbage)
    journal.append("note", job="C")

    assert rows(journal) == [*ROWS, {"job": "C"}]


def test_flipped_bits_never_make_another_record(journal: Journal) -> None:
    """A damaged byte costs the record it is in; nothing is read that was not written."""
    data, written = journal.path.read_bytes(), journal.read()
    for at, byte in enumerate(data):
        joins_two_lines = byte == ord("\n") and at < len(data) - 1
        for mask in (0x01, 0x10, 0x80):
            journal.path.write_bytes(data[:at] + bytes([byte ^ mask]) + data[at + 1 :])
            left = journal.read()
            assert all(record in written for record in left), (at, mask)
            assert len(left) == (1 if joins_two_lines else 2), (at, mask)


def test_records_after_damage_are_told_apart(journal: Journal) -> None:
    """What stands behind the last damaged line can be read alone; without damage that is all."""
    assert journal.parse().records_after_damage == journal.read()
    first, second, third = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(first + second.replace(b"2", b"5") + third)

    assert [record["epoch"] for record in journal.read()] == [1, 3]
    assert [record["epoch"] for record in journal.parse().records_after_damage] == [3]


def test_rewrite_drops_and_adds(journal: Journal) -> None:
    """Records that are not kept go, new ones come last, the rest stay as they were."""
    before = journal.read()
    journal.rewrite(lambda record: record["job"] != "A", [stamped("reset_done", backbone="A")])

    kept, added = journal.read()
    assert kept == before[1]
    assert (added["event"], added["backbone"]) == ("reset_done", "A")


def test_rewrite_that_changes_nothing_leaves_the_file(journal: Journal) -> None:
    """Where there is nothing to drop or add, nothing is written."""
    before = journal.path.stat()
    journal.rewrite(lambda record: True)
    after = journal.path.stat()

    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
