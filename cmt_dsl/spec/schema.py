"""What a user may write: the Pydantic models of model, block and profile files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_STAGES = 32
NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Value = bool | int | float | str | None
Attribute = Value | list[Value]


class Strict(BaseModel):
    """Base of all spec models: unknown keys are errors, values are not coerced, data is frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Argument(Strict):
    """The declaration of one block argument: type, bounds, meaning."""

    type: Literal["int", "float", "bool", "str"]
    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None
    choices: list[Value] | None = None
    default: Value = None
    optional: bool = Field(False, description="may be left out; then it is `default` (or null)")
    doc: str = ""


class NodeSpec(BaseModel):
    """One node of a block: an operator with its attributes, or another block with its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    op: Name | None = None
    block: Annotated[str, Field(max_length=300)] | None = None
    inputs: Annotated[Name | list[Name] | None, Field(alias="in", description="default: the node above")] = (
        None
    )
    args: dict[Name, Attribute] = Field(default_factory=dict, max_length=64)
    when: bool | str | None = Field(None, description="false drops the node; its input passes on")
    repeat: Annotated[int, Field(ge=0, le=1000)] | str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> NodeSpec:
        if (self.op is None) == (self.block is None):
            raise ValueError("a node is either an 'op' or a 'block'")
        if self.op is not None and self.args:
            raise ValueError("an op takes its attributes directly, not under 'args'")
        if self.block is not None and self.model_extra:
            wrong = ", ".join(sorted(self.model_extra))
            raise ValueError(f"a block takes its arguments under 'args': move {wrong} there")
        return self

    @property
    def attributes(self) -> dict[str, Any]:
        """The operator's attributes as written."""
        return dict(self.model_extra or {})


Nodes = Annotated[
    list[Annotated[dict[Name, NodeSpec], Field(min_length=1, max_length=1)]], Field(max_length=500)
]


class BlockSpec(Strict):
    """A block file: a small typed graph. The last node is the block's output."""

    block: Name
    doc: str = ""
    inputs: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\??$")]],
        Field(min_length=1, max_length=16, description="names of the inputs; `?` marks an optional one"),
    ] = ["x"]
    args: dict[Name, Argument] = Field(default_factory=dict, max_length=64)
    let: dict[Name, Value] = Field(default_factory=dict, max_length=64)
    nodes: Annotated[Nodes, Field(min_length=1)]

    @field_validator("inputs")
    @classmethod
    def _first_is_required(cls, value: list[str]) -> list[str]:
        if value[0].endswith("?"):
            raise ValueError("the first input cannot be optional")
        return value


class BlockUse(Strict):
    """A block in a place of the model, with its arguments."""

    block: Annotated[str, Field(max_length=300)]
    args: dict[Name, Attribute] = Field(default_factory=dict, max_length=64)


class Run(BlockUse):
    """A run of equal blocks inside a stage."""

    depth: Annotated[int, Field(ge=1, le=1000)] = 1


class StageSpec(Strict):
    """A stage: an optional patch embedding, then blocks on one grid."""

    doc: str = ""
    embed: BlockUse | None = None
    block: Annotated[str, Field(max_length=300)] | None = None
    depth: Annotated[int, Field(ge=0, le=1000)] | None = None
    args: dict[Name, Attribute] = Field(default_factory=dict, max_length=64)
    blocks: Annotated[
        list[Run] | None, Field(max_length=100, description="instead of `block`: runs of several kinds")
    ] = None
    shared: Nodes = Field(default_factory=list, description="nodes that all blocks of the stage read")

    @model_validator(mode="after")
    def _one_form(self) -> StageSpec:
        if self.blocks is None:
            if self.block is None or self.depth is None:
                raise ValueError("a stage needs 'block' and 'depth' (or a list 'blocks')")
        elif self.block is not None or self.depth is not None:
            raise ValueError("a stage has either 'block' and 'depth' or a list 'blocks', not both")
        return self

    @property
    def runs(self) -> list[tuple[str, int, dict[str, Any], tuple[str | int, ...]]]:
        """Block name, depth, arguments and the path of those arguments, for each run."""
        if self.blocks is None:
            return [(self.block or "", self.depth or 0, self.args, ("args",))]
        return [
            (run.block, run.depth, {**self.args, **run.args}, ("blocks", i, "args"))
            for i, run in enumerate(self.blocks)
        ]


Side = Annotated[int, Field(ge=1, le=16384)]


class InputSpec(Strict):
    """The image the model takes: `[n, channels, height, width]`."""

    channels: Annotated[int, Field(ge=1, le=4096)]
    size: Annotated[
        Side | Annotated[list[Side], Field(min_length=2, max_length=2)],
        Field(description="one side in pixels, or [height, width]"),
    ]

    @property
    def height(self) -> int:
        """Rows in pixels."""
        return self.size if isinstance(self.size, int) else self.size[0]

    @property
    def width(self) -> int:
        """Columns in pixels."""
        return self.size if isinstance(self.size, int) else self.size[1]


class ProfileSpec(Strict):
    """A profile file: the numerics and details on which frameworks and papers disagree."""

    profile: Name
    doc: str = ""
    values: dict[Name, Value] = Field(default_factory=dict, description="read as `$profile.NAME`")
    ops: Annotated[
        dict[Name, dict[Name, Attribute]],
        Field(description="attributes an operator has unless the node gives them"),
    ] = Field(default_factory=dict)
    variants: Annotated[
        dict[Name, dict[Name, Value]],
        Field(description="values that differ for one model and its extensions"),
    ] = Field(default_factory=dict)


class ModelSpec(Strict):
    """A model file, after `extends`, `set` and `stage_defaults` have been carried out."""

    model: Name
    doc: str = ""
    input: InputSpec
    classes: Annotated[int, Field(ge=1, le=1_000_000)]
    profile: Annotated[str, Field(max_length=300)] | ProfileSpec
    drop_path: Annotated[
        float, Field(ge=0, lt=1, description="rate of the last block; rises linearly from 0")
    ]
    stem: BlockUse | None = None
    stages: Annotated[list[StageSpec], Field(min_length=1, max_length=MAX_STAGES)]
    head: BlockUse | None = None
    blocks: dict[Annotated[str, Field(max_length=300)], BlockSpec] = Field(default_factory=dict)


class ModelFile(ModelSpec):
    """A model file as written: with `extends`, `set` and `stage_defaults` (for the JSON Schema)."""

    extends: str | None = Field(None, description="the model this one starts from: a name or a path")
    set: dict[str, Any] = Field(default_factory=dict, description="edits by path; null removes")
    stage_defaults: dict[str, Any] = Field(default_factory=dict, description="merged into each stage")
