"""Inference of a CMT: ours beside its peers, in turn in one run; ratios and shares of the machine's peak.

Peers are the official PyTorch code, eager and compiled, and its ONNX exports in ONNX Runtime and OpenVINO, each in the
form that is fastest here. All compute the same shapes with weights of their own, as `cmt bench infer` measures.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from cmt_dsl import build, cost, load
from runtime.deploy.bench import matmul
from runtime.deploy.bench.contender import Contender, processors, worker
from runtime.deploy.bench.figures import Asked, Report, Row, report
from runtime.deploy.bench.infer import WORKER
from runtime.deploy.bench.interleave import Session
from runtime.deploy.bench.machine import machine

WORKERS = Path(__file__).resolve().parent / "workers"
OURS = "ours: "
EAGER = "PyTorch eager"
TORCH = {EAGER: "eager", "torch.compile": "compile", "torch.compile, frozen": "frozen"}
APART = "OpenVINO, export, apart"
"""As our backend computes a batch, each thread a share of the images: what it does is no merit of our graph."""
EXPORTS = {"ONNX Runtime, export": {"library": "onnxruntime"}, "OpenVINO, export": {"library": "openvino"},
           APART: {"library": "openvino", "apart": True}}  # fmt: skip
ASKED = {
    ("float32", "best"): 1.1,
    ("bfloat16", "best"): 1.25,
    ("latency", "eager"): 1.9,
    ("latency", "best"): 1.15,
}


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--official", type=Path, help="a checkout of the official PyTorch code")
    options.add_argument(
        "--torch-python", default=sys.executable, help="with torch, onnx, onnxruntime, openvino"
    )
    options.add_argument("--models", default="cmt_s")
    options.add_argument("--backend", default="onnxruntime,openvino", help="ours; also numpy, mindspore")
    options.add_argument("--batch", default="1,8")
    options.add_argument("--precision", default="float32,bfloat16")
    options.add_argument(
        "--int8", type=Path, action="append", default=[], help="an int8 ONNX file of ours, for OpenVINO"
    )
    options.add_argument("--threads", type=int, default=len(processors()))
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=10.0, help="of computing for each figure")
    options.add_argument(
        "--exports", type=Path, help="keep the peers' ONNX files here, and take those that are there"
    )
    options.add_argument("--no-compile", action="store_true", help="without torch.compile, a minute each")
    options.add_argument("--json", type=Path, help="write the figures here too")
    args = options.parse_args()

    # another interpreter finds `serve` here: the checkout holds no packages that would hide its own
    paths = [str(WORKERS.parents[1]), os.environ.get("PYTHONPATH")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    session = Session(threads=args.threads, rounds=args.rounds, seconds=args.seconds, tell=told)
    precisions = [*args.precision.split(","), *(["int8"] if args.int8 else [])]
    references = matmul.candidates(tuple(precisions))
    with tempfile.TemporaryDirectory() as folder:
        contenders: list[Contender] = []
        for name in args.models.split(","):
            contenders += entered(name, args, Path(args.exports or folder))
        if args.official:
            torch = [args.torch_python, str(WORKERS / "torch_infer.py")]
            references += [
                Contender(
                    "matrix product", "torch", p, 1, 0, tuple(torch), {"mode": "matmul"}, unlimited=True
                )
                for p in args.precision.split(",")
            ]
        try:
            session.run(contenders, references)
        except KeyboardInterrupt:
            print("stopped: this is what was measured before", file=sys.stderr)
    asked = Asked(
        models=tuple(args.models.split(",")),
        backends=tuple(dict.fromkeys(each.by for each in contenders)),
        precisions=tuple(precisions),
        batches=tuple(sorted({each.batch for each in contenders})),
        threads=args.threads,
        rounds=args.rounds,
        seconds=args.seconds,
        size=None,
        optimise=True,
        peak=True,
    )
    made = report(session, asked, machine())
    forms = {str(track.contender): str(track.facts.get("form", "")) for track in session.tracks}
    table(made, forms)
    if args.json:
        args.json.write_text(made.model_dump_json(indent=2))


def told(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def entered(name: str, args: argparse.Namespace, folder: Path) -> list[Contender]:
    """Ours and the peers, of one model in each batch and precision."""
    model = load(name)
    macs, size = cost(build(model)).total.macs, model.input.height
    found: list[Contender] = []
    for batch in map(int, args.batch.split(",")):
        files = exports(name, size, batch, args, folder) if args.official else []
        for precision in args.precision.split(","):
            same = (name, precision, batch, macs)
            for backend in args.backend.split(","):
                job = {"model": name, "size": None, "backend": backend, "optimise": True}
                found.append(contender(same, OURS + backend, worker(WORKER), job))
            if args.official:
                for peer, mode in TORCH.items():
                    if args.no_compile and mode != "eager":
                        continue
                    job = {"mode": mode, "checkout": str(args.official), "model": name, "size": size}
                    found.append(contender(same, peer, script("torch_infer.py", args), job))
                for peer, library in EXPORTS.items():
                    if peer != APART or batch > 1:
                        job = {**library, "files": files, "size": size}
                        found.append(contender(same, peer, script("onnx_infer.py", args), job))
        for file in args.int8:
            # as our backend computes a batch
            job = {"library": "openvino", "files": [str(file)], "size": size, "apart": batch > 1}
            command = (sys.executable, str(WORKERS / "onnx_infer.py"))
            found.append(contender((name, "int8", batch, macs), f"{OURS}{file.name}", command, job))
    return found


def contender(
    same: tuple[str, str, int, int], by: str, command: tuple[str, ...], job: dict[str, object]
) -> Contender:
    name, precision, batch, macs = same
    return Contender(name, by, precision, batch, macs, command, job, unlimited=True)


def script(name: str, args: argparse.Namespace) -> tuple[str, ...]:
    return args.torch_python, "-W", "ignore", str(WORKERS / name)


def exports(name: str, size: int, batch: int, args: argparse.Namespace, folder: Path) -> list[str]:
    """ONNX files of the official model."""
    folder.mkdir(parents=True, exist_ok=True)
    if there := sorted(map(str, folder.glob(f"{name}-{size}-{batch}-*.onnx"))):
        return there
    told(f"exporting the official {name} for batch {batch} …")
    command = [args.torch_python, str(WORKERS / "official.py"), args.official, name, size, batch, folder]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[1]} failed:\n{done.stderr[-2000:]}")
    told(done.stderr.strip())
    return sorted(map(str, folder.glob(f"{name}-{size}-{batch}-*.onnx")))


def table(made: Report, forms: dict[str, str]) -> None:
    where = made.machine
    print(
        f"{where.processor} ({', '.join(where.flags)}), {made.asked.threads} threads, {made.asked.rounds} rounds"
    )
    for key in dict.fromkeys((row.model, row.batch, row.precision) for row in made.rows):
        rows = [row for row in made.rows if (row.model, row.batch, row.precision) == key]
        print(f"\n{key[0]}, batch {key[1]}, {key[2]}")
        print(
            f"  {'':26}{'ms':>9}{'p95':>9}{'±%':>5}{'img/s':>8}{'start s':>9}{'MiB':>7}{'GFLOP/s':>9}{'% peak':>8}"
        )
        for row in sorted(rows, key=lambda row: row.median_s):
            share = "–" if row.peak_share is None else f"{100 * row.peak_share:.0f}"
            form = forms.get(f"{row.model}, {row.backend}, {row.precision}, batch {row.batch}", "")
            print(
                f"  {row.backend:26}{1e3 * row.median_s:9.2f}{1e3 * row.p95_s:9.2f}{100 * row.spread:5.0f}"
                f"{row.images_per_s:8.2f}{row.load_s + row.first_s:9.1f}{row.memory_bytes / 2**20:7.0f}"
                f"{row.gflops:9.1f}{share:>8}  {form}".rstrip()
            )
        ratios(rows)
    print()
    for peak in made.peaks:
        slower = ", ".join(f"{name} {rate:.0f}" for name, rate in peak.others.items())
        beside = f"matmul peak beside batch {peak.batch} in {peak.precision}: {peak.gflops:.0f} GFLOP/s"
        print(f"{beside} by {peak.library} {peak.size}³" + (f" ({slower})" if slower else ""))
    print(*made.notes, sep="\n")


def ratios(rows: list[Row]) -> None:
    """Ours against the best peer, and against eager where one image is computed."""
    ours = [row for row in rows if row.backend.startswith(OURS)]
    peers = [row for row in rows if not row.backend.startswith(OURS)]
    if not ours or all(row.backend == APART for row in peers):
        return
    mine = min(ours, key=lambda row: row.median_s)
    best = min((row for row in peers if row.backend != APART), key=lambda row: row.median_s)
    kind = "latency" if mine.batch == 1 and mine.precision == "float32" else mine.precision
    against = [("best", best)]
    against += [("eager", row) for row in peers if row.backend == EAGER and mine.batch == 1]
    against += [("apart", row) for row in peers if row.backend == APART]
    for word, peer in against:
        wanted = ASKED.get((kind, word))
        told = f" (asked: {wanted:g})" if wanted else ""
        print(f"  {mine.backend} is {peer.median_s / mine.median_s:.2f} × as fast as {peer.backend}{told}")


if __name__ == "__main__":
    main()
