"""The command `cmt`, one module per group of verbs."""

from runtime.cli.app import main

__all__ = ["main"]
