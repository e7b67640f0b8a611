"""Two models side by side, coloured by what is different."""

from __future__ import annotations

from cmt_dsl.diff import Difference
from cmt_dsl.draw.dot import Part, document, framed
from cmt_dsl.draw.palette import Colours
from cmt_dsl.draw.scene import Box, Scene
from cmt_dsl.ir import above, below

STATUS: dict[str, Colours] = {
    "equal": ("#f8fafc", "#cbd5e1"),
    "changed": ("#fef3c7", "#b45309"),
    "renamed": ("#dbeafe", "#1d4ed8"),
    "removed": ("#fee2e2", "#b91c1c"),
    "added": ("#dcfce7", "#15803d"),
}
"""Fill and line of what is equal, changed within, renamed or moved, only in A, only in B."""


def side_by_side(difference: Difference, a: Scene, b: Scene) -> str:
    """The DOT text of both scenes, A on the left."""
    sides = ((a, "a:", statuses(difference, a, 0)), (b, "b:", statuses(difference, b, 1)))
    lines: list[str] = []
    for scene, prefix, status in sides:
        part = Part(scene, prefix=prefix, tints={path: STATUS[word] for path, word in status.items()})
        lines += framed(prefix, part)
    legend = "   ".join(f'<font color="{line}">■ {word}</font>' for word, (_, line) in STATUS.items())
    return document(" – ".join(difference.names), f'{legend}<br align="left"/> <br/>', lines)


def statuses(difference: Difference, scene: Scene, side: int) -> dict[str, str]:
    """What has become of each box and cluster of a scene of A (side 0) or B (side 1)."""
    judge = _Judge(difference, side)
    found: dict[str, str] = {}
    for thing in (*scene.clusters, *scene.boxes):
        words = {judge.word(path, whole=isinstance(thing, Box)) for path in thing.instances}
        found[thing.path] = words.pop() if len(words) == 1 else "changed"
    return found


class _Judge:
    def __init__(self, difference: Difference, side: int) -> None:
        pairing = difference.pairing
        partners = {**pairing.nodes, **pairing.scopes}
        self.mine, self.theirs = difference.removed, difference.added
        self.gone = "removed"
        self.renamed = dict(difference.renamed)
        self.changed = {change.path for change in difference.changed}
        if side:
            self.mine, self.theirs, self.gone = self.theirs, self.mine, "added"
            self.changed = {partners[path] for path in self.changed}
            self.renamed = {y: x for x, y in self.renamed.items()}
            partners = {y: x for x, y in partners.items()}
        self.partners = partners
        # what is there alone changes the cluster around it, on both sides
        self.grown = {_holder(p, set(partners)) for p in self.mine}
        self.lacking = {_holder(p, set(partners.values())) for p in self.theirs}

    def word(self, path: str, *, whole: bool) -> str:
        """The status of one path; a box is changed when anything below it is, a cluster shows that itself."""
        if any(below(path, p) for p in self.mine):
            return self.gone
        if path in self.renamed:
            return "renamed"
        return "changed" if self._touched(path, whole) else "equal"

    def _touched(self, path: str, whole: bool) -> bool:
        if path in self.changed:
            return True
        other = self.partners.get(path, path)
        if not whole:  # what was added to or removed from the cluster itself
            return path in self.grown or other in self.lacking
        inside = (self.changed, path), (self.renamed, path), (self.mine, path), (self.theirs, other)
        return any(p.startswith(f"{around}.") for paths, around in inside for p in paths)


def _holder(path: str, paired: set[str]) -> str:
    """The nearest scope around a path that stands on both sides."""
    return next((p for p in above(path) if p in paired), "")
