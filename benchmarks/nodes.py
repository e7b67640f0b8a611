"""Which nodes a runtime executes of a model, and how long each takes: SPEC|CKPT.

By kind of node, or by scope (stem, stages' blocks, head), with how many nodes are executed of each. A node that
computes what several of the model's did belongs to the scope of the last of them.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cmt_dsl.ir import Program
from cmt_dsl.lower.onnx import IMAGES, Form
from runtime.deploy.bench.contender import processors
from runtime.deploy.bench.subject import subject
from runtime.infer.folded import folded

SCOPE = re.compile(r"stages\.\d+\.blocks\.\d+|stages\.\d+\.[a-z_]+|[a-z_]+")
BLOCK = re.compile(r"stages\.\d+\.blocks\.\d+$")
NOT_COMPUTED = {"Input", "Output", "Constant", "Const", "Parameter", "Result"}
HINTS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}


@dataclass(frozen=True)
class Executed:
    """A node as it ran; `name` is that of the last of the model's nodes that it computes."""

    name: str
    kind: str
    how: str
    seconds: float


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("model", metavar="SPEC|CKPT")
    options.add_argument("--backend", choices=("openvino", "onnxruntime"), default="openvino")
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--precision", choices=tuple(HINTS), default="float32")
    options.add_argument("--threads", type=int, default=len(processors()))
    options.add_argument("--calls", type=int, default=10)
    options.add_argument("--no-optimise", action="store_true")
    how = options.add_mutually_exclusive_group()
    how.add_argument("--by-kind", action="store_true", help="the default")
    how.add_argument("--by-scope", action="store_true")
    how.add_argument("--all", action="store_true", help="every node, in the order of execution")
    options.add_argument("--json", type=Path, help="write every node here")
    args = options.parse_args()

    _, program = subject(args.model, None)
    nodes = {"openvino": by_openvino, "onnxruntime": by_onnxruntime}[args.backend](program, args)
    total = sum(node.seconds for node in nodes)
    print(
        f"{args.model}, {args.backend}, {args.precision}, batch {args.batch}: {len(nodes)} nodes, {1e3 * total:.2f} ms"
    )
    if args.all:
        for node in nodes:
            print(f"{1e6 * node.seconds:10.0f} µs  {node.kind:22} {node.how:28} {node.name}")
    else:
        summed(nodes, total, by_scope=args.by_scope)
    counts = Counter(scope(node.name) for node in nodes)
    blocks = {name: count for name, count in counts.items() if BLOCK.match(name)}
    if blocks:
        most = max(blocks, key=blocks.__getitem__)
        print(f"executed nodes of a block: {min(blocks.values())} to {blocks[most]} ({most})")
    if args.json:
        args.json.write_text(json.dumps([vars(node) for node in nodes], indent=1))


def scope(name: str) -> str:
    """The block, or what else of the model a node belongs to."""
    found = SCOPE.match(name.strip("/").replace("/", "."))
    return found.group() if found else "others"


def summed(nodes: list[Executed], total: float, *, by_scope: bool) -> None:
    groups: dict[str, list[Executed]] = defaultdict(list)
    for node in nodes:
        groups[scope(node.name) if by_scope else f"{node.kind}  {node.how}"].append(node)
    rows = list(groups.items())
    if not by_scope:
        rows.sort(key=lambda row: -sum(node.seconds for node in row[1]))
    for name, group in rows:
        spent = sum(node.seconds for node in group)
        print(f"{1e3 * spent:10.2f} ms {100 * spent / total:5.1f} %  {len(group):4} ×  {name}")


def by_openvino(program: Program, args: argparse.Namespace) -> list[Executed]:
    """Its runtime model, and its counters over all calls."""
    import openvino

    core = openvino.Core()
    model = core.read_model(folded_bytes(program, "openvino", args))
    images = images_of(program, args.batch)
    model.reshape(list(images.shape))
    how = {
        "INFERENCE_PRECISION_HINT": HINTS[args.precision],
        "INFERENCE_NUM_THREADS": args.threads,
        "PERFORMANCE_HINT": "LATENCY",
        "PERF_COUNT": True,
    }
    compiled = core.compile_model(model, "CPU", how)
    request = compiled.create_infer_request()
    spent: Counter[str] = Counter()
    for number in range(args.calls + 1):
        request.infer({0: images})
        for each in request.profiling_info if number else ():  # the first call warms up
            if each.status == openvino.ProfilingInfo.Status.EXECUTED:
                spent[each.node_name] += each.real_time.total_seconds()
    nodes: list[Executed] = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = {key: str(value.astype(str)) for key, value in node.get_rt_info().items()}
        kind, name = info.get("layerType", ""), node.get_friendly_name()
        if kind in NOT_COMPUTED or name not in spent:
            continue
        names = [each for each in info.get("originalLayersNames", "").split(",") if SCOPE.match(each)]
        what = f"{info.get('primitiveType', '')} {info.get('runtimePrecision', '')}".strip()
        nodes.append(
            Executed(names[-1] if names else f"{before(node)} {name}", kind, what, spent[name] / args.calls)
        )
    return nodes


def by_onnxruntime(program: Program, args: argparse.Namespace) -> list[Executed]:
    """Its profiler's events."""
    import onnxruntime

    if args.precision != "float32":
        raise SystemExit("ONNX Runtime computes this in float32")
    images = images_of(program, args.batch)
    with tempfile.TemporaryDirectory() as folder:
        how = onnxruntime.SessionOptions()
        how.log_severity_level = 4
        how.intra_op_num_threads = args.threads
        how.enable_profiling, how.profile_file_prefix = True, str(Path(folder) / "profile")
        content = folded_bytes(program, "ort", args)
        session = onnxruntime.InferenceSession(content, how, providers=["CPUExecutionProvider"])
        for _ in range(args.calls + 1):
            session.run(None, {IMAGES: images})
        events = json.loads(Path(session.end_profiling()).read_text())
    spent: dict[str, list[float]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            spent[name].append(event["dur"] / 1e6)
            kinds[name] = event["args"]["op_name"]
    return [Executed(name, kinds[name], "", float(np.mean(times[1:]))) for name, times in spent.items()]


def before(node: Any) -> str:
    """Of a node that OpenVINO named: what of the model it reads, and so belongs to."""
    while SCOPE.match(node.get_friendly_name()) is None and node.inputs():
        node = node.inputs()[0].get_source_output().get_node()
    return node.get_friendly_name()


def folded_bytes(program: Program, flavour: str, args: argparse.Namespace) -> bytes:
    outputs = [path for _, path in program.graph.outputs]
    return folded(program, outputs, Form(flavour), fold=not args.no_optimise).SerializeToString()


def images_of(program: Program, batch: int) -> np.ndarray:
    shape = (batch, *program.graph.input.type.sizes)
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


if __name__ == "__main__":
    main()
