"""`cmt weights get` and its like, as a user starts them: the right file, once, whole, and known the next time."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cmt_dsl.weights.initial import initial
from runtime.checkpoint.file import load_checkpoint, save_checkpoint
from runtime.checkpoint.formats.mindfile import write_mindspore
from runtime.checkpoint.formats.torchwrite import write_torch
from runtime.checkpoint.recognise import names_of
from runtime.published import take
from tests.cli.cmt import Done, cmt
from tests.runtime.checkpoint.archives import archive
from tests.runtime.checkpoint.samples import checkpoint_of
from tests.runtime.published.host import Asked, Host, cut
from tests.runtime.published.made import graph, listed, weights
from tests.tiny import ROOT


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "weights"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def get(tmp_path: Path, url: str | None, *args: object, **entry: Any) -> Done:
    """`cmt weights get nano` from a list with one entry."""
    file = listed(tmp_path, {"url": url, **entry})
    return cmt("weights", "get", "nano", "--list", file, *args, cwd=tmp_path)


def test_from_address_to_checkpoint(tmp_path: Path, host: Host, place: Path) -> None:
    url = host.serve(weights())
    done = get(tmp_path, url)
    assert done.code == 0 and done.err == ""
    file = place / "nano.safetensors"
    for line in (f" from {url}", f"  sha256 {digest(weights())}", f"  {file}", "  use it as pretrained:nano"):
        assert f"{line}\n" in done.out
    assert "pth in the names of the official PyTorch code: cmt_nano, profile official" in done.out
    checkpoint = load_checkpoint(file)
    expected = initial(graph(), 0)
    assert checkpoint.arrays.keys() == expected.keys()
    assert all(np.array_equal(checkpoint.arrays[path], value) for path, value in expected.items())
    origin = checkpoint.origin
    assert (origin["by"], origin["from"], origin["sha256"]) == ("cmt weights get", url, digest(weights()))
    assert sorted(p.name for p in place.iterdir()) == ["nano.json", "nano.safetensors"]
    assert not [line for line in done.out.splitlines() if "\r" in line or "\x1b" in line]


def test_what_is_here_is_not_fetched_again(tmp_path: Path, host: Host, place: Path) -> None:
    url = host.serve(weights())
    get(tmp_path, url)
    done = get(tmp_path, url, "--json")
    assert done.code == 0 and done.json["already"] and done.json["sha256"] == digest(weights())
    assert len(host.asked) == 1
    again = get(tmp_path, url, "--overwrite", "--json")
    assert again.code == 0 and not again.json["already"] and len(host.asked) == 2
    moved = get(tmp_path, host.serve(weights(), "/new"))
    assert moved.code == 0 and "--overwrite" in moved.out and len(host.asked) == 2


def test_damage_in_the_cache_is_noticed_and_mended(tmp_path: Path, host: Host, place: Path) -> None:
    url = host.serve(weights())
    get(tmp_path, url)
    file = place / "nano.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert "CMT-603" in cmt("inspect", "pretrained:nano").err
    done = get(tmp_path, url)
    assert done.code == 0 and "cannot be used" in done.out
    assert cmt("verify", "pretrained:nano").code == 0


def test_a_changed_file_is_an_error_until_it_is_accepted(tmp_path: Path, host: Host, place: Path) -> None:
    url = host.serve(weights(0))
    get(tmp_path, url)
    assert cmt("weights", "remove", "nano").code == 0
    host.serve(weights(1), etag='"2"')
    done = get(tmp_path, url)
    new = digest(weights(1))
    assert done.code == 2 and "CMT-654" in done.err and digest(weights(0)) in done.err
    assert f"cmt weights get nano --sha256 {new}" in done.err
    assert not (place / "nano.safetensors").exists()
    assert get(tmp_path, url, "--sha256", new[:12]).code == 0
    assert host.asked[-1][1] == f"bytes={len(weights(1))}-"  # what was there already is not sent again
    assert get(tmp_path, url, "--overwrite").code == 0  # it is the known one now


@pytest.mark.parametrize("entry", [{"sha256": "0" * 8}, {"bytes": 10**7}])
def test_the_list_may_know_better(entry: dict[str, Any], tmp_path: Path, host: Host, place: Path) -> None:
    url = host.serve(weights())
    done = get(tmp_path, url, **entry)
    assert done.code == 2 and ("CMT-654" in done.err or "CMT-655" in done.err)
    assert not (place / "nano.safetensors").exists()
    right = {"sha256": digest(weights())[:8]} if "sha256" in entry else {"bytes": len(weights())}
    assert get(tmp_path, url, **right).code == 0
    assert get(tmp_path, url, "--sha256", "12345678", "--overwrite").code == 2
    assert get(tmp_path, url, "--sha256", "xyz").code == 2


def bomb(canary: Path) -> bytes:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {canary}",)

    return archive(pickle.dumps({"model": {"weight": Bomb()}}, 2))


def pth(folder: Path, change: Callable[[dict[str, np.ndarray]], Any]) -> bytes:
    arrays = initial(graph(), 0)
    named = {theirs: arrays[ours].copy() for ours, theirs in names_of(graph(), "official").items()}
    change(named)
    write_torch(folder / "changed.pth", named)
    return (folder / "changed.pth").read_bytes()


def native(folder: Path, **edits: Any) -> bytes:
    save_checkpoint(folder / "n.safetensors", checkpoint_of("cmt_nano", **edits))
    return (folder / "n.safetensors").read_bytes()


WRONG: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "of other classes": (lambda p: native(p, classes=7), "CMT-604"),
    "of another profile": (lambda p: native(p, profile="mindcv"), "CMT-6"),
    "a weight too few": (lambda p: pth(p, lambda w: w.popitem()), "CMT-634"),
    "a weight too many": (lambda p: pth(p, lambda w: w.update(more=w["head.weight"])), "CMT-634"),
    "another shape": (
        lambda p: pth(p, lambda w: w.update({"head.weight": w["head.weight"][:5]})),
        "CMT-634",
    ),
    "not finite": (lambda p: pth(p, lambda w: w["head.weight"].fill(np.nan)), "CMT-610"),
    "truncated": (lambda p: weights()[:100_000], "CMT-630"),
    "a pickle bomb": (lambda p: bomb(p / "canary"), "CMT-63"),
    "a page": (lambda p: b"<!doctype html><title>404</title>", "CMT-653"),
    "random bytes": (lambda p: np.random.RandomState(0).bytes(1000), "CMT-632"),
    "nothing": (lambda p: b"", "CMT-632"),
    "too much": (lambda p: b"PK" + bytes(80_000_000), "CMT-655"),
}


@pytest.mark.parametrize("by_hand", [False, True], ids=["served", "given"])
@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused(
    what: str, by_hand: bool, tmp_path: Path, host: Host, place: Path
) -> None:
    make, code = WRONG[what]
    data = make(tmp_path)
    (tmp_path / "given.pth").write_bytes(data)
    url = host.serve(data)
    done = get(tmp_path, url, *(["--from", "given.pth"] if by_hand else []))
    assert done.code == 2 and code in done.err and "hint" in done.err, done.err
    assert ("given.pth" if by_hand else url) in done.err and ".part" not in done.err
    assert not [p.name for p in place.iterdir()] and not (tmp_path / "canary").exists()
    assert (tmp_path / "given.pth").read_bytes() == data
    assert cmt("predict", "pretrained:nano", "x.png").code == 2
    host.serve(weights(), etag='"2"')
    assert get(tmp_path, url).code == 0  # nothing of it is in the way


def test_a_length_that_is_too_short_gives_half_a_file(tmp_path: Path, host: Host, place: Path) -> None:
    def short(asked: Asked) -> None:
        asked.head(200, Content_Length=100_000, ETag='"1"')
        asked.body(weights())

    done = get(tmp_path, host.serve(short))
    assert done.code == 2 and "CMT-630" in done.err and not list(place.iterdir())


def test_ckpt_and_native_files_fit_too(tmp_path: Path, host: Host) -> None:
    arrays = initial(graph(), 0)
    write_mindspore(
        tmp_path / "w.ckpt", {theirs: arrays[ours] for ours, theirs in names_of(graph(), "cell").items()}
    )
    assert get(tmp_path, host.serve((tmp_path / "w.ckpt").read_bytes())).code == 0
    cmt("weights", "remove", "--all")
    assert get(tmp_path, host.serve(native(tmp_path), "/n")).code == 0
    assert cmt("inspect", "pretrained:nano", "--json").json["classes"][1] == "Klasse 1 «犬»"


def test_class_names_of_the_data_set_are_kept(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, names = host.serve(weights()), tuple(f"Klasse {i} «犬»" for i in range(10))
    monkeypatch.setattr(take, "class_names", {"imagenet": names}.__getitem__)
    assert "numbers" not in get(tmp_path, url, classes="imagenet").out
    assert cmt("inspect", "pretrained:nano", "--json").json["classes"] == list(names)
    Image.new("RGB", (32, 32), "red").save(tmp_path / "x.png")
    assert "«犬»" in cmt("predict", "pretrained:nano", tmp_path / "x.png", "--backend", "numpy").out
    monkeypatch.setattr(take, "class_names", {"imagenet": names[1:]}.__getitem__)
    done = get(tmp_path, url, "--overwrite", classes="imagenet")
    assert done.code == 0 and "stay numbers: there are 9 names of imagenet for 10" in done.out
    assert get(tmp_path, url, "--overwrite").code == 0


def test_without_network(tmp_path: Path, place: Path) -> None:
    (tmp_path / "w.pth").write_bytes(weights())
    done = get(tmp_path, "http://127.0.0.1:1/w", "--from", "w.pth")
    assert done.code == 0 and (place / "nano.safetensors").exists(), done.err
    assert get(tmp_path, "http://127.0.0.1:1/w", "--from", "gone.pth").code == 2
    (tmp_path / "w.pth").write_bytes(weights(1))
    assert "CMT-654" in get(tmp_path, "http://127.0.0.1:1/w", "--from", "w.pth").err


def test_a_page_is_fetched_by_hand(tmp_path: Path, place: Path) -> None:
    page = {"page": "https://drive.example/file/d/1/view"}
    done = get(tmp_path, None, **page)
    assert done.code == 2 and "CMT-657" in done.err and page["page"] in done.err
    assert "cmt weights get nano --from FILE" in done.err
    (tmp_path / "w.pth").write_bytes(weights())
    assert get(tmp_path, None, "--from", "w.pth", **page).code == 0


def test_a_cache_of_ones_choice(tmp_path: Path, host: Host) -> None:
    done = get(tmp_path, host.serve(weights()), "--cache", tmp_path / "own")
    assert done.code == 0 and (tmp_path / "own/weights/nano.safetensors").exists()
    assert f"CMT_CACHE={tmp_path / 'own'}" in done.out
    (tmp_path / "file").write_text("")
    done = get(tmp_path, host.url(), "--cache", tmp_path / "file")
    assert done.code == 2 and "CMT-656" in done.err and "--cache DIR" in done.err


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cmt("weights", "path").out == f"{tmp_path}/cache/weights\n"
    monkeypatch.delenv("CMT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cmt("weights", "path").out == f"{tmp_path}/xdg/cmt-dsl/weights\n"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative, which the standard says to ignore")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cmt("weights", "path", "--json").json == {"path": f"{tmp_path}/home/.cache/cmt-dsl/weights"}
    assert "CMT-651" in cmt("weights", "path", "cmt_s").err
    assert not (tmp_path / "home").exists()


def test_list_and_remove(tmp_path: Path, host: Host, place: Path) -> None:
    file = listed(
        tmp_path,
        {"url": host.serve(weights())},
        {"name": "nano@b", "url": host.serve(cut(weights(), 70_000), "/b")},
    )
    assert cmt("weights", "get", "nano", "--list", file).code == 0
    assert cmt("weights", "get", "nano@b", "--list", file, "--tries", 1).code == 2
    rows = {row["name"]: row for row in cmt("weights", "list", "--list", file, "--json").json}
    assert rows["nano"]["file"] == str(place / "nano.safetensors")
    assert rows["nano"]["seen"]["sha256"] == digest(weights())
    assert rows["nano@b"]["part"] == 70_000 and rows["nano@b"]["file"] is None
    shown = cmt("weights", "list", "--list", file).out
    assert "70.0 kB of it" in shown and "cmt_s@mindcv-2023" in shown
    assert "nano: here, but in no list" in cmt("weights", "list").out
    assert cmt("weights", "remove").code == 2 and cmt("weights", "remove", "nano", "--all").code == 2
    assert "CMT-651" in cmt("weights", "remove", "cmt_s").err
    done = cmt("weights", "remove", "nano", "nano@b", "--json")
    assert done.code == 0 and done.json["removed"]["nano@b"] >= 70_000
    assert sorted(p.name for p in place.iterdir()) == ["nano.json"]
    (place / "mine.txt").write_text("not of the cache")
    assert cmt("weights", "remove", "--all").code == 0
    assert [p.name for p in place.iterdir()] == ["mine.txt"]
    (place / "mine.txt").unlink()
    assert cmt("weights", "remove", "--all").code == 0 and not place.exists()


def half(asked: Asked, until: Callable[[], bool]) -> None:
    """A sound server that stops in the middle until something has come about."""
    data, begin = weights(), asked.begin
    where = {} if begin is None else {"Content_Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"}
    asked.head(206 if where else 200, Content_Length=len(data) - (begin or 0), ETag='"1"', **where)
    asked.body(data[begin or 0 : 500_000])
    while not until():
        time.sleep(0.02)
    asked.body(data[max(500_000, begin or 0) :])


def started(list_: Path, cwd: Path) -> subprocess.Popen[str]:
    """`cmt weights get nano` in a process of its own."""
    command = [sys.executable, "-m", "runtime.cli", "weights", "get", "nano", "--list", str(list_)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    return subprocess.Popen(
        command, cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_after_a_kill_it_goes_on(number: signal.Signals, tmp_path: Path, host: Host, place: Path) -> None:
    url = host.serve(lambda asked: half(asked, lambda: asked.count > 1 or host.over.is_set()))
    part = place / "nano.part"
    process = started(listed(tmp_path, {"url": url}), tmp_path)
    wait_for(lambda: part.exists() and part.stat().st_size == 500_000)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    if number == signal.SIGINT:
        assert process.returncode == 130 and "stopped; the same command goes on from 500.0 kB" in out
        assert "Traceback" not in err
    assert part.stat().st_size == 500_000 and not (place / "nano.safetensors").exists()
    done = get(tmp_path, url)
    assert done.code == 0 and "going on from 500.0 kB" in done.out, done.err
    assert host.asked[-1] == ("/w", "bytes=500000-")
    assert sorted(p.name for p in place.iterdir()) == ["nano.json", "nano.safetensors"]


def test_two_at_once_fetch_once(tmp_path: Path, host: Host, place: Path) -> None:
    go = [False]
    list_ = listed(
        tmp_path, {"url": host.serve(lambda asked: half(asked, lambda: go[0] or host.over.is_set()))}
    )
    first = started(list_, tmp_path)
    wait_for(lambda: (place / "nano.part").exists())
    assert "CMT-656" in cmt("weights", "remove", "nano").err
    second = started(list_, tmp_path)
    assert second.stdout is not None
    lines = [second.stdout.readline() for _ in range(2)]
    assert "another process is fetching it: waiting" in lines[1], lines
    go[0] = True
    outs = [process.communicate(timeout=30)[0] for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert "is here now" in outs[0] and "is here already" in outs[1]
    assert len(host.asked) == 1
