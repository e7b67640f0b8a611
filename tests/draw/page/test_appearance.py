"""The page in the dark, on paper, on a phone; and with texts that mean harm."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cmt_dsl import build, load
from cmt_dsl.draw.page import explorer
from cmt_dsl.draw.page.shell import escaped_json, page, scripts, styles

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' & </script> \u2028\u2029 <!-- ]]> 猫\U0001f408"


def brightness(page: Any, selector: str, name: str = "backgroundColor") -> float:
    """Of a computed colour, 0 to 255."""
    colour = page.eval_on_selector(selector, f"e => getComputedStyle(e).{name}")
    red, green, blue = (float(v) for v in re.findall(r"[\d.]+", colour)[:3])
    return 0.3 * red + 0.6 * green + 0.1 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_follows_the_system_until_it_is_chosen(see: Any, pages: dict[str, str], scheme: str) -> None:
    seen = see(pages["cmt_nano"], color_scheme=scheme)
    assert (brightness(seen.page, "body") < 60) is (scheme == "dark")
    assert abs(brightness(seen.page, "body") - brightness(seen.page, "body", "color")) > 150
    seen.page.click("#theme")
    assert seen.page.get_attribute("#theme", "aria-label") == "Theme: light"
    assert brightness(seen.page, "body") > 200
    seen.page.click("#theme")
    assert brightness(seen.page, "body") < 60
    seen.page.reload()
    assert brightness(seen.page, "body") < 60
    assert seen.quiet()


def test_paper_gets_the_whole_graph_on_white(see: Any, pages: dict[str, str]) -> None:
    seen = see(pages["cmt_nano"], color_scheme="dark")
    page = seen.page
    page.click("text=Blocks")
    before = page.get_attribute("#graph > g", "transform")
    page.emulate_media(media="print", color_scheme="dark")
    page.wait_for_selector("#graph[viewBox]")
    frame = page.locator("#graph").bounding_box()
    for box in page.locator("[role=treeitem]").all():
        inner = box.bounding_box()
        assert inner["y"] >= frame["y"] - 1 and inner["y"] + inner["height"] <= frame["y"] + frame["height"] + 1
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
    """A model whose every free text is an attack."""
    name = EVIL[:64]
    text = {"model": name, "doc": EVIL, "extends": "cmt_nano", "classes": 7}
    block = folder / "a'b<i>.yaml"
    block.write_text(
        f"block: a'b<i>\ndoc: {json.dumps(EVIL, ensure_ascii=False)}\n# {name} \u2028 </script>\nargs: {{}}\n"
        "nodes:\n  - c: {op: conv2d, out: $x.channels, kernel: 1, padding: 0}  # </script><b>\n"
    )
    file = folder / 'x"><h1>.yaml'
    text["set"] = {"stages.0.block": f"./{block.name}", "stages.0.args": None, "stages.0.shared": None,
                   "stage_defaults.args": None}  # fmt: skip
    file.write_text(f"# {name}</script>\n" + json.dumps(text, ensure_ascii=False))
    return str(file)


def test_hostile_texts_are_texts(see: Any, tmp_path: Path) -> None:
    model = load(hostile(tmp_path))
    seen = see(explorer(model, build(model)))
    page = seen.page
    assert page.inner_text("h1").startswith('"><script>alert(1)</script><img src=x')
    assert page.title().startswith('"><script>')
    for tab in page.locator("[role=tab]").all():
        tab.click()
    page.click("text=Operators")
    seen.search("<script>")
    for i in range(page.locator("[role=treeitem]").count()):
        page.keyboard.press("ArrowDown" if i else "Home")
    assert page.locator("script").count() == 2
    assert page.locator("img, b, i, h1 *, iframe, object, style ~ style").count() == 0
    assert seen.quiet()


class Reader(HTMLParser):
    """Counts tags that are never closed, and gathers scripts."""

    void = {"meta", "link", "input"}

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in self.void:
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
    assert max(len(f.read_text().splitlines()) for f in files) <= 260
    assert "use strict" in scripts("theme.js") and styles("theme.css").startswith(":root")
