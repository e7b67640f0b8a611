"""A pickle read as data: an interpreter of the opcodes that torch.save writes, which imports and calls nothing.

`pickletools.genops` cuts the bytes into opcodes; here they build dicts, lists, tuples, numbers, text and the inert
records below. Any other opcode or global ends the reading: CMT-631. No object is ever found by its name, so there
is nothing that a file could run. Memory is bounded by the number of opcodes, each of which makes one small object.
"""

from __future__ import annotations

import io
import pickletools
import struct
from collections.abc import Callable
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.checkpoint.inert import (
    CALLS,
    NAMESPACE,
    ORDERED,
    STORAGES,
    DType,
    Global,
    Inert,
    StorageRef,
    dict_key,
    natural,
)

MOST_OPCODES = 1_000_000
"""CMT-B with an optimiser's state has about 150,000."""


def read_pickle(file: io.BytesIO, name: str) -> tuple[Any, dict[str, StorageRef]]:
    """The next pickle in `file` as inert data, and the storages it mentions by key.

    CMT-630 if it is damaged, CMT-631 if it holds more than weights.
    """
    machine = _Machine(name)
    return machine.run(file), machine.storages


class _Machine:
    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, StorageRef] = {}

    def run(self, file: io.BytesIO) -> Any:
        try:
            for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
                if count >= MOST_OPCODES:
                    raise self.refuse(f"more than {MOST_OPCODES:,} opcodes: no list of weights is that long")
                if opcode.name == "STOP":
                    return self.stack.pop()
                action = ACTIONS.get(opcode.name)
                if action is None:
                    raise self.refuse(f"the opcode {opcode.name}, which no file of weights needs")
                action(self, argument)
        except (
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            AttributeError,
            OverflowError,
            struct.error,
        ) as error:
            reason = str(error).split("\n")[0][:120] or type(error).__name__
            raise CmtError(
                "CMT-630",
                f"{self.name} is damaged: its pickle makes no sense ({reason})",
                hint="copy it again",
            ) from None
        raise CmtError("CMT-630", f"{self.name} is damaged: its pickle has no end", hint="copy it again")

    def refuse(self, what: str) -> CmtError:
        return CmtError(
            "CMT-631",
            f"{self.name} is refused: its pickle holds {what}",
            hint="nothing of it was run; only tensors, OrderedDict, numpy scalars and argparse.Namespace (as data) "
            "are read: save the model's state_dict() alone",
        )

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def find(self, module: str, name: str) -> Global:
        full = f"{module}.{name}"
        if full in CALLS or full in (NAMESPACE, "torch.Size") or (module == "torch" and name in STORAGES):
            return Global(full)
        raise self.refuse(f"the global {full[:100]!a}")

    def stack_global(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a global whose name is not text")
        self.push(self.find(module, name))

    def get_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.push(self.find(module, name))

    def reduce(self, _: object) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple) or not isinstance(function, Global) or function.name not in CALLS:
            raise self.refuse("a call of something that is not a function for tensors")
        if function.name == ORDERED and arguments:
            raise self.refuse("an OrderedDict as Python 2 wrote it")
        self.push(CALLS[function.name](*arguments))

    def new_object(self, _: object) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        if kind == Global(NAMESPACE) and arguments == ():
            self.push(Inert(NAMESPACE))
        elif kind == Global(ORDERED) and arguments == ():
            self.push({})
        else:
            raise self.refuse("an object of another class")

    def build(self, _: object) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Inert) and isinstance(state, dict):
            target.state = state
        elif isinstance(target, DType) and isinstance(state, tuple):
            if state[1] not in ("<", "|", "="):
                raise self.refuse("a number of foreign byte order")
        elif not (
            isinstance(target, dict) and isinstance(state, dict)
        ):  # attributes of an OrderedDict: _metadata
            raise self.refuse("a state for something that has none")

    def persistent(self, _: object) -> None:
        kind, storage, key, _place, count, *view = self.stack.pop()
        if kind != "storage" or not isinstance(storage, Global) or not isinstance(key, str):
            raise ValueError("a reference to something that is not a storage")
        if any(part is not None for part in view):
            raise self.refuse("a view of a storage as PyTorch before 0.4 wrote it")
        module, _, name = storage.name.rpartition(".")
        if module != "torch" or name not in STORAGES:
            raise ValueError("a storage of unknown type")
        ref = StorageRef(key, STORAGES[name], natural(count))
        if self.storages.setdefault(key, ref) != ref:
            raise ValueError("one storage of two types")
        self.push(ref)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise ValueError("items set on something that is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[dict_key(key)] = value

    def set_item(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise ValueError("items appended to something that is not a list")
        target.extend(items)

    def fixed_tuple(self, size: int) -> None:
        if len(self.stack) < size:
            raise ValueError("a tuple of missing items")
        items = tuple(self.stack[-size:])
        del self.stack[-size:]
        self.push(items)

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]


M = _Machine
ACTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    **dict.fromkeys(["PROTO", "FRAME"], lambda m, a: None),
    **dict.fromkeys(
        ["BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "BINFLOAT", "FLOAT", "UNICODE",
         "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING",
         "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"],
        M.push,
    ),
    "NONE": lambda m, a: m.push(None),
    "NEWTRUE": lambda m, a: m.push(True),
    "NEWFALSE": lambda m, a: m.push(False),
    "EMPTY_DICT": lambda m, a: m.push({}),
    "EMPTY_LIST": lambda m, a: m.push([]),
    "EMPTY_TUPLE": lambda m, a: m.push(()),
    "MARK": lambda m, a: m.marks.append(len(m.stack)),
    "TUPLE": lambda m, a: m.push(tuple(m.pop_mark())),
    "TUPLE1": lambda m, a: m.fixed_tuple(1),
    "TUPLE2": lambda m, a: m.fixed_tuple(2),
    "TUPLE3": lambda m, a: m.fixed_tuple(3),
    "LIST": lambda m, a: m.push(m.pop_mark()),
    "DICT": lambda m, a: (lambda items: (m.push({}), m.set_items(items)))(m.pop_mark()),
    "APPEND": lambda m, a: m.append([m.stack.pop()]),
    "APPENDS": lambda m, a: m.append(m.pop_mark()),
    "SETITEM": M.set_item,
    "SETITEMS": lambda m, a: m.set_items(m.pop_mark()),
    "GLOBAL": M.get_global,
    "STACK_GLOBAL": M.stack_global,
    "REDUCE": M.reduce,
    "NEWOBJ": M.new_object,
    "BUILD": M.build,
    "BINPERSID": M.persistent,
    **dict.fromkeys(["BINPUT", "LONG_BINPUT", "PUT"], M.remember),
    "MEMOIZE": lambda m, a: m.remember(len(m.memo)),
    **dict.fromkeys(["BINGET", "LONG_BINGET", "GET"], lambda m, a: m.push(m.memo[a])),
}  # fmt: skip
