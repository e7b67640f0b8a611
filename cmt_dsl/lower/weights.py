"""Parameters by path: how they start, and what MindSpore calls them. The only naming authority."""

from __future__ import annotations

import keyword
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from cmt_dsl.errors import CmtError
from cmt_dsl.ir import Array, Graph, Node, ParamInfo

MINDSPORE = {
    "batch_norm": {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    },
    "layer_norm": {"weight": "gamma", "bias": "beta"},
}
"""Parameter names that MindSpore has of its own, by operator."""

TAKEN = frozenset(
    [
        "bprop",
        "cast_inputs",
        "cast_param",
        "cells",
        "cls_name",
        "compile",
        "construct",
        "extend_repr",
        "flatten_weights",
        "generate_scope",
        "get_flags",
        "get_func_graph_proto",
        "get_inputs",
        "get_parameters",
        "get_scope",
        "infer_param_pipeline_stage",
        "init_parameters_data",
        "insert_child_to_cell",
        "insert_param_to_cell",
        "jit_config_dict",
        "load_parameter_slice",
        "name_cells",
        "offload",
        "param_prefix",
        "parameter_layout_dict",
        "parameters_and_names",
        "parameters_broadcast_dict",
        "parameters_dict",
        "pipeline_stage",
        "pipeline_segment",
        "place",
        "recompute",
        "register_buffer",
        "remove_redundant",
        "requires_grad",
        "run_construct",
        "set_attr_for_tensor",
        "set_grad",
        "set_train",
        "shard",
        "state_dict",
        "structure",
        "to",
        "to_float",
        "train",
        "training",
        "trainable_params",
        "untrainable_params",
        "update_cell_prefix",
        "update_cell_type",
        "update_parameters_name",
        "self",
        "x",
        "add_flags",
        "add_flags_recursive",
        "apply",
        "buffers",
        "check_names",
        "default_input",
        "exec_checkpoint_graph",
        "cells_and_names",
        "cell_init_args",
        "bprop_debug",
        "bug_report",
        "comm_fusion",
        "pynative_forward_pre_hook",
        "ms",
        "nn",
        "ops",
        "Tensor",
        "Parameter",
        "images",
    ]
)
"""Attribute names that a generated Cell must not give to its parts."""


def attribute(name: str) -> str:
    """A node's name as an attribute of a generated Cell."""
    bare = name.rstrip("_")  # `training_` must move on too, or it would meet `training`
    return f"{name}_" if bare in TAKEN or keyword.iskeyword(bare) else name


def mindspore_name(node: Node, parameter: str) -> str:
    """What MindSpore calls a parameter of a node."""
    path = ".".join(attribute(part) for part in node.path.split("."))
    if not parameter:
        return path
    return f"{path}.{MINDSPORE.get(node.op.kind, {}).get(parameter, parameter)}"


def canonical_names(graph: Graph) -> dict[str, str]:
    """MindSpore's name to the path, for every parameter of the graph."""
    return {
        mindspore_name(node, param.name): node.param_path(param)
        for node in graph.nodes
        for param in node.params
    }


def initial(graph: Graph, seed: int) -> dict[str, Array]:
    """Starting values, a function of the seed and each parameter's path alone."""
    return {info.path: _start(info, seed) for info in graph.params}


def _start(info: ParamInfo, seed: int) -> Array:
    if info.init in ("zeros", "ones"):
        return (np.zeros if info.init == "zeros" else np.ones)(info.shape, np.float32)
    random = np.random.default_rng([seed, zlib.crc32(info.path.encode())])
    values = random.standard_normal(info.shape, dtype=np.float32)
    if info.init == "he_fan_out":
        return values * np.float32((2.0 / info.fan_out) ** 0.5)
    if info.init == "trunc_normal_02":
        return np.clip(values * np.float32(0.02), -2, 2)
    return values


def check(graph: Graph, weights: Mapping[str, Array]) -> None:
    """Raise CMT-402 unless `weights` has exactly the graph's parameters, in their shapes."""
    wanted = {info.path: info.shape for info in graph.params}
    wrong = [f"missing {path}" for path in wanted if path not in weights]
    wrong += [f"unexpected {path}" for path in weights if path not in wanted]
    for path, shape in wanted.items():
        if path in weights and tuple(weights[path].shape) != shape:
            wrong.append(f"{path} has shape {tuple(weights[path].shape)}, not {shape}")
    if wrong:
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        hint = "the weights belong to another model, or to another version of it"
        raise CmtError("CMT-402", "weights do not fit: " + "; ".join(wrong[:5]) + more, hint=hint)


def read(cell: Any, graph: Graph) -> dict[str, Array]:
    """A MindSpore cell's parameters by path, as copies."""
    parameters = cell.parameters_dict()
    return {
        path: np.array(parameters[name].asnumpy(), copy=True) for name, path in canonical_names(graph).items()
    }


def write(cell: Any, graph: Graph, weights: Mapping[str, Array]) -> None:
    """Put `weights` into a MindSpore cell, strictly: every one, in its shape, or CMT-402."""
    import mindspore

    check(graph, weights)
    parameters = cell.parameters_dict()
    for name, path in canonical_names(graph).items():
        value = np.ascontiguousarray(weights[path], dtype=np.float32)
        parameters[name].set_data(mindspore.Tensor(value.copy()))
