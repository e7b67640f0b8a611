"""Models beside each other: what each costs and, where it was published, how accurate it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from cmt_dsl.cost import Tally, cost
from cmt_dsl.draw.units import plain as printable
from cmt_dsl.errors import CmtError
from cmt_dsl.expand import expand
from cmt_dsl.ir import Graph
from cmt_dsl.spec import Model, read
from cmt_dsl.spec.file import read_file
from cmt_dsl.spec.find import shipped
from cmt_dsl.spec.tree import plain


@dataclass(frozen=True)
class Published:
    """An accuracy on ImageNet-1K that others report."""

    top1: float
    """Percent."""
    source: str
    note: str = ""


@dataclass(frozen=True)
class Member:
    """One model of a comparison."""

    name: str
    profile: str
    input: tuple[int, ...]
    tally: Tally
    published: Published | None
    """Only for a graph that is exactly the published one."""

    def json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        p = self.published
        return {
            "model": self.name,
            "profile": self.profile,
            "input": list(self.input),
            **self.tally.json(),
            "top1": p.top1 if p else None,
            "source": p.source if p else None,
            "note": p.note if p else None,
        }


def member(model: Model, graph: Graph) -> Member:
    """A model with its cost and its published accuracy."""
    profile = model.profile.profile
    return Member(model.name, profile, graph.input.type.sizes, cost(graph).total, _published(graph, profile))


def _published(graph: Graph, profile: str) -> Published | None:
    table = cast("dict[str, Any]", plain(read_file(shipped() / "published.yaml", "published.yaml")))
    for row in table["results"]:
        if (row["model"], row["profile"]) == (graph.name, profile):
            original = read(row["model"], set={"profile": profile}).model
            if original is not None and expand(original).fingerprint == graph.fingerprint:
                return Published(row["top1"], row["source"], row.get("note", ""))
    return None


def plot(members: Sequence[Member], picture: str) -> bytes:
    """MACs against parameters as `svg` or `png`, beside it top-1 where any is known; raises CMT-414."""
    try:
        mpl: Any = import_module("matplotlib")  # its types are incomplete
        figures: Any = import_module("matplotlib.figure")
    except ImportError as error:
        hint = "pip install 'cmt-dsl[viz]'"
        raise CmtError("CMT-414", "a plot needs the package matplotlib", hint=hint) from error
    import io

    known = [m for m in members if m.published]
    # texts stay texts, the same input gives the same bytes, and a name is never read as a formula
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "cmt-dsl", "text.parse_math": False,
                         "font.family": "sans-serif"}):  # fmt: skip
        figure = figures.Figure(figsize=(9 if known else 5.5, 4), layout="constrained")
        axes: Any = figure.subplots(1, 2 if known else 1, squeeze=False)[0]
        _scatter(axes[0], members, [m.tally.trainable / 1e6 for m in members], "parameters in millions")
        if known:
            _scatter(axes[1], known, [m.published.top1 for m in known if m.published], "published top-1 in %")
        file = io.BytesIO()
        figure.savefig(file, format=picture, dpi=160, metadata={"Date": None} if picture == "svg" else None)
    return file.getvalue()


def _scatter(axes: Any, members: Sequence[Member], heights: list[float], label: str) -> None:
    widths = [m.tally.macs / 1e9 for m in members]
    order = sorted(range(len(members)), key=lambda i: widths[i])
    axes.plot([widths[i] for i in order], [heights[i] for i in order], color="#cbd5e1", linewidth=1, zorder=1)
    axes.scatter(widths, heights, s=42, color="#3b82f6", edgecolor="white", zorder=2)
    for m, x, y in zip(members, widths, heights, strict=True):
        axes.annotate(printable(m.name), (x, y), xytext=(6, -11), textcoords="offset points", fontsize=9)
    axes.set_xlabel("MACs per image in billions")
    axes.set_ylabel(label)
    axes.margins(x=0.16, y=0.12)
    axes.set_xlim(left=0)
    axes.grid(color="#eef2f7")
    axes.spines[["top", "right"]].set_visible(False)
