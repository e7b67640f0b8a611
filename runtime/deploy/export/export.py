"""From weights to a file with a name: made, read back and compared, and only then put into its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.array import Array
from runtime.checkpoint.load import Imported
from runtime.deploy.export.compare import Difference, verified
from runtime.deploy.export.hub import is_hub, make_hub
from runtime.deploy.export.job import Job, Staged
from runtime.deploy.export.onnxfile import make_onnx
from runtime.deploy.export.openvinofile import FILE, make_openvino
from runtime.deploy.export.packages import failures, needed
from runtime.deploy.export.place import place, require_replaceable, staging, unwritable
from runtime.deploy.export.wish import Kind, Precision, Wish
from runtime.deploy.quantise.exporting import Accepted, Int8, Quantisation
from runtime.deploy.quantise.quantise import BATCH, For

ENDINGS: dict[Kind, str] = {
    "onnx": ".onnx",
    "openvino": ".openvino",
    "mindir": ".mindir",
    "om": ".om",
    "hub": ".hub",
}
"""Of the default name; those of files are a must, folders are called as one likes."""
FOLDERS: tuple[Kind, ...] = ("openvino", "hub")
FILES_OF_FOLDERS = {".xml", ".bin", ".onnx", ".safetensors", ".json"}


@dataclass(frozen=True)
class Delivered:
    """What was exported."""

    out: Path
    wish: Wish
    precision: Precision
    """Of what is there: without atc that is the ONNX file for it."""
    size: int
    """Bytes, of a folder all its files'."""
    nodes: int
    difference: Difference | None
    uncompared: str
    """Why it was not compared, where it was not."""
    notes: tuple[str, ...]
    beside: tuple[Path, ...]
    int8: Accepted | None = None
    """Its accuracy, where it is int8."""

    def json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        wish, apart = self.wish, self.difference
        return {
            "out": str(self.out),
            "format": wish.kind,
            "precision": self.precision,
            "flavour": wish.flavour,
            "opset": wish.opset,
            "batch": wish.batch,
            "preprocess": wish.preprocess,
            "optimised": wish.optimise,
            "bytes": self.size,
            "nodes": self.nodes,
            "difference": None if apart is None else apart.largest,
            "bound": None if apart is None else apart.bound,
            "images": None if apart is None else apart.images,
            "by": None if apart is None else apart.by,
            "uncompared": self.uncompared or None,
            "int8": self.int8.json() if self.int8 else None,
            "beside": [str(path) for path in self.beside],
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """The summary, in a line."""
        wish = self.wish
        facts = [_size(self.size), self.precision]
        facts += [f"flavour {wish.flavour}"] if wish.flavour else []
        facts += [f"opset {wish.opset}"] if wish.opset else []
        facts += [f"batch {wish.batch or 'dynamic'}"] if wish.kind != "hub" else []
        facts += ["preprocessing inside"] if wish.preprocess else []
        facts += ["folded" if wish.optimise else "as it was trained", f"{self.nodes} nodes"]
        apart = self.difference.text() if self.difference else f"NOT compared: {self.uncompared}"
        top1 = f"; {self.int8.text()}" if self.int8 else ""
        return f"{self.out}: {', '.join(facts)}{top1}; {apart}"


def require_out(out: Path, kind: Kind, source: Path, overwrite: bool) -> None:
    """CMT-637 if `out` is in the way or in the source's, CMT-850 for a name that does not fit the format."""
    with unwritable(out):
        _require_out(out, kind, source, overwrite)


def _require_out(out: Path, kind: Kind, source: Path, overwrite: bool) -> None:
    ending = ENDINGS[kind]
    if out.name in ("", ".."):
        raise CmtError("CMT-850", f"{out} is no name for an export", hint=f"-o model{ending}")
    if kind in FOLDERS:
        if out.suffix.lower() in FILES_OF_FOLDERS and not out.is_dir():
            hint = f"-o {out.with_suffix('') if out.stem else 'NAME'}: " + (
                f"{FILE} and its .bin will be in it"
                if kind == "openvino"
                else "model.safetensors will be in it"
            )
            raise CmtError(
                "CMT-850", f"{kind} is a folder, so that its files come together: not {out}", hint=hint
            )
    elif out.suffix.lower() != ending:
        raise CmtError("CMT-850", f"{out} does not end in {ending}", hint=f"-o {out.stem or 'model'}{ending}")
    inside = source.resolve()
    if out.resolve() == inside or out.resolve() in inside.parents:
        raise CmtError("CMT-637", f"{out} is, or holds, the file that is read", hint="choose another -o")
    if kind in FOLDERS and out.is_file():
        raise CmtError("CMT-637", f"{out} is a file, and {kind} is a folder", hint="choose another -o")
    ours = kind in FOLDERS and (is_hub(out) or _is_openvino(out))
    for name in [out, *([out.with_suffix(".onnx")] if kind == "om" else [])]:
        if (name.exists() or name.is_symlink()) and not overwrite:
            raise CmtError(
                "CMT-637", f"{name} is already there", hint="add --overwrite, or choose another -o"
            )
        require_replaceable(name, ours)
    if not out.parent.is_dir():
        raise CmtError(
            "CMT-606", f"cannot write {out}: there is no folder {out.parent}", hint="make it first"
        )


def export(
    found: Imported,
    wish: Wish,
    out: Path,
    *,
    overwrite: bool = False,
    tell: Callable[..., object] | None = None,
    int8: Int8 | None = None,
) -> Delivered:
    """Make the file or folder `out`, whole or not at all. CMT-606, 637, 850 to 856.

    `int8` says what an export in int8 is calibrated and measured with.
    """
    require_out(out, wish.kind, found.path, overwrite)
    job = Job(found, wish, tell) if tell is not None else Job(found, wish)
    if int8 is not None:
        job = replace(job, int8=_quantisation(job, int8))
    with staging(out) as folder:
        staged = make(job, folder / out.name, out)
        accepted = _accepted(staged, job)
        apart = verified(staged, job)
        named = [(each, out.with_name(each.name)) for each in (*staged.beside, staged.made)]
        size = _bytes(staged.made)
        for made, name in named:
            place(made, name)
    names = tuple(name for _, name in named)
    precision = wish.precision if names[-1] == out else job.precision
    return Delivered(
        names[-1],
        wish,
        precision,
        size,
        staged.nodes,
        apart,
        staged.why_not,
        staged.notes,
        names[:-1],
        accepted,
    )


def _quantisation(job: Job, wanted: Int8) -> Quantisation:
    """CMT-851 without the packages that it takes."""
    for_: For = "openvino" if job.wish.flavour == "openvino" else "ort"
    for package in ("onnx", "openvino" if for_ == "openvino" else "onnxruntime"):
        needed(package, "an export in int8")
    if len(job.found.graph.output.type.shape) != 2:
        message = f"{job.found.model.name} gives no logits, whose accuracy int8 is measured by"
        raise CmtError("CMT-857", message, hint="--precision fp32")
    return Quantisation(job.found, wanted, for_, job.wish.opset or 17, job.tell)


def _accepted(staged: Staged, job: Job) -> Accepted | None:
    """What the int8 file, read back, is worth. CMT-855 if it is worth too little."""
    if job.int8 is None or staged.opened is None:
        return None
    with failures(f"{staged.by} does not compute what was written"):
        runs, batch = staged.opened(), job.wish.batch

    def compute(images: Array) -> list[Array]:
        shown, size = job.shown(images), batch or len(images)
        rows = np.arange(-(-len(shown) // size) * size) % len(shown)
        found = [runs(shown[part]) for part in np.split(rows, len(rows) // size)]
        given = np.concatenate(found)[: len(images)]
        return [np.log(np.maximum(given, np.float32(1e-30))) if job.wish.preprocess else given]

    return job.int8.accepted(job.program, compute, batch or BATCH)


def make(job: Job, path: Path, out: Path) -> Staged:
    """The wished file or folder, made at `path`, which has the name that it will have as `out`; not compared yet."""
    if job.wish.kind == "onnx":
        return make_onnx(job, path)
    if job.wish.kind == "openvino":
        return make_openvino(job, path)
    if job.wish.kind == "hub":
        return make_hub(job, path)
    if job.wish.kind == "om":
        from runtime.deploy.export.ascend import make_om

        return make_om(job, path, out)
    from runtime.deploy.export.mindir import make_mindir

    return make_mindir(job, path)


def _is_openvino(folder: Path) -> bool:
    return (
        {p.name for p in folder.iterdir()} == {FILE, Path(FILE).with_suffix(".bin").name}
        if folder.is_dir()
        else False
    )


def _bytes(path: Path) -> int:
    return sum(p.stat().st_size for p in path.rglob("*")) if path.is_dir() else path.stat().st_size


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
