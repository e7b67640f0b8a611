"""TensorBoard event files of a run: OUT/tb."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmt_dsl.errors import CmtError

TB = "tb"


class Board:
    """Scalars by step, each on disk when `write` returns: tensorboardX's own queue loses its end in a kill.

    A run that goes on after `step` hides what an earlier process wrote beyond it.
    """

    def __init__(self, folder: Path, step: int = 0):
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog  # pyright: ignore[reportAttributeAccessIssue]

        self._folder = folder / TB
        own = (
            f".{step:08}.{os.getpid()}"  # files are named by the second, and written over by their namesakes
        )
        try:
            self._folder.mkdir(exist_ok=True)
            self._writer = EventsWriter(str(self._folder / "events"), own)
        except OSError as error:
            raise self._failed(error) from None
        if step:
            self._add(step + 1, session_log=SessionLog(status=SessionLog.START))

    def write(self, step: int, scalars: Mapping[str, object]) -> None:
        """The numbers among `scalars`; the rest has no place on a chart. CMT-606 if the disk does not take them."""
        from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]

        numbers = {
            tag: float(value)
            for tag, value in scalars.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        }
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in numbers.items()]
        self._add(step, summary=Summary(value=values))

    def _add(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

        try:
            self._writer.write_event(Event(wall_time=time.time(), step=step, **content))
            self._writer.flush()
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> CmtError:
        hint = "check the free space and the permissions of the directory"
        return CmtError("CMT-606", f"cannot write to {self._folder}: {error.strerror}", hint=hint)
