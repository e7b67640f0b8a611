"""The network at its worst: the file arrives exactly as it is, or an error says why it did not."""

from __future__ import annotations

import gzip
import resource
import shutil
import time
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cmt_dsl.errors import CmtError
from runtime.published import network
from runtime.published.download import Patience, download
from runtime.published.meter import Meter, size
from runtime.published.part import Part
from tests.bounded import bounded
from tests.runtime.published.host import Answer, Asked, Host, cut, redirect, sound, status

DATA = np.random.RandomState(0).bytes(300_000)
OTHER = np.random.RandomState(1).bytes(300_000)
QUICK = Patience(tries=3, stall=0.4, wait=0.01)


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "w.part"


def fetched(url: str, part: Path, limit: int = 10**6, patience: Patience = QUICK) -> list[str]:
    """Download; the lines that were told."""
    told: list[str] = []
    download(url, Part(part), limit, patience, lambda text, step: told.append(text) if step else None)
    return told


def refused(code: str, url: str, part: Path, **options: object) -> str:
    with pytest.raises(CmtError) as caught:
        fetched(url, part, **options)  # type: ignore[arg-type]
    [problem] = caught.value.problems
    assert problem.code == code and problem.hint, caught.value
    return str(caught.value)


def without_length(asked: Asked) -> None:
    asked.head(200, Connection="close")
    asked.body(DATA)


def chunked(asked: Asked) -> None:
    asked.head(200, Transfer_Encoding="chunked")
    for start in range(0, len(DATA), 70_000):
        piece = DATA[start : start + 70_000]
        asked.body(b"%x\r\n%b\r\n" % (len(piece), piece))
    asked.body(b"0\r\n\r\n")


def slowly(asked: Asked) -> None:
    """In pieces, with pauses shorter than the patience, for longer than it in all."""
    asked.head(200, Content_Length=len(DATA))
    for start in range(0, len(DATA), 50_000):
        asked.body(DATA[start : start + 50_000])
        time.sleep(0.1)


def ignoring_ranges(asked: Asked) -> None:
    asked.head(200, Content_Length=len(DATA), ETag='"1"')
    asked.body(DATA)


def of_another_file(asked: Asked) -> None:
    """Goes on with other content, and says so only by its tag."""
    if asked.begin is None:
        asked.head(200, Content_Length=len(DATA), ETag='"2"')
        asked.body(DATA)
    else:
        where = f"bytes {asked.begin}-{len(OTHER) - 1}/{len(OTHER)}"
        asked.head(206, Content_Length=len(OTHER) - asked.begin, Content_Range=where, ETag='"2"')
        asked.body(OTHER[asked.begin :])


def from_elsewhere(asked: Asked) -> None:
    """Goes on from another byte than the one asked for."""
    if asked.begin is None:
        return ignoring_ranges(asked)
    asked.head(206, Content_Length=10, Content_Range=f"bytes 7-16/{len(DATA)}", ETag='"1"')
    return asked.body(DATA[7:17])


GOOD: dict[str, Answer] = {
    "sound": sound(DATA),
    "without a length": without_length,
    "chunked": chunked,
    "slowly": slowly,
    "with ranges, unknown to it": ignoring_ranges,
    "cut once, resumed": cut(DATA, 100_000, sound(DATA)),
    "cut at the first byte": cut(DATA, 0, sound(DATA)),
    "cut, ranges ignored": cut(DATA, 100_000, ignoring_ranges),
    "cut, changed": cut(OTHER, 100_000, sound(DATA, '"2"')),
    "cut, changed, condition ignored": cut(OTHER, 100_000, of_another_file),
    "cut, resumed elsewhere": cut(DATA, 100_000, from_elsewhere),
    "cut, no tag": cut(OTHER, 100_000, sound(DATA), ETag=""),
    "cut, weak tag": cut(OTHER, 100_000, sound(DATA), ETag='W/"1"'),
    "cut, then longer than it was": cut(DATA[:200_000], 150_000, sound(DATA, '"2"')),
    "503 once": status(503, sound(DATA)),
    "429 with a time": status(429, sound(DATA), Retry_After=0),
    "500 once": status(500, sound(DATA)),
    "no bytes of it, then a tag that no header may hold": cut(DATA, 9, sound(DATA), ETag='"\x07"'),
    "redirects": redirect("/x"),
    "redirects for good": redirect("/x", 308),
    "cut without a word": cut(DATA, 0, sound(DATA), Content_Length_="1"),
}


@pytest.mark.parametrize("how", GOOD)
def test_the_file_arrives_as_it_is(how: str, host: Host, part: Path) -> None:
    host.serve(DATA, "/x")
    fetched(host.serve(GOOD[how]), part)
    assert part.read_bytes() == DATA


def test_only_the_rest_is_asked_for_after_an_interruption(host: Host, part: Path) -> None:
    url = host.serve(cut(DATA, 100_000))
    assert "100.0 kB of 300.0 kB" in refused("CMT-652", url, part, patience=Patience(1, 0.4, 0.01))
    assert part.stat().st_size == 100_000
    host.serve(DATA)
    assert fetched(url, part) == ["going on from 100.0 kB"]
    assert host.asked[-1] == ("/w", "bytes=100000-") and part.read_bytes() == DATA


def test_a_part_of_another_address_is_not_gone_on_with(host: Host, part: Path) -> None:
    refused("CMT-652", host.serve(cut(OTHER, 100_000)), part, patience=Patience(1, 0.4, 0.01))
    fetched(host.serve(DATA, "/y"), part)
    assert host.asked[-1] == ("/y", None) and part.read_bytes() == DATA


def test_what_was_complete_already_is_only_asked_after(host: Host, part: Path) -> None:
    url = host.serve(DATA)
    fetched(url, part)
    fetched(url, part)
    assert host.asked[-1] == ("/w", "bytes=300000-") and part.read_bytes() == DATA


def stalls(asked: Asked) -> None:
    asked.head(200, Content_Length=len(DATA), ETag='"1"')
    asked.body(DATA[:1000])
    time.sleep(1)


def drips(asked: Asked) -> None:
    asked.head(200, Content_Length=len(DATA), ETag='"1"')
    for start in range(20):
        asked.body(DATA[start : start + 1])
        time.sleep(0.05)


def drips_headers(asked: Asked) -> None:
    for _ in range(30):
        asked.body(b"H")
        time.sleep(0.05)


def endless(asked: Asked) -> None:
    asked.head(200, Connection="close")
    for _ in range(100):
        asked.body(DATA)


def endless_redirect(asked: Asked) -> None:
    asked.head(302, Location="/x", Connection="close")
    for _ in range(1000):
        asked.body(DATA)


def with_escapes(asked: Asked) -> None:
    asked.body(b"HTTP/1.1 404 \x1b[2Jgone\r\n\r\n")


def page(asked: Asked) -> None:
    asked.head(200, Content_Type="text/html; charset=utf-8")
    asked.body(b"<!DOCTYPE html><title>Sign in</title>")


BAD: dict[str, tuple[Answer | bytes, str, str]] = {
    "gone": (status(404), "CMT-652", "404 Not Found"),
    "gone, with escapes": (with_escapes, "CMT-652", "404 �[2Jgone"),
    "forbidden": (status(403), "CMT-652", "403"),
    "unavailable": (status(503), "CMT-652", "503 Service Unavailable (3 tries)"),
    "no content": (status(204), "CMT-652", "204"),
    "never whole": (cut(DATA, 1000), "CMT-652", "ended after 1.0 kB of 300.0 kB (3 tries)"),
    "stalls": (stalls, "CMT-652", "nothing came for 0.4 s (3 tries)"),
    "drips": (drips, "CMT-652", "bytes a second"),
    "headers drip": (drips_headers, "CMT-652", "no answer within 0.8 s"),
    "a circle": (redirect("/w"), "CMT-652", "redirects more than 10 times"),
    "to a file": (redirect("file:///etc/passwd"), "CMT-652", "file:///etc/passwd"),
    "to ftp": (redirect("ftp://127.0.0.1/w"), "CMT-652", "neither http nor https"),
    "to nowhere": (redirect(""), "CMT-652", "without saying where"),
    "to nonsense": (redirect("http://[::1"), "CMT-652", "is no address"),
    "to a closed port": (redirect("http://127.0.0.1:1/w"), "CMT-652", "Connection refused (3 tries)"),
    "too large, by its word": (
        lambda a: a.head(200, Content_Length=10**9),
        "CMT-655",
        "larger than 1.0 MB",
    ),
    "endless": (endless, "CMT-655", "larger than 1.0 MB"),
    "a page": (page, "CMT-653", "a web page (text/html)"),
    "a page that says it is a file": (b"\n <html>" * 100, "CMT-653", "begins '<html>"),
    "an error in XML": (b'<?xml version="1.0"?><Error/>', "CMT-653", "begins '<?xml"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "CMT-653", "Git LFS"),
    "compressed": (
        lambda a: a.head(200, Content_Encoding="gzip", Content_Length=len(gzip.compress(DATA))),
        "CMT-652",
        "compressed (gzip)",
    ),
    "no HTTP": (lambda a: a.body(b"hello\r\n\r\n"), "CMT-652", "not understood"),
}


@pytest.mark.parametrize("how", BAD)
def test_what_cannot_be_had_is_said(how: str, host: Host, part: Path) -> None:
    answer, code, words = BAD[how]
    told = refused(code, host.serve(answer), part)
    assert words in told and "cmt weights get w --from FILE" in told
    assert not part.exists() or code == "CMT-652"  # nothing wrong is gone on with


def test_an_endless_redirect_is_not_read(host: Host, part: Path) -> None:
    host.serve(DATA, "/x")
    with bounded():
        fetched(host.serve(endless_redirect), part)
    assert part.read_bytes() == DATA


@pytest.mark.parametrize("url", ["http://127.0.0.1:x/w", "http://127.0.0.1:1/a b"])
def test_addresses_that_are_none(url: str, part: Path) -> None:
    assert "is no address" in refused("CMT-652", url, part)


def test_never_from_https_to_http(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = SimpleNamespace(status=302, headers={"Location": "http://a.example/w"}, close=lambda: None)
    monkeypatch.setattr(network, "_open", lambda *_: moved)
    with pytest.raises(network.Refused, match=r"from https to http://a\.example"):
        network.ask("https://a.example/w", {}, 1)


def test_the_proxy_of_the_environment(host: Host, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", host.url(""))
    host.serve(DATA, "http://weights.example/w")
    fetched("http://weights.example/w", part)
    assert part.read_bytes() == DATA
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetched(host.serve(DATA, "/y"), part)
    assert host.asked[-1][0] == "/y"


def test_a_full_disk_is_told_before_and_during(
    host: Host, part: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = host.serve(DATA)
    usage = namedtuple("usage", "free")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage(1000))
        assert "300.0 kB are to come, 1.0 kB are free" in refused("CMT-656", url, part)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, old[1]))
    try:
        assert "File too large" in refused("CMT-656", url, part)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert part.stat().st_size == 100_000
    fetched(url, part)
    assert host.asked[-1] == ("/w", "bytes=100000-") and part.read_bytes() == DATA


def test_a_link_in_the_parts_place_is_not_followed(host: Host, part: Path) -> None:
    (part.parent / "precious").write_text("mine")
    part.symlink_to(part.parent / "precious")
    fetched(host.serve(DATA), part)
    assert (part.parent / "precious").read_text() == "mine" and part.read_bytes() == DATA


def test_progress_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    meter = Meter(0, 100_000_000, 30.0, 1024)
    for second in range(1, 11):
        now[0] = float(second)
        meter.moved(second * 2_000_000)
    assert meter.text() == "20.0 MB of 100.0 MB, 2.0 MB/s, 0:40 left" and not meter.stalled()
    assert [size(n) for n in (0, 999, 1000, 2.5e9)] == ["0 bytes", "999 bytes", "1.0 kB", "2.50 GB"]
