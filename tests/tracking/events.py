"""Event files read record by record, apart from Holdfast and from TensorBoard's own readers."""

import struct
from collections import Counter
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c


def read_events(path: Path) -> list[Event]:
    """Return the records of a whole event file; fail at one that is torn or damaged."""
    data, events = path.read_bytes(), []
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == masked_crc32c(data[:8])
        body = data[12 : 12 + length]
        assert struct.unpack("<I", data[12 + length : 16 + length])[0] == masked_crc32c(body)
        events.append(Event.FromString(body))
        data = data[16 + length :]
    return events


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    """Return all scalars of all the event files of a job; each tag has each step once."""
    events = [event for path in folder.iterdir() for event in read_events(path)]
    values = [(value, event.step) for event in events for value in event.summary.value]
    count = Counter((value.tag, step) for value, step in values)
    assert [which for which, times in count.items() if times > 1] == []
    return {
        (value.tag, step): value.simple_value
        for value, step in values
        if value.WhichOneof("value") == "simple_value"
    }


def texts(folder: Path) -> dict[str, str]:
    """Return all texts of a job by tag."""
    events = [event for path in folder.iterdir() for event in read_events(path)]
    return {
        value.tag: value.tensor.string_val[0].decode()
        for event in events
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "text"
    }
