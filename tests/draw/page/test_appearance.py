"""The page in the dark, on paper, on a phone; and with texts that mean harm."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cmt_dsl import build, load
from cmt_dsl.draw.page import explorer
from cmt_dsl.draw.page.shell import escaped_json, page, scripts, styles
from cmt_dsl.ir import Graph

EVIL = (
    "\"><script>alert(1)</script><img src=x onerror=alert(2)>' & </script> \u2028\u2029 <!-- ]]> 猫\U0001f408"
)


def brightness(page: Any, selector: str, name: str = "backgroundColor") -> float:
    """Of a computed colour, 0 to 255."""
    colour = page.eval_on_selector(selector, f"e => getComputedStyle(e).{name}")
    red, green, blue = (float(v) for v in re.findall(r"[\d.]+", colour)[:3])
    return 0.3 * red + 0.6 * green + 0.1 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_it_is_chosen(
    see: Any, pages: dict[str, str], scheme: str
) -> None:
    seen = see(pages["cmt_nano"], color_scheme=scheme)
    assert (brightness(seen.page, "body") < 60) is (scheme == "dark")
    assert abs(brightness(seen.page, "body") - brightness(seen.page, "body", "color")) > 150
    seen.page.click("#theme")
    assert seen.page.get_attribute("#theme", "aria-label") == "Theme: light"
    assert brightness(seen.page, "body") > 200
    seen.page.click("#theme")
    assert brightness(seen.page, "body") < 60
    assert seen.page.evaluate("localStorage.getItem('cmt-theme')") == "dark"
    seen.page.add_init_script("localStorage.setItem('cmt-theme', 'dark')")  # Chromium stores for files lazily
    seen.page.reload()
    assert brightness(seen.page, "body") < 60
    assert seen.quiet()


def test_paper_gets_the_whole_graph_on_white(see: Any, pages: dict[str, str]) -> None:
    seen = see(pages["cmt_nano"], color_scheme="dark")
    page = seen.page
    page.click("button:text-is('Blocks')")
    before = page.get_attribute("#graph > g", "transform")
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_selector("#graph[viewBox]")
    frame = page.locator("#graph").bounding_box()
    for box in page.locator("[role=treeitem]").all():
        inner = box.bounding_box()
        assert (
            inner["y"] >= frame["y"] - 1 and inner["y"] + inner["height"] <= frame["y"] + frame["height"] + 1
        )
        assert inner["x"] >= frame["x"] - 1 and inner["x"] + inner["width"] <= frame["x"] + frame["width"] + 1
    assert brightness(page, "body") == pytest.approx(255, abs=1)
    assert brightness(page, ".leaf > text.name", "fill") < 60
    assert page.is_hidden(".tools") and page.is_hidden(".search")
    assert page.is_visible("#code .line:last-child")
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="screen")
    page.wait_for_selector("#graph:not([viewBox])")
    assert page.get_attribute("#graph > g", "transform") == before
    assert seen.quiet()


def test_a_phone_needs_no_sideways_scrolling(see: Any, pages: dict[str, str]) -> None:
    seen = see(pages["cmt_b"], viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = seen.page
    assert page.evaluate("[scrollY, document.documentElement.scrollWidth]") == [0, 390]
    for selector in (".part", ".tools button", "#theme", "[role=tab]", "#query", "#metric"):
        for target in page.locator(selector).all():
            assert target.bounding_box()["height"] >= 32, selector
    page.locator("#thing-1").tap()
    assert seen.path() == "stem"
    page.locator('.line[data-line="10"]').tap()
    assert seen.path() == "stages.0.blocks.0"
    page.wait_for_function("document.getElementById('graph').getBoundingClientRect().top >= 0")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert seen.quiet()


def hostile(folder: Path) -> str:
    """A model whose every free text is an attack: documentation, comments, names of files."""
    text = json.dumps(EVIL, ensure_ascii=False)
    block = folder / "a'b<i>.yaml"
    block.write_text(
        f"block: harmless\ndoc: {text}\n# {EVIL[:64]} \u2028# </script>\n"
        "nodes:\n  - c: {op: conv2d, out: $x.channels, kernel: 1, padding: 0}  # </script><b>\n"
    )
    file = folder / 'x"><script>.yaml'
    file.write_text(
        f"# </script><script>alert(3)</script> {EVIL[:64]}\nmodel: hostile\ndoc: {text}\n"
        "input: {channels: 3, size: 32}\nclasses: 7\nprofile: official\ndrop_path: 0\n"
        "stem: {block: conv_stem, args: {width: 16}}\n"
        f"stages:\n  - {{depth: 2, block: {json.dumps('./' + block.name)}}}\n"
    )
    return str(file)


def renamed(graph: Graph) -> Graph:
    """The graph with a path no spec could have."""

    def other(path: str) -> str:
        return path.replace("stem", EVIL)

    nodes = [replace(n, path=other(n.path), inputs=tuple(map(other, n.inputs))) for n in graph.nodes]
    scopes = [
        replace(s, path=other(s.path), output=other(s.output), block=EVIL,
                inputs=tuple((EVIL, other(path)) for _, path in s.inputs))
        for s in graph.scopes
    ]  # fmt: skip
    return replace(graph, name=EVIL, nodes=tuple(nodes), scopes=tuple(scopes))


@pytest.mark.parametrize("paths_too", [False, True])
def test_hostile_texts_are_texts(see: Any, tmp_path: Path, paths_too: bool) -> None:
    model = load(hostile(tmp_path))
    graph = build(model)
    seen = see(explorer(model, renamed(graph) if paths_too else graph))
    page = seen.page
    assert page.inner_text("#details .kind").startswith('"><script>alert(1)</script><img src=x')
    assert page.inner_text("h1").startswith('"><script>' if paths_too else "hostile")
    for tab in page.locator("[role=tab]").all():
        tab.click()
    shown = page.eval_on_selector_all("[role=tab]", "all => all.map(e => e.title)")
    assert [name.rsplit("/", 1)[-1] for name in shown] == [
        'x"><script>.yaml',
        "conv_stem.yaml",
        "a'b<i>.yaml",
    ]
    page.click("button:text-is('Operators')")
    seen.search("<script>")
    page.focus("[role=treeitem]")
    for i in range(page.locator("[role=treeitem]").count()):
        page.keyboard.press("ArrowDown" if i else "Home")
    seen.search("blocks.0.c")
    assert "- c: {op: conv2d" in page.inner_text(".line.lit")
    assert page.locator("script").count() == 2
    assert page.locator("img, b, i, h1 *, iframe, object, style ~ style").count() == 0
    assert seen.quiet()


class Reader(HTMLParser):
    """Counts tags that are never closed, and gathers scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in ("meta", "link", "input"):
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack:
            self.texts.setdefault(self.stack[-1], []).append(data)


@pytest.mark.parametrize("name", ["cmt_nano", "cmt_b"])
def test_one_small_valid_file_that_names_no_address(pages: dict[str, str], name: str) -> None:
    html = pages[name]
    reader = Reader()
    reader.feed(html)
    assert reader.stack == []
    assert len(html.encode()) < 1_000_000
    assert set(re.findall(r"https?://[^\s\"'<>]*", html)) == {"http://www.w3.org/2000/svg"}
    assert not [n for n, _ in reader.attributes if n.startswith("on") or n == "style"]
    assert json.loads(reader.texts["script"][0])["model"] == name
    assert "innerHTML" not in html and "eval(" not in html


def test_escaped_json_reads_back_and_ends_no_script() -> None:
    value = {EVIL: [EVIL, 1.5, None, True], "\ud800": "lone"}
    text = escaped_json(value)
    assert json.loads(text) == value
    assert text.isascii() and not set("<>&") & set(text)
    with pytest.raises(ValueError):
        escaped_json(float("nan"))


def test_the_policy_names_the_very_script_and_style() -> None:
    import hashlib

    html = page(EVIL, "b{}", "let a;", "<p>x</p>", {"a": EVIL})
    for text in ("b{}", "let a;"):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in html
    assert "default-src 'none'" in html and "unsafe-inline" not in html
    assert html.count("<script") == 2
    with pytest.raises(AssertionError):
        page("t", "", "'</script>'", "", {})


def test_an_injected_script_would_not_run(see: Any, pages: dict[str, str]) -> None:
    seen = see(pages["cmt_nano"])
    seen.page.evaluate(
        """() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      const img = document.createElement('img');
      img.src = 'https://example.invalid/x.png';
      document.body.append(img);
    }"""
    )
    assert seen.page.evaluate("window.ran") is None
    assert seen.asked == []
    assert any("Content Security Policy" in text for text in seen.said)


def test_template_files_are_small() -> None:
    folder = Path(__file__).resolve().parents[3] / "cmt_dsl/draw/page/files"
    files = sorted(folder.iterdir())
    assert {f.suffix for f in files} == {".html", ".css", ".js"}
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 260 and max(map(len, lines)) <= 110, file.name
    assert "use strict" in scripts("theme.js") and styles("theme.css").startswith(":root")
