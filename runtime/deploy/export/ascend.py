"""An .om file for Ascend processors: by `atc` where it is installed, else the ONNX file for it and the exact command."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cmt_dsl.errors import CmtError
from runtime.deploy.export.job import Job, Staged
from runtime.deploy.export.onnxfile import make_onnx
from runtime.deploy.export.packages import LINES
from runtime.deploy.export.wish import Precision

ATC = "atc"
MODES: dict[Precision, str] = {"fp16": "force_fp16", "fp32": "must_keep_origin_dtype"}
"""What atc calls them. It computes in fp16 unless it is told; convolutions in fp32 exist on some processors alone."""
UNKNOWN = "SOC_VERSION"


@dataclass(frozen=True)
class Command:
    """A call of atc; `output` has no ending, atc adds .om itself."""

    onnx: Path
    output: Path
    shape: tuple[int, ...]
    precision: Precision
    soc: str | None

    def words(self) -> list[str]:
        """As a list for the system."""
        sizes = ",".join(map(str, self.shape))
        return [
            ATC,
            "--framework=5",
            f"--model={self.onnx}",
            f"--output={self.output}",
            "--input_format=NCHW",
            f"--input_shape=images:{sizes}",
            f"--soc_version={self.soc or UNKNOWN}",
            f"--precision_mode={MODES[self.precision]}",
        ]

    def text(self) -> str:
        """As a person types it."""
        return shlex.join(self.words())


def make_om(job: Job, path: Path, out: Path) -> Staged:
    """The .om at `path` by atc, and the ONNX file beside it; the ONNX file alone, with the command, without atc. CMT-85x.

    The notes say commands with the names that the files will have: beside `out`.
    """
    onnx = path.with_suffix(".onnx")
    staged = make_onnx(job, onnx)
    shape = (job.wish.batch or 1, *job.found.graph.input.type.sizes)
    soc, precision = job.wish.soc, job.wish.precision
    later = Command(out.with_suffix(".onnx"), out.with_suffix(""), shape, precision, soc)
    if shutil.which(ATC) is None:
        notes = [f"{out} was NOT made: atc is not on the PATH. Where it is:", f"  {later.text()}"]
        notes += [] if soc else [f"  {UNKNOWN} is the processor, such as Ascend310P3: see `npu-smi info`"]
        return Staged(onnx, staged.by, staged.opened, staged.nodes, staged.why_not, tuple(notes))
    if soc is None:
        hint = "--soc-version Ascend310P3, or what `npu-smi info` says"
        raise CmtError("CMT-850", "atc has to know the processor", hint=hint)
    job.tell("waiting for atc …", step=True)
    _run(Command(onnx, path.with_suffix(""), shape, precision, soc), path, later)
    note = "the .om was not compared, only an Ascend processor computes it; the difference is that of its ONNX file"
    return Staged(path, staged.by, staged.opened, staged.nodes, staged.why_not, (note,), (onnx,))


def _run(command: Command, path: Path, later: Command) -> None:
    try:
        done = subprocess.run(
            command.words(), capture_output=True, check=False, cwd=path.parent, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise CmtError(
            "CMT-853", f"atc cannot be started: {error.strerror or error}", hint=later.text()
        ) from None
    # where it builds for one system, atc puts that behind the name: m_linux_x86_64.om
    made = [p for p in path.parent.iterdir() if p.suffix == ".om" and p.name.startswith(path.stem)]
    if done.returncode == 0 and len(made) == 1 and made[0].stat().st_size > 0:
        made[0].replace(path)
        return
    text = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
    said = [line.strip() for line in text.splitlines() if line.strip()][-LINES:] or ["it said nothing"]
    how = f"exit code {done.returncode}" if done.returncode else "it ended well, without a file"
    raise CmtError(
        "CMT-853", f"atc failed, {how}: {' / '.join(said)[:900]}", hint=f"it was called as {later.text()}"
    )
