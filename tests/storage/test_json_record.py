from pathlib import Path

import pytest

from holdfast.storage.json_record import read_record, write_record


def test_round_trip(tmp_path: Path) -> None:
    """What is written is read back, names that are no UTF-8 included."""
    content = {"names": ["caf\udce9", "naïve"], "crc": 2**32 - 1, "none": None}
    write_record(tmp_path / "r.json", content)
    assert read_record(tmp_path / "r.json") == content


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """A record of which any one byte changed is never taken for another record."""
    path = tmp_path / "r.json"
    content = {"a": [1, 2], "b": "text"}
    write_record(path, content)
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert read_record(path) in (None, content)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'{"crc32": 1}', b"\xff\xfe"])
def test_damage_reads_as_missing(tmp_path: Path, damage: bytes) -> None:
    """Torn or foreign contents are no fault, only nothing to go by."""
    path = tmp_path / "r.json"
    path.write_bytes(damage)
    assert read_record(path) is None
    assert read_record(tmp_path / "missing.json") is None
