"""A pickle read as data: an interpreter of the opcodes that torch.save writes, which imports and calls nothing.

`pickletools.genops` cuts the bytes into opcodes; here they build dicts, lists, tuples, numbers, text and inert
records. An object of any other class, and the result of any other call, is a placeholder that carries its name and
nothing else: it may lie beside weights, and not among them. No name is ever looked up, so there is nothing that a file
could run. Memory is bounded by the number of opcodes, each of which makes one small object.
"""

from __future__ import annotations

import io
import pickletools
import struct
from collections.abc import Callable
from typing import Any

from cmt_dsl.errors import CmtError
from runtime.checkpoint.formats.inert import (
    CALLS,
    ORDERED,
    STORAGES,
    TENSORS,
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
            hint="nothing of it was run; save the model's state_dict() alone",
        )

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> None:
        """Take off the last value, or a mark that nothing lies above of."""
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.stack.pop()

    def pop_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def stack_global(self, _: object) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a global whose name is not text")
        self.push(Global(f"{module}.{name}"))

    def get_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.push(Global(f"{module}.{name}"))

    def reduce(self, _: object) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple):
            raise ValueError("a call without arguments")
        self.push(self.called(function, arguments))

    def called(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """What stands for the result of a call: of this module's own answer, or a placeholder. Nothing is called."""
        if not isinstance(function, Global | Inert):
            raise ValueError("a call of something that is no function")
        answer = CALLS.get(function.name) if isinstance(function, Global) else None
        if answer is None or (function.name == ORDERED and arguments):
            return Inert(function.name[:200])
        if function.name in TENSORS:
            return answer(*arguments)
        try:
            return answer(*arguments)
        except (ValueError, TypeError):
            return Inert(function.name)

    def new_object(self, _: object) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        self.push({} if kind == Global(ORDERED) and arguments == () else self.made(kind))

    def new_object_with_keywords(self, _: object) -> None:
        del self.stack[-2:]
        self.push(self.made(self.stack.pop()))

    def instance(self, argument: str) -> None:
        self.pop_mark()
        self.push(Inert(argument.replace(" ", ".")[:200]))

    def an_object(self, _: object) -> None:
        self.push(self.made(self.pop_mark()[0]))

    def made(self, kind: Any) -> Inert:
        """A placeholder for an object of a class."""
        if not isinstance(kind, Global | Inert):
            raise ValueError("an object of something that is no class")
        return Inert(kind.name[:200])

    def build(self, _: object) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, DType) and isinstance(state, tuple):
            if state[1] not in ("<", "|", "="):
                self.stack[-1] = Inert("numpy.dtype")  # of foreign byte order
        elif not isinstance(target, Inert | dict):  # attributes are dropped: an OrderedDict's _metadata too
            raise ValueError("a state for something that has none")

    def persistent(self, _: object) -> None:
        reference = self.stack.pop()
        if not isinstance(reference, tuple) or len(reference) < 5 or reference[0] != "storage":
            self.push(Inert("an object outside the pickle"))
            return
        _, storage, key, _place, count, *view = reference
        if not isinstance(storage, Global) or not isinstance(key, str):
            raise ValueError("a reference to something that is not a storage")
        if any(part is not None for part in view):
            raise self.refuse("a view of a storage as PyTorch before 0.4 wrote it")
        module, _, name = storage.name.rpartition(".")
        if module != "torch" or name not in STORAGES:
            self.push(Inert(storage.name[:200]))
            return
        ref = StorageRef(key, STORAGES[name], natural(count))
        if self.storages.setdefault(key, ref) != ref:
            raise ValueError("one storage of two types")
        self.push(ref)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Inert):
            return
        if not isinstance(target, dict):
            raise ValueError("items set on something that is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[dict_key(key)] = value

    def set_item(self, _: object) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Inert):
            return
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
    "NEWOBJ_EX": M.new_object_with_keywords,
    "INST": M.instance,
    "OBJ": M.an_object,
    **dict.fromkeys(["EXT1", "EXT2", "EXT4"], lambda m, a: m.push(Inert("an extension"))),
    "EMPTY_SET": lambda m, a: m.push(Inert("builtins.set")),
    "ADDITEMS": lambda m, a: m.append(m.pop_mark()),
    "FROZENSET": lambda m, a: (m.pop_mark(), m.push(Inert("builtins.frozenset"))),
    "BYTEARRAY8": lambda m, a: m.push(Inert("builtins.bytearray")),
    "PERSID": lambda m, a: m.push(Inert("an object outside the pickle")),
    "POP": lambda m, a: m.pop(),
    "POP_MARK": lambda m, a: m.pop_mark(),
    "DUP": lambda m, a: m.push(m.stack[-1]),
    "BUILD": M.build,
    "BINPERSID": M.persistent,
    **dict.fromkeys(["BINPUT", "LONG_BINPUT", "PUT"], M.remember),
    "MEMOIZE": lambda m, a: m.remember(len(m.memo)),
    **dict.fromkeys(["BINGET", "LONG_BINGET", "GET"], lambda m, a: m.push(m.memo[a])),
}  # fmt: skip
