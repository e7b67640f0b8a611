"""What a list of published weights may say; `specs/published.yaml` is one."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from cmt_dsl.spec.schema import Strict

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*(@[A-Za-z0-9][A-Za-z0-9_-]*)?$"
"""MODEL, or MODEL@VARIANT where several are published."""
Percent = Annotated[float, Field(ge=0, le=100)]
Text = Annotated[str, Field(min_length=1, max_length=300)]


def _web_address(text: str) -> str:
    wrong = "should be an address that starts with https:// or http://"
    try:
        parts = urlsplit(text)
        web = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 80)
    except ValueError:
        raise ValueError(wrong) from None
    if not web or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(wrong)
    if parts.username is not None or parts.password is not None:
        raise ValueError("should hold no user name and no password")
    return text


Address = Annotated[Text, AfterValidator(_web_address)]


class Result(Strict):
    """An accuracy that others report of a model."""

    model: Text
    profile: Text
    top1: Percent
    source: Text
    note: str = ""


class Entry(Strict):
    """One published file of weights, and which model it has to fit exactly."""

    name: Annotated[str, Field(pattern=NAME, max_length=64)]
    model: Annotated[Text, Field(description="a shipped name, or a YAML file beside this list")]
    profile: Annotated[str | None, Field(description="whose numerics; null: the model's own")] = None
    set: Annotated[dict[str, Any], Field(description="edits of the model, by dotted path")] = Field(
        default_factory=dict
    )
    url: Annotated[Address | None, Field(description="where the file itself lies")] = None
    page: Annotated[Address | None, Field(description="a page to fetch it from by hand, for --from")] = None
    read_in: Annotated[Text, Field(description="where that address was read")]
    license: Text
    weights: Annotated[Text, Field(description="raw, ema, or the key of a state dict")] = "raw"
    sha256: Annotated[
        str | None, Field(pattern="^[0-9a-f]{8,64}$", description="the digest, or how it begins")
    ] = None
    bytes: Annotated[int | None, Field(ge=1, description="its exact size")] = None
    classes: Annotated[Literal["imagenet"] | None, Field(description="whose class names it answers in")] = (
        None
    )
    top1: Percent | None = None
    top5: Percent | None = None
    note: str = ""

    @model_validator(mode="after")
    def _one_address(self) -> Entry:
        if (self.url is None) == (self.page is None):
            raise ValueError("give 'url', the file itself, or 'page', where people find it: one of the two")
        return self


class PublishedList(Strict):
    """A file of published weights and results."""

    published: Text
    doc: str = ""
    results: list[Result] = Field(default_factory=list)
    weights: list[Entry] = Field(default_factory=list)
