"""Where a Chromium is found, and how `make test` gets one: `python -m tests.browsers`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
UNWANTED = "CMT_NO_BROWSER"
NAMED = "CMT_CHROMIUM"
WAIT = 900
"""Seconds that an installation may take."""


def unwanted() -> bool:
    """Whether the tests of pages are to be left out on purpose."""
    return os.environ.get(UNWANTED) == "1"


def find() -> str | None:
    """A Chromium's program: the one that is named, one on the path, or Playwright's own."""
    named = os.environ.get(NAMED)
    if named:
        return named if Path(named).exists() else None
    return next(filter(None, map(shutil.which, PROGRAMS)), None) or _playwrights()


def _playwrights() -> str | None:
    code = "from playwright.sync_api import sync_playwright as p\nwith p() as q: print(q.chromium.executable_path)"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    path = done.stdout.strip()
    return path if done.returncode == 0 and Path(path).is_file() else None


def install() -> str:
    """Try to get one; what was tried, and what became of it, in words."""
    if os.environ.get(NAMED):
        return f"{NAMED} names {os.environ[NAMED]}, which is not there"
    apt = shutil.which("apt-get")
    if apt and os.geteuid() == 0:
        print("installing Debian's chromium for the tests of pages …", flush=True)
        why = _tried([apt, "update", "-qq"]) or _tried(
            [apt, "install", "-qq", "--no-install-recommends", "chromium"]
        )
        if not why or find():
            return why
        tried = f"apt-get: {why}; "
    else:
        tried = "no apt-get; " if not apt else "not root, so no apt-get; "
    print("asking Playwright for its chromium, for the tests of pages …", flush=True)
    why = _tried([sys.executable, "-m", "playwright", "install", "chromium"])
    return f"{tried}playwright install chromium: {why}" if why else ""


def _tried(command: list[str]) -> str:
    """Run a command; its last line if it fails, else nothing."""
    with tempfile.TemporaryFile("w+") as log:
        try:
            done = subprocess.run(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, timeout=WAIT,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        log.seek(0)
        lines = [line.strip() for line in log if line.strip()]
    return "" if done.returncode == 0 else (lines[-1] if lines else f"exit code {done.returncode}")


def missing() -> str:
    """What is to be done where there is none."""
    return f"no Chromium: apt-get install chromium, or set {NAMED} to its program ({UNWANTED}=1 accepts it)"


def main() -> None:
    """Find a browser or install one; say loudly if there is none. The tests themselves decide what that means."""
    if unwanted() or find():
        return
    why = install()
    if not find():
        print(f"{missing()}\n  {why or 'installed, and yet not found'}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
