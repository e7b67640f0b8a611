"""The workers that msrun started, joined by MindSpore: HCCL on Ascend, MindSpore's own collectives on the CPU."""

from __future__ import annotations

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.device.environment import mindspore, set_device
from runtime.engines.mindspore.collectives import Collective
from runtime.jobs.world import SOLO, World
from runtime.msrun import is_scheduler, launched
from runtime.recipe.schema import DeviceGroup

ms = mindspore()
from mindspore.communication import get_group_size, get_rank, init  # noqa: E402


class Collectives:
    """`World`'s transport."""

    def gathered(self, value: np.ndarray) -> np.ndarray:
        return _carried("AllGather", value)

    def summed(self, value: np.ndarray) -> np.ndarray:
        return _carried("AllReduce", value)

    def of_first(self, value: np.ndarray) -> np.ndarray:
        return _carried("Broadcast", value)


def join(device: DeviceGroup) -> World:
    """This process's place among the workers; the scheduler stays inside until they are done, and exits.

    CMT-721 if the workers cannot be joined.
    """
    if not launched():
        return SOLO
    if is_scheduler():
        ms.set_device("CPU")
    else:
        set_device(device)
    try:
        init()
    except (RuntimeError, ValueError, TypeError) as error:
        raise CmtError(
            "CMT-721",
            f"the workers could not be joined: {str(error).strip().splitlines()[0][:200]}",
            hint="is the port free, are all workers started, do they reach the master?",
        ) from None
    if is_scheduler():
        raise SystemExit(0)
    world = World(get_rank(), get_group_size(), Collectives())
    if world.size > 1:
        ms.set_auto_parallel_context(
            parallel_mode="data_parallel", gradients_mean=True, device_num=world.size
        )
    return world


def _carried(kind: str, value: np.ndarray) -> np.ndarray:
    return Collective(kind)(ms.Tensor(value)).asnumpy()
