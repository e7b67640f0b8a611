"""The operators: one class a file, found here by kind."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from pydantic import TypeAdapter

from cmt_dsl.ir import Op

_NOT_OPS = {"attributes", "axes", "pooling", "reduction", "windows"}


@lru_cache(maxsize=1)
def registry() -> dict[str, type[Op]]:
    """Every operator by its kind, sorted; a new file in this folder is found by itself."""
    found: dict[str, type[Op]] = {}
    for info in iter_modules(__path__):
        if info.name not in _NOT_OPS:
            module = import_module(f"{__name__}.{info.name}")
            for value in vars(module).values():
                if isinstance(value, type) and issubclass(value, Op) and value.__module__ == module.__name__:
                    if value.kind in found:
                        raise ValueError(
                            f"two operators are called {value.kind}: {found[value.kind]}, {value}"
                        )
                    found[value.kind] = value
    return dict(sorted(found.items()))


@lru_cache(maxsize=64)
def adapter(kind: str) -> TypeAdapter[Op]:
    """Pydantic's reader of one operator's attributes: types and bounds."""
    return TypeAdapter(registry()[kind])


def make(kind: str, attributes: dict[str, Any]) -> Op:
    """An operator from its attributes; raises `pydantic.ValidationError`."""
    return adapter(kind).validate_python(attributes)
