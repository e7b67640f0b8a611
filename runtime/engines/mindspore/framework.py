"""MindSpore as a framework of training; importing this loads nothing of it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

from cmt_dsl.lower.mindspore.process import prepare
from runtime.device.environment import native_errors, native_noise_to, set_device, temporary_log
from runtime.jobs.world import SOLO, World
from runtime.msrun import launched
from runtime.recipe.precision import require_precision
from runtime.recipe.schema import DeviceGroup
from runtime.train.engine import Engine
from runtime.train.plan import Plan


class MindSpore:
    """See `train.engine.Framework`."""

    name = "mindspore"

    def join(self, device: DeviceGroup) -> World:
        if not launched():
            return SOLO
        from runtime.engines.mindspore.workers import join

        return join(device)

    def require(self, device: DeviceGroup, out: Path) -> None:
        prepare(out)  # where MindSpore is to leave its failure dumps, once there is a run
        with temporary_log("train") as log, native_noise_to(log):
            require_precision(device.amp, device.amp_dtype, set_device(device))

    @contextlib.contextmanager
    def session(self, log: Path) -> Generator[None, None, None]:
        with native_noise_to(log), native_errors(log):
            yield

    def open(self, plan: Plan, world: World, file: Path | None) -> Engine:
        from runtime.engines.mindspore.engine import MindSporeEngine

        return MindSporeEngine(plan, world, file)


FRAMEWORK = MindSpore()
