"""Colours of drawings: a light fill and a strong line for each family and each block."""

from __future__ import annotations

from cmt_dsl.draw.scene import Box, Cluster, Family, Scene

INK, MUTED, RULE, PAPER = "#1f2937", "#6b7280", "#cbd5e1", "#ffffff"
RESIDUAL, SHARED, FLOW = "#c2410c", "#7c3aed", "#64748b"
Colours = tuple[str, str]
"""Fill and line."""

BLOCKS: tuple[Colours, ...] = (
    ("#dbeafe", "#3b82f6"), ("#dcfce7", "#22a35a"), ("#fef3c7", "#d08a0b"), ("#ede9fe", "#8b5cf6"),
    ("#fce7f3", "#db4d96"), ("#cffafe", "#0e9bb5"), ("#ffedd5", "#ea7a2b"), ("#e7e5e4", "#8a817c"),
)  # fmt: skip
"""Of blocks, in the order of their first appearance."""
FAMILIES: dict[Family, Colours] = {
    "input": ("#f8fafc", "#475569"),
    "outside": ("#ffffff", "#94a3b8"),
    "stage": ("#eff6ff", "#60a5fa"),
    "block": BLOCKS[-1],
    "convolution": ("#dbeafe", "#3b82f6"),
    "linear": ("#e0e7ff", "#6366f1"),
    "attention": ("#fef3c7", "#d08a0b"),
    "norm": ("#f1f5f9", "#94a3b8"),
    "activation": ("#dcfce7", "#22a35a"),
    "arithmetic": ("#ffffff", "#64748b"),
    "shape": ("#fafaf9", "#a8a29e"),
    "parameter": ("#ede9fe", "#8b5cf6"),
    "noise": ("#ffffff", "#a8a29e"),
}


def colours(scene: Scene, thing: Box | Cluster) -> Colours:
    """Fill and line of a box or cluster."""
    if thing.family == "block" and thing.what in scene.blocks:
        return BLOCKS[scene.blocks.index(thing.what) % len(BLOCKS)]
    return FAMILIES[thing.family]
