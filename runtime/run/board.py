"""TensorBoard event files of a run: OUT/tb."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cmt_dsl.errors import CmtError

TB = "tb"
FLUSH = 15  # seconds: what a kill may lose


class Board:
    """Scalars by step. A run that goes on after `step` hides what an earlier process wrote beyond it."""

    def __init__(self, folder: Path, step: int = 0):
        from tensorboardX import SummaryWriter

        try:
            self._writer = SummaryWriter(
                str(folder / TB), purge_step=step + 1 if step else None, flush_secs=FLUSH
            )
        except OSError as error:
            raise CmtError("CMT-606", f"cannot write to {folder / TB}: {error.strerror}") from None

    def write(self, step: int, scalars: Mapping[str, object]) -> None:
        """The numbers among `scalars`; the rest has no place on a chart."""
        for name, value in scalars.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                self._writer.add_scalar(name, value, step)

    def flush(self) -> None:
        """Let what was written be seen."""
        self._writer.flush()
