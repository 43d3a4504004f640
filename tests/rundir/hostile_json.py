"""JSON of a run that is torn, or made by somebody who means harm, whose sums agree."""

import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from holdfast.rundir import JOURNAL, KFOLD_PROGRESS, RECOVERY_STATE, Journal
from holdfast.rundir.spread import facts_crc

Lines = list[dict[str, Any]]
FILES = (RECOVERY_STATE, KFOLD_PROGRESS)
DEEP = 10_000_000  # bytes


def nested(levels: int) -> Any:
    """Return lists in lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "-1": -1,
    "half": 0.5,
    "huge": 10**18,
    "no float": 10**400,
    "below all floats": -(10**400),
    "infinite": float("inf"),
    "NaN": float("nan"),
    "empty text": "",
    "elsewhere": "../../outside",
    "absolute": "/tmp/outside",
    "half a character": "\ud800",
    "escape": "\x1b[2J\r\n",
    "NUL": "a\0b",
    "long": "a" * 100_000,
    "unknown backbone": "NoSuchBackbone",
    "number as text": "9" * 5000,
    "empty list": [],
    "list of numbers": [1, 2],
    "list of names": ["NoSuchBackbone", "../x"],
    "list twice": ["CustomRegNet"] * 3,
    "empty object": {},
    "elsewhere in an object": {"../x": {"1": {"accuracy": 1}}},
    "fold 0": {"CustomRegNet": {"0": {}}},
    "fold of many digits": {"CustomRegNet": {"1" + "0" * 5000: {}}},
    "fold that is no digit": {"CustomRegNet": {"\u0663": {}}},
    "a billion folds": {"CustomRegNet": 10**9},
    "text in an object": {"CustomRegNet": "x", "stages": {"head": "x"}},
    "no stages": {"stages": {}},
    "machine of text": {"machine": "mine", "settings": {"CustomRegNet": {}}},
    "threads of text": {"machine": {"threads": "many"}},
    "settings of text": {"settings": "none"},
    "settings in text": {"settings": {"CustomRegNet": "none"}},
    "nested": nested(400),
    "nested results": {"CustomRegNet": {"final_accuracy": nested(400)}},
    "result that is no float": {"CustomRegNet": {"final_accuracy": 10**400, "f1": "x"}},
    "job of a fold of many digits": "CustomRegNet_fold" + "9" * 5000,
}


def hostile_files(directory: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield a file with each of its fields replaced in turn, its sum right; and torn ones."""
    whole = json.loads((directory / name).read_bytes())
    for field in (*whole, "more"):
        for kind, value in VALUES.items():
            record = {**whole, field: value}
            record["crc32"] = facts_crc(record) if field != "crc32" else value
            yield f"{field}: {kind}", json.dumps(record).encode()
    for field in whole:
        record = {key: value for key, value in whole.items() if key != field}
        yield f"no {field}", json.dumps({**record, "crc32": facts_crc(record)}).encode()
    yield from _no_json(json.dumps(whole).encode())


def hostile_journals(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Yield a journal with one more line: each event with each of its fields replaced in turn."""
    data = (directory / JOURNAL).read_bytes()
    for record in _one_of_each_event(Journal(directory).read()):
        for field in record:
            for kind, value in VALUES.items():
                changed = {**record, field: value, "time" if field != "time" else "late": "later"}
                yield f"{record['event']}, {field}: {kind}", data + line(changed)
            less = {key: value for key, value in record.items() if key != field}
            yield f"{record['event']}, no {field}", data + line(less)
    for kind, bad in _no_json(line({"time": "now", "event": "note"})):
        yield f"line of {kind}", data + bad + b"\n" + data
    digits = b'{"time": "", "event": "epoch", "epoch": ' + b"9" * 5000
    yield "number of 5000 digits", data + summed(digits)
    yield "nesting", data + summed(b'{"event": ' + b"[" * DEEP + b"]" * DEEP)


def line(record: dict[str, Any]) -> bytes:
    """Return a line of the journal, its sum right."""
    return summed(json.dumps(record).encode()[:-1])


def summed(body: bytes) -> bytes:
    """End a line with its sum."""
    return body + b', "crc32": %d}\n' % zlib.crc32(body)


def _one_of_each_event(records: Lines) -> Lines:
    return list({record["event"]: record for record in records}.values())


def _no_json(whole: bytes) -> Iterator[tuple[str, bytes]]:
    broken: dict[str, Callable[[bytes], bytes]] = {
        "nothing": lambda data: b"",
        "half": lambda data: data[: len(data) // 2],
        "no end": lambda data: data[:-2],
        "a list": lambda data: b"[" + data + b"]",
        "a number": lambda data: b"5",
        "text": lambda data: b'"text"',
        "no UTF-8": lambda data: data.replace(b"e", b"\xff"),
        "UTF-16": lambda data: data.decode().encode("utf-16"),
        "a key twice": lambda data: b'{"crc32": 1, "event": [], ' + data[1:],
        "zeros": lambda data: bytes(len(data)),
        "a number of 5000 digits": lambda data: b'{"epoch": ' + b"9" * 5000 + b"}",
        "NaN": lambda data: b"NaN",
        "nesting": lambda data: b"[" * DEEP,
        "nesting in objects": lambda data: b'{"a":' * (DEEP // 5),
    }
    for kind, change in broken.items():
        yield kind, change(whole)
