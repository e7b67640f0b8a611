"""What MindSpore calls parameters and parts of a generated Cell. The only naming authority."""

from __future__ import annotations

import keyword

from cmt_dsl.ir import Graph, Node

TAKEN = frozenset(
    [
        "Parameter",
        "Tensor",
        "images",
        "ms",
        "nn",
        "ops",
        "self",
        "structure",
        "x",
        "IGNORE_LIST",
        "T_destination",
        "add_flags",
        "add_flags_recursive",
        "apply",
        "arguments_key",
        "bprop",
        "bprop_debug",
        "buffers",
        "bug_report",
        "cast_inputs",
        "cast_param",
        "cell_init_args",
        "cell_type",
        "cells",
        "cells_and_names",
        "check_names",
        "check_names_and_refresh_name",
        "cls_name",
        "comm_fusion",
        "compile",
        "compile_and_run",
        "compile_cache",
        "compile_phase",
        "compiled",
        "construct",
        "create_time",
        "default_input",
        "enable_backward_hook",
        "exec_checkpoint_graph",
        "exist_names",
        "exist_objs",
        "extend_repr",
        "flatten_weights",
        "generate_scope",
        "get_buffer",
        "get_extra_state",
        "get_flags",
        "get_func_graph_proto",
        "get_inputs",
        "get_mixed_precision_type",
        "get_parameters",
        "get_scope",
        "get_sub_cell",
        "global_cells",
        "grad_ops_label",
        "has_bprop",
        "infer_param_pipeline_stage",
        "init_parameters_data",
        "insert_child_to_cell",
        "insert_param_to_cell",
        "is_top_cell",
        "jit_config_dict",
        "load_parameter_slice",
        "load_state_dict",
        "mixed_precision_type",
        "name_cells",
        "named_buffers",
        "offload",
        "parallel_parameter_merge_net_dict",
        "parallel_parameter_name_list",
        "param_prefix",
        "parameter_layout_dict",
        "parameters_and_names",
        "parameters_broadcast_dict",
        "parameters_dict",
        "phase",
        "phase_cache",
        "pipeline_segment",
        "pipeline_stage",
        "place",
        "pynative_forward_pre_hook",
        "recompute",
        "register_backward_hook",
        "register_backward_pre_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_parameter_forward_hook",
        "register_saved_tensors_hooks",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "remove_redundant",
        "remove_redundant_parameters",
        "requires_grad",
        "run_construct",
        "set_attr_for_tensor",
        "set_boost",
        "set_broadcast_flag",
        "set_comm_fusion",
        "set_data_parallel",
        "set_extra_state",
        "set_grad",
        "set_inputs",
        "set_jit_config",
        "set_mixed_precision_type",
        "set_train",
        "shard",
        "state_dict",
        "to",
        "to_empty",
        "to_float",
        "total_instance_count",
        "train",
        "trainable_params",
        "training",
        "untrainable_params",
        "update_cell_prefix",
        "update_cell_type",
        "update_parameters_name",
    ]
)
"""Names that a part of a generated Cell must not have: the module's own, then what `nn.Cell` has (2.10)."""


def attribute(name: str) -> str:
    """A node's name as an attribute of a generated Cell."""
    bare = name.rstrip("_")  # `training_` must move on too, or it would meet `training`
    return f"{name}_" if bare in TAKEN or keyword.iskeyword(bare) else name


def mindspore_name(node: Node, parameter: str) -> str:
    """What MindSpore calls a parameter of a node."""
    path = ".".join(attribute(part) for part in node.path.split("."))
    if not parameter:
        return path
    return f"{path}.{node.op.mindspore_names.get(parameter, parameter)}"


def canonical_names(graph: Graph) -> dict[str, str]:
    """MindSpore's name to the path, for every parameter of the graph."""
    return {
        mindspore_name(node, param.name): node.param_path(param)
        for node in graph.nodes
        for param in node.params
    }
