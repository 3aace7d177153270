"""The run's numbers for TensorBoard: a view of the records, which stay the truth.

Written here and now, without the background thread of the usual writers: when the disk is full the trainer is told,
in words, and not a thread by a traceback.
"""

import io
import os
import time
from collections.abc import Mapping
from pathlib import Path

from baselines.errors import extra_required
from baselines.runs.disk import append_whole

_FILE_VERSION = "brain.Event:2"
"""What TensorBoard expects in the first event of a file."""


class TensorBoard:
    """Writes numbers as scalars and words as text, under the names they have in the records."""

    def __init__(self, folder: Path, *, first_iteration: int = 0):
        """Open an event file; what an earlier process wrote from `first_iteration` on is hidden.

        Raises:
            MissingExtraError: tensorboard is not installed.
        """
        with extra_required("train", "the TensorBoard log"):
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        folder.mkdir(exist_ok=True)
        self._file = (folder / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}").open("ab", buffering=0)
        self._append(Event(wall_time=time.time(), file_version=_FILE_VERSION))
        if first_iteration > 0:
            restart = SessionLog(status=SessionLog.START)
            self._append(Event(wall_time=time.time(), step=first_iteration, session_log=restart))

    def log(self, iteration: int, metrics: Mapping[str, float | int | str | bool | None]) -> None:
        """Write what an iteration gave; a value that is None was not measured, and is left out."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = []
        for name, value in metrics.items():
            if isinstance(value, str):
                values.append(_text(name, value))
            elif value is not None:
                values.append(Summary.Value(tag=name, simple_value=float(value)))
        self._append(Event(wall_time=time.time(), step=iteration, summary=Summary(value=values)))

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def _append(self, event: object) -> None:
        """Write one event of type `Event`, which has no static type, framed as the format wants it."""
        from tensorboard.summary.writer.record_writer import RecordWriter

        framed = io.BytesIO()
        RecordWriter(framed).write(event.SerializeToString())  # type: ignore[attr-defined]
        append_whole(self._file, framed.getvalue())


def _text(name: str, value: str) -> object:
    """A `Summary.Value` for TensorBoard's text page."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto

    page = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[value.encode()], tensor_shape=shape)
    return Summary.Value(tag=f"{name}/text_summary", metadata=page, tensor=tensor)
