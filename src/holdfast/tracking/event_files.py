"""TensorBoard: one event file for each job, whose bytes are what the journal says of the job.

So what is missing at its end, a torn record too, is appended, and a file that begins otherwise
(the job was reset, or trained anew) gives way to a new one. TensorBoard reads a file that grows,
and takes one with a later name as the continuation of the one before. The records are framed as
``tensorboard.summary.writer.RecordWriter`` does it; TensorBoard's own file writer begins a new
file with each process, which is why resumed runs have their steps twice elsewhere.
"""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import struct_pb2
from tensorboard.compat.proto.event_pb2 import Event, SourceMetadata
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from holdfast.rundir import JobName
from holdfast.storage import (
    append_durably,
    make_directory,
    read_bytes,
    remove,
    remove_empty_directory,
    storage_errors,
)
from holdfast.tracking.job_log import COMPLETE, FAILED, Epoch, JobLog, Note

_PREFIX, _SUFFIX = "events.out.tfevents.", ".holdfast"
_PARTS = {"train", "val"}
_WORDS = {"acc": "accuracy"}


class EventFiles:
    """The event files of a run, below a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.name = f"tensorboard ({folder})"
        self._folder = folder

    def bring(self, log: JobLog) -> None:
        """Let a job's event file say what the log says.

        Raises:
            StorageError: the disk refused; what stands is continued next time.
        """
        wanted = event_bytes(log)
        files = self._files_of(log.job)
        have = read_bytes(files[-1]) if files else None
        if have is None or not wanted.startswith(have):
            path = self._next_file(log.job, files)
            make_directory(path.parent)
            append_durably(path, wanted)
        elif len(have) < len(wanted):
            append_durably(files[-1], wanted[len(have) :])
            files = files[:-1]
        else:
            files = files[:-1]
        for old in files:
            remove(old)

    def keep_only(self, jobs: set[str]) -> None:
        """Remove the event files of jobs that the run has no more."""
        with storage_errors(self._folder):
            there = {p.parent.name for p in self._folder.glob(f"*/{_PREFIX}*{_SUFFIX}")}
        for job in there - jobs:
            for path in self._files_of(job):
                remove(path)
            remove_empty_directory(self._folder / job)

    def _files_of(self, job: str) -> list[Path]:
        """Return our files of a job, the newest last; those of anybody else are left alone."""
        with storage_errors(self._folder):
            return sorted((self._folder / job).glob(f"{_PREFIX}*{_SUFFIX}"))

    def _next_file(self, job: str, files: list[Path]) -> Path:
        number = int(time.time())
        if files and (last := files[-1].name[len(_PREFIX) : -len(_SUFFIX)]).isdigit():
            number = max(number, int(last) + 1)
        return self._folder / job / f"{_PREFIX}{number:010d}{_SUFFIX}"


def event_bytes(log: JobLog) -> bytes:
    """Return the event file of a job, the same bytes for the same log."""
    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    for event in _events(log):
        writer.write(event.SerializeToString(deterministic=True))
    return buffer.getvalue()


def _events(log: JobLog) -> Iterator[Event]:
    source = SourceMetadata(writer=f"holdfast, run {log.run_id}")
    yield Event(wall_time=log.began, file_version="brain.Event:2", source_metadata=source)
    yield _event(log.began, 0, _session(log))
    counts: dict[str, int] = {}
    stage = ""
    items: list[Epoch | Note] = [*log.epochs, *log.notes]
    for item in sorted(items, key=_place):
        if isinstance(item, Note):
            counts[item.what] = counts.get(item.what, 0) + 1
            text = _text(f"{item.what}/{counts[item.what]}", item.text)
            yield _event(item.time, item.step, text)
            continue
        values = [_scalar(tag_of(name), value) for name, value in item.values.items()]
        if item.stage != stage:
            values.append(_text(f"stage/{item.stage}", f"{item.stage} begins"))
            stage = item.stage
        yield _event(item.time, item.step, *values)
    if log.state in (COMPLETE, FAILED):
        values = [_scalar(_test_tag(name), value) for name, value in log.result.items()]
        values += [_text(name, text) for name, text in log.tags.items()]
        yield _event(log.ended, log.step, *values, _session_end(log))


def _place(item: Epoch | Note) -> tuple[int, bool]:
    """Return what sorts epochs and what happened after each, in the order of the journal."""
    return item.step, isinstance(item, Note)


def tag_of(quantity: str) -> str:
    """Return TensorBoard's tag of a quantity: train_loss and val_loss share a chart."""
    part, _, rest = quantity.partition("_")
    if part not in _PARTS or not rest:
        return quantity
    return f"{_WORDS.get(rest, rest)}/{part}"


def _test_tag(name: str) -> str:
    return name if name == "training_seconds" else f"test/{name}"


def _event(when: float, step: int, *values: Summary.Value) -> Event:
    return Event(wall_time=when, step=step, summary=Summary(value=values))


def _scalar(tag: str, value: float) -> Summary.Value:
    return Summary.Value(tag=tag, simple_value=value)


def _text(tag: str, text: str) -> Summary.Value:
    plugin = SummaryMetadata.PluginData(plugin_name="text")
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    said = TensorProto(dtype=DT_STRING, string_val=[text.encode()], tensor_shape=shape)
    return Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=said)


def _session(log: JobLog) -> Summary.Value:
    fold = JobName.parse(log.job).fold
    start = plugin_data_pb2.SessionStartInfo(start_time_secs=log.began, group_name=log.job)
    for name, value in {**log.params, "fold": str(fold or "none")}.items():
        start.hparams[name].CopyFrom(_plain(value))
    data = plugin_data_pb2.HParamsPluginData(session_start_info=start)
    return _hparams(metadata.SESSION_START_INFO_TAG, data)


def _session_end(log: JobLog) -> Summary.Value:
    good = log.state == COMPLETE
    status = api_pb2.STATUS_SUCCESS if good else api_pb2.STATUS_FAILURE
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=log.ended)
    data = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    return _hparams(metadata.SESSION_END_INFO_TAG, data)


def _hparams(tag: str, data: Any) -> Summary.Value:
    data.version = metadata.PLUGIN_DATA_VERSION
    plugin = SummaryMetadata.PluginData(
        plugin_name=metadata.PLUGIN_NAME, content=data.SerializeToString(deterministic=True)
    )
    nothing = TensorProto(dtype=DT_FLOAT, float_val=[0.0])
    return Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=nothing)


def _plain(value: Any) -> struct_pb2.Value:
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    return struct_pb2.Value(string_value=str(value))
