"""`cmt predict`: which files, what is said of them, and the page in a real browser."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cmt_dsl.errors import CmtError
from runtime.checkpoint.file import save_checkpoint
from runtime.checkpoint.load import load_weights
from runtime.cli.app import app
from runtime.data.open import open_source
from runtime.data.source import View
from runtime.infer.backend import backend
from runtime.infer.gather import expand, reader
from runtime.infer.predict import predict
from runtime.report.overlay import overlay
from runtime.report.predicted import predict_page
from tests.runtime.report.made import EVIL, checkpoint_of


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "m.safetensors", checkpoint_of())
    return tmp_path / "m.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of many kinds, one of them unreadable."""
    root = tmp_path / "images"
    (root / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 255, (40, 30, 3), dtype=np.uint8))
    rgb.save(root / "a.png")
    rgb.convert("CMYK").save(root / "b.jpg")
    rgb.convert("RGBA").save(root / "c [1].png")
    turned = Image.Exif()
    turned[0x0112] = 6
    rgb.save(root / "deep" / "d.webp", exif=turned)
    (root / "e.png").write_bytes(b"no image")
    (root / "notes.txt").write_text("no image")
    return root


def cmt(*words: str) -> Any:
    return CliRunner().invoke(app, ["predict", *words])


def test_folders_and_patterns_give_their_images_once(folder: Path) -> None:
    names = [p.relative_to(folder).as_posix() for p in expand([str(folder), str(folder / "*.png")])]
    assert names == ["a.png", "b.jpg", "c [1].png", "deep/d.webp", "e.png"]
    assert expand([str(folder / "c [1].png"), "gone.png"]) == [folder / "c [1].png", Path("gone.png")]
    for word in (folder / "*.bmp", folder / "empty"):
        (folder / "empty").mkdir(exist_ok=True)
        with pytest.raises(CmtError) as found:
            expand([str(word)])
        assert found.value.code == "CMT-832"


def test_a_bad_image_is_named_and_the_others_go_on(model: Path, folder: Path) -> None:
    done = cmt(str(model), str(folder), "gone.png", "--backend", "numpy", "--json", "--top", "3")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert len(found["predictions"]) == 4
    assert [Path(bad["image"]).name for bad in found["bad"]] == ["e.png", "gone.png"]
    assert (
        "not an image of a kind" in found["bad"][0]["reason"] and "No such file" in found["bad"][1]["reason"]
    )
    for each in found["predictions"]:
        chances = [g["probability"] for g in each["guesses"]]
        assert chances == sorted(chances, reverse=True) and 0 < sum(chances) <= 1 and len(chances) == 3
        for g in each["guesses"]:
            assert np.sum(g["heat"]) + g["bias"] == pytest.approx(g["logit"], abs=1e-5)
    good = cmt(str(model), str(folder / "a.png"), "--backend", "numpy", "--top", "99")
    assert good.exit_code == 0 and good.stdout.count("%") == 10


def test_a_scan_is_seen_as_in_training() -> None:
    view = View(3, 16, 16, 1.0)
    source = open_source("digits", view)
    first = next(iter(source.val(1)))
    from runtime.data.stores.digits import _load, split

    scans, labels = _load()
    pixels = np.rint(scans[split(labels)[1][0]] * 255).astype(np.uint8)
    read = reader(view, "digits")
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scan.png"
        Image.fromarray(pixels).save(path)
        assert np.abs(read(path).values - first.images[0]).max() < 0.01


def test_pictures_are_seen_as_in_validation(folder: Path) -> None:
    from runtime.data.image.stages import eval_stages, through

    view = View(3, 16, 16, 0.875)
    path = folder / "b.jpg"
    expected = through(eval_stages(view), path.read_bytes(), 0)
    assert np.array_equal(reader(view, "images")(path).values, expected)
    with pytest.raises(CmtError) as found:
        reader(View(4, 16, 16, 1), "images")
    assert found.value.code == "CMT-506"


def test_averaged_weights_are_other_weights(tmp_path: Path, folder: Path) -> None:
    raw = checkpoint_of()
    ema = {**raw.arrays, "head.fc.bias": raw.arrays["head.fc.bias"][::-1].copy()}
    save_checkpoint(tmp_path / "e.safetensors", replace(raw, ema=ema))
    logits = {}
    for which in ("raw", "ema"):
        made = predict(
            load_weights(tmp_path / "e.safetensors", which=which),
            [folder / "a.png"],
            backend("numpy"),
            top=10,
        )
        logits[which] = np.array(
            [g.logit for g in sorted(made.predictions[0].guesses, key=lambda g: g.index)]
        )
    assert logits["ema"] - logits["raw"] == pytest.approx(np.linspace(2, -2, 10), abs=1e-5)
    save_checkpoint(tmp_path / "r.safetensors", raw)
    with pytest.raises(CmtError) as refused:
        load_weights(tmp_path / "r.safetensors", which="ema")
    assert refused.value.code == "CMT-806"


@pytest.mark.mindspore
def test_both_backends_say_the_same(model: Path, folder: Path) -> None:
    found = load_weights(model)
    both = [
        predict(found, [folder / "a.png"], backend(name), top=10).predictions[0]
        for name in ("numpy", "mindspore")
    ]
    assert [g.index for g in both[0].guesses] == [g.index for g in both[1].guesses]
    for a, b in zip(both[0].guesses, both[1].guesses, strict=True):
        assert a.logit == pytest.approx(b.logit, abs=1e-5)
        assert a.heat == pytest.approx(b.heat, abs=1e-5)


def test_the_overlay_is_red_where_it_adds_and_blue_where_it_takes_away() -> None:
    seen = np.full((8, 8, 3), 128, np.uint8)
    made = overlay(seen, np.array([[1.0, -1.0], [0.0, 0.0]]), 1.0).astype(int)
    assert made[0, 0, 0] > made[0, 0, 2] + 60 and made[0, 7, 2] > made[0, 7, 0] + 60
    assert np.array_equal(overlay(seen, np.zeros((2, 2)), 0.0), seen)


def test_the_page_shows_each_class_s_map(see: Any, model: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.html"
    assert cmt(str(model), str(folder), "--html", str(out), "--backend", "numpy").exit_code == 1
    seen = see(out.read_text())
    page = seen.page
    assert page.locator("article").count() == 4 and "e.png: not an image of a kind" in page.inner_text(
        "#about"
    )
    article = page.locator("article").first
    buttons = article.locator("button.guess")
    assert buttons.count() == 3 and article.locator(".guess").count() == 5
    source = article.locator("img").nth(1).get_attribute("src")
    buttons.nth(1).focus()
    page.keyboard.press("Enter")
    assert buttons.nth(1).get_attribute("aria-pressed") == "true"
    assert article.locator("img").nth(1).get_attribute("src") != source
    said = article.locator(".sight p").nth(1).inner_text().replace("−", "-").replace(",", " ").split()
    assert float(said[3]) == pytest.approx(float(said[6]) + float(said[8]), abs=0.0015)
    page.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert seen.quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_that_mean_harm_on_a_phone_and_on_paper(
    see: Any, model: Path, folder: Path, scheme: str
) -> None:
    found = load_weights(model)
    found = replace(
        found, checkpoint=replace(checkpoint_of(), classes=tuple(f"{EVIL}{i}" for i in range(10)))
    )
    made = predict(found, [folder / "a.png", folder / "e.png"], backend("numpy"))
    made.predictions[0] = replace(made.predictions[0], image=replace(made.predictions[0].image, name=EVIL))
    made.bad[0] = (EVIL, EVIL)
    made.no_heat = EVIL
    html = predict_page(EVIL, {EVIL: EVIL}, made)
    seen = see(html, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    assert seen.page.locator("main script, main img:not([src^='data:'])").count() == 0
    for place in ("#title", "#subtitle", "#about", "#images"):
        assert "<script>alert(1)</script>" in seen.page.text_content(place), place
    assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
    assert "innerHTML" not in html and " style=" not in html
    seen.page.emulate_media(media="print")
    assert seen.page.is_hidden("#theme") and seen.page.pdf(format="A4").startswith(b"%PDF")
    assert seen.quiet()
