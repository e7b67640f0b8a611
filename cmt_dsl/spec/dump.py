"""Plain data as YAML that this package's reader reads back the same."""

from __future__ import annotations

from typing import Any

import yaml

from cmt_dsl.spec.tree import scalar


class _Dumper(yaml.SafeDumper):
    """Quotes the strings that our reader (YAML 1.2) would take for numbers or words."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.ScalarNode:
    style = None if isinstance(scalar(data), str) else "'"
    return dumper.represent_scalar(  # pyright: ignore[reportUnknownMemberType]
        "tag:yaml.org,2002:str", data, style=style
    )


def _number(dumper: yaml.SafeDumper, data: float) -> yaml.ScalarNode:
    return dumper.represent_scalar(  # pyright: ignore[reportUnknownMemberType]
        "tag:yaml.org,2002:float", _repr(data)
    )


def _repr(data: float) -> str:
    text = repr(data)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")  # YAML 1.1, which the dumper follows, wants the point
    return text.replace("inf", ".inf").replace("nan", ".nan")


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)


def dump_data(data: Any) -> str:
    """Plain data as YAML."""
    write: Any = yaml.dump  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return str(write(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100))
