"""Random graphs for passes: operators in every combination that infers, motifs that passes look for, and near misses."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import strategies as st

from cmt_dsl import Graph, build, load, load_text
from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Node, verify
from cmt_dsl.ops import make
from tests.property.test_random_specs import specs
from tests.tiny import PICO, PROFILES, as_yaml

ALONE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("relu", {}), ("gelu", {"form": "erf"}), ("gelu", {"form": "tanh"}), ("silu", {}), ("tanh", {}), ("sigmoid", {}),
    ("hard_swish", {}), ("hard_sigmoid", {}), ("dropout", {"rate": 0.1}), ("drop_path", {"rate": 0.1}),
    ("identity", {}), ("scale", {"by": 1.0}), ("scale", {"by": -0.7}), ("scale", {"by": 3.0}), ("offset", {"by": 0.0}),
    ("offset", {"by": 0.4}), ("batch_norm", {"eps": 1e-3, "momentum": 0.1}), ("batch_norm", {"eps": 1e-5, "momentum": 0.1}),
    ("layer_norm", {"eps": 1e-2}), ("layer_norm", {"eps": 1e-2, "affine": False}), ("max_pool", {"kernel": 3, "stride": 1, "padding": 1}),
    ("avg_pool", {"kernel": 3, "stride": 1, "padding": 1, "count_padding": True}), ("avg_pool", {"kernel": 2, "stride": 2}),
    ("mean", {"over": "grid"}), ("mean", {"over": "channels"}), ("max", {"over": "grid"}),
)  # fmt: skip
HE, CUT = {"init": "he_fan_out"}, {"init": "trunc_normal_02"}


class Grower:
    """Nodes one after another, each reading what stands before it; what does not infer is left out."""

    def __init__(self, random: Random) -> None:
        self.random, self.nodes = random, list[Node]()
        self.by_path: dict[str, Node] = {}
        channels, side = random.choice([1, 3, 5, 8]), random.choice([4, 6, 8])
        self.put("input", {"channels": channels, "height": side, "width": side})

    def put(self, kind: str, attributes: dict[str, Any], *inputs: str) -> str | None:
        """The path of a new node, or None for one that cannot be."""
        op = make(kind, attributes)
        types = [self.by_path[path].type for path in inputs]
        try:
            node = Node(f"{kind}{len(self.nodes)}", op, inputs, op.infer(*types), op.params(*types))
        except CmtError:
            return None
        if not node.type.batched and inputs and kind == "softmax":
            return None
        self.nodes.append(node)
        self.by_path[node.path] = node
        return node.path

    def some(self, *, maps: bool = True) -> str:
        """A value, more likely a late one."""
        fits = [n.path for n in self.nodes if n.type.batched and (len(n.type.shape) == 4 or not maps)]
        return fits[-1] if self.random.random() < 0.7 else self.random.choice(fits)

    def channels(self, path: str) -> int:
        """Channels of a value."""
        return self.by_path[path].type.sizes[0]

    def conv(self, x: str) -> str | None:
        """A convolution of any kind."""
        r, c = self.random, self.channels(x)
        groups = r.choice([1, c, c, *(g for g in (2, 3, 4) if c % g == 0)])
        out = r.choice([c, c, groups * r.randint(1, 3)])
        sides = [(k, d, p) for k in (1, 2, 3) for d in (1, 2) for p in (0, 1, 2)]
        (k, d, p), stride = (
            r.choice([(3, 1, 1), (1, 1, 0), (3, 2, 2), r.choice(sides)]),
            r.choice([1, 1, 1, 2]),
        )
        uneven = r.random() < 0.2
        attributes = {
            "out": out, "kernel": (1, k) if uneven else k, "padding": (0, p) if uneven else p, "stride": stride,
            "groups": groups, "dilation": d, "bias": r.random() < 0.7, **HE,
        }  # fmt: skip
        return self.put("conv2d", attributes, x)

    def linear(self, x: str, out: int | None = None) -> str | None:
        """A linear layer, or a convolution that is one."""
        r = self.random
        width = out or r.choice([self.channels(x), r.randint(1, 9)])
        if len(self.by_path[x].type.shape) == 4 and r.random() < 0.3:
            return self.put(
                "conv2d", {"out": width, "kernel": 1, "padding": 0, "bias": r.random() < 0.7, **HE}, x
            )
        return self.put("linear", {"out": width, "bias": r.random() < 0.7, **CUT}, x)

    def constant(self, x: str) -> str | None:
        """A parameter that broadcasts to a value, an old one or a new one, maybe computed."""
        r, sizes = self.random, self.by_path[x].type.sizes
        old = [n.path for n in self.nodes if not n.type.batched]
        if old and r.random() < 0.3:
            return r.choice(old)
        plain = (sizes[0], *(1,) * (len(sizes) - 1))
        shape = r.choice([plain, plain, (1, *plain), (1,), sizes, (*sizes[:-1], 1)])
        made = self.put("parameter", {"shape": shape, "init": "normal"})
        assert made
        return self.put(r.choice(["sigmoid", "tanh", "relu"]), {}, made) if r.random() < 0.3 else made

    def with_constant(self, x: str) -> None:
        """A sum or a product with a parameter, or two in a row."""
        y: str | None = x
        for _ in range(self.random.choice([1, 1, 2])):
            constant = self.constant(x)
            if constant and y:
                pair = [y, constant] if self.random.random() < 0.5 else [constant, y]
                y = self.put(self.random.choice(["add", "mul", "sub"]), {}, *pair)

    def two(self, x: str) -> None:
        """A sum, product or difference of two values, often of a layer and what it reads."""
        r = self.random
        other = self.conv(x) if r.random() < 0.6 else self.linear(x) if r.random() < 0.5 else self.some()
        if other and r.random() < 0.2:
            other = self.put("batch_norm", {"eps": 1e-3, "momentum": 0.1}, other)
        if other:
            pair = [x, other] if r.random() < 0.5 else [other, x]
            self.put(r.choice(["add", "add", "add", "sub", "mul"]), {}, *pair)

    def gate(self, x: str) -> None:
        """Squeeze-and-excitation."""
        y: str | None = self.put("global_avg_pool", {}, x)
        for kind in ("linear", "relu", "linear", "sigmoid", "to_map"):
            if y:
                y = self.linear(y, self.channels(x)) if kind == "linear" else self.put(kind, {}, y)
        if y:
            self.put("mul", {}, *self.random.sample([x, y], 2))

    def branches(self, x: str) -> None:
        """Layers that read the same, side by side, or a part of them."""
        found = [y for _ in range(self.random.randint(2, 3)) if (y := self.linear(x))]
        joined = self.put("concat", {}, *found) if len(found) > 1 else None
        if joined and self.random.random() < 0.5:
            stop = self.random.randint(1, self.channels(joined))
            self.put("slice_channels", {"start": 0, "stop": stop}, joined)

    def turned(self, x: str) -> None:
        """Transposes that cancel, or nearly."""
        r, axes = self.random, ["channels", "height", "width"]
        first = r.sample(axes, 2)
        y = self.put("transpose", {"axes": first}, x)
        if y:
            self.put("transpose", {"axes": first if r.random() < 0.6 else r.sample(axes, 2)}, y)

    def attention(self, x: str) -> None:
        """Heads, scores, softmax and mixed values, in any of the ways to write them, right or wrong."""
        r, type_ = self.random, self.by_path[x].type
        heads, d = r.choice([1, 2]), r.randint(1, 3)
        _, h, w = type_.map()
        if h * w > 36:
            return
        from_ = [x, x if r.random() < 0.5 else self.conv(x) or x]
        parts: list[str] = []
        for which, source in zip("qkv", (from_[0], from_[1], from_[1]), strict=True):
            y = self.linear(source, heads * d)
            y = self.put("scale", {"by": 0.5}, y) if y and which != "v" and r.random() < 0.4 else y
            y = self.put("split_heads", {"heads": heads}, y) if y else None
            if y is None:
                return
            parts.append(y)
        q, k, v = parts
        over = r.choice([None, None, "width", "height"])
        first, second = (q, k) if r.random() < 0.7 else (k, q)
        turned = [r.random() < 0.2 for _ in range(2)]  # by an operator, not by the product
        first, second = (
            (self.put("transpose", {"axes": ["height", "width"]}, y) if turn else y)
            for y, turn in zip((first, second), turned, strict=True)
        )
        assert first and second
        scores = self.put("matmul", {"transpose_a": not turned[0], "transpose_b": turned[1]}, first, second)
        for _ in range(r.randint(0, 3)):
            if scores is None:
                return
            rows, columns = self.by_path[scores].type.sizes[1:]
            kind = r.choice(["scale", "offset", "add", "add", "sub"])
            if kind in ("scale", "offset"):
                scores = self.put(kind, {"by": 0.3}, scores)
                continue
            shape = r.choice([(heads, rows, columns), (heads, rows, 1), (heads, 1, columns), (1,), (rows, 1)])
            position = self.put("parameter", {"shape": shape, "init": "normal"})
            if position:
                scores = self.put(kind, {}, *r.sample([scores, position], 2))
        weights = self.put("softmax", {"over": over} if over else {}, scores) if scores else None
        weights = self.put("dropout", {"rate": 0.1}, weights) if weights and r.random() < 0.3 else weights
        if weights is None:
            return
        values_first = r.random() < 0.6
        flip = r.random() < 0.8
        if values_first:
            mixed = self.put("matmul", {"transpose_a": False, "transpose_b": flip}, v, weights)
        else:
            mixed = self.put("matmul", {"transpose_a": not flip, "transpose_b": True}, weights, v)
            mixed = self.put("transpose", {"axes": ["height", "width"]}, mixed) if mixed else None
        tokens = self.by_path[mixed].type.sizes[-1] if mixed else 0
        side = next((s for s in (h, h // 2, 1) if s and tokens % s == 0), 1)
        if mixed and tokens:
            y = self.put("merge_heads", {"height": side, "width": tokens // side}, mixed)
            if y and r.random() < 0.8:
                self.linear(y)

    def step(self) -> None:
        """One more thing."""
        x = self.some()
        choices = [
            self.conv,
            self.conv,
            self.linear,
            self.with_constant,
            self.two,
            self.two,
            self.gate,
            self.branches,
        ]
        choices += [self.turned, self.attention, self.attention]
        if self.random.random() < 0.45:
            kind, attributes = self.random.choice(ALONE)
            self.put(kind, attributes, x)
        else:
            self.random.choice(choices)(x)

    def graph(self) -> Graph:
        """What leads to the last value, and sometimes to another one that leaves the model too."""
        last = [n.path for n in self.nodes if n.type.batched][-1]
        wanted = [last]
        if self.random.random() < 0.2:
            wanted.append(self.random.choice([n.path for n in self.nodes[1:] if n.type.batched] or wanted))
        outputs = tuple((f"y{i}", path) for i, path in enumerate(dict.fromkeys(wanted)))
        whole = Graph("grown", tuple(self.nodes), (), outputs)
        return verify(Graph("grown", whole.needed(wanted), (), outputs))


@st.composite
def grown(draw: st.DrawFn) -> Graph:
    """A graph of two to fourteen steps."""
    grower = Grower(Random(draw(st.integers(0, 2**32 - 1))))
    for _ in range(draw(st.integers(2, 14))):
        grower.step()
    return grower.graph()


@st.composite
def variants(draw: st.DrawFn) -> Graph:
    """A shipped small model in another profile, width, grid or depth; or stages of the paper's units."""
    if draw(st.booleans()):
        return build(load_text(as_yaml(draw(specs()))))
    name = draw(st.sampled_from(["cmt_nano", "example_attention", "example_parallel", PICO]))
    edits: dict[str, Any] = {"profile": draw(st.sampled_from(PROFILES)), "classes": draw(st.integers(1, 7))}
    edits["stem.args.width"] = draw(st.integers(3, 9))
    if name not in ("example_attention",):
        edits["stage_defaults.args.expansion"] = draw(st.sampled_from([1.3, 2, 3.77]))
    edits["input.size"] = 16 if name == PICO else draw(st.sampled_from([32, [32, 64]]))
    return build(load(name, set=edits))
