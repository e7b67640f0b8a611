"""Every test run sets the processor variables before MindSpore can be imported."""

from __future__ import annotations

import os

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")
os.environ.setdefault("GLOG_v", "3")

from tests.chromium import browser, see  # noqa: F401
