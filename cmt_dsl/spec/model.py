"""A model that was read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cmt_dsl.errors import Place
from cmt_dsl.spec.dump import dump_data
from cmt_dsl.spec.extend import Source
from cmt_dsl.spec.library import Library
from cmt_dsl.spec.schema import InputSpec, ModelSpec, ProfileSpec
from cmt_dsl.spec.tree import Tree, place_of


@dataclass(frozen=True, eq=False)
class Model:
    """A checked model: its spec, the text behind it, its profile's values and its blocks."""

    spec: ModelSpec
    tree: Tree
    library: Library = field(repr=False)
    lineage: tuple[str, ...] = ()
    source: Source | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.model

    @property
    def classes(self) -> int:
        """Number of classes, the length of the logits."""
        return self.spec.classes

    @property
    def input(self) -> InputSpec:
        """Channels, height and width of the image."""
        return self.spec.input

    @property
    def profile(self) -> ProfileSpec:
        """The profile, with this model's variant values put in."""
        return self.library.profile

    @property
    def profile_values(self) -> dict[str, Any]:
        """What `$profile.NAME` gives, for this model."""
        return dict(self.profile.values)

    def place(self, *path: str | int, key: bool = False) -> Place:
        """Where `path` stands in the model's text."""
        return place_of(self.tree, path, key=key)

    def resolved(self) -> str:
        """The whole model as one YAML text that needs no other file."""
        return dump_data(resolved_data(self))


def resolved_data(model: Model) -> dict[str, Any]:
    """The same as plain data; blocks that only its expansion reaches are there once it is built."""

    def data(part: Any) -> dict[str, Any]:
        return part.model_dump(by_alias=True, exclude_defaults=True)

    whole = data(model.spec)
    whole["profile"] = data(model.profile)
    used = sorted(model.library.blocks.items())
    whole["blocks"] = {name: data(block.spec) for name, block in used}
    return whole
