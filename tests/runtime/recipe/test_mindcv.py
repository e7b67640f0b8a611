"""MindCV's training files: every key honoured or refused by name, with its place."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cmt_dsl import load
from cmt_dsl.errors import CmtError, SpecError
from cmt_dsl.spec import load_document
from runtime.recipe.mindcv.read import imported
from runtime.recipe.mindcv.reading import Imported, is_mindcv
from runtime.recipe.read import early_end, load_recipe, named_model, remarks
from runtime.recipe.schema import Recipe
from runtime.train.schedule import learning_rates

ROOT = Path(__file__).parents[3]
FILE = Path(__file__).parent / "mindcv" / "cmt_small_ascend.yaml"
TEXT = FILE.read_text()
WITHOUT_EFFECT = {"data_dir", "ckpt_save_dir", "momentum", "use_nesterov"}
ONE_VALUE = {
    "dataset", "shuffle", "dataset_download", "drop_remainder", "interpolation", "re_value", "pretrained", "ckpt_path",
    "loss", "scheduler", "distribute", "dataset_sink_mode",
}  # fmt: skip


def read(tmp_path: Path, text: str, *overrides: str) -> Recipe:
    file = tmp_path / "theirs.yaml"
    file.write_text(text)
    return load_recipe(str(file), overrides=overrides)


def changed(key: str, value: str) -> str:
    """The text with one key's value replaced, or the key added at its end."""
    line = f"{key}: {value}"
    found, count = re.subn(rf"(?m)^{key}:.*$", line.replace("\\", r"\\"), TEXT)
    return found if count else f"{TEXT}{line}\n"


def source() -> Imported:
    tree = load_document(str(FILE), "recipes")
    return imported(tree)


def test_every_key_of_the_published_file_is_accounted_for() -> None:
    keys = set(load_document(str(FILE), "recipes").items)
    named = {name for s in source().settings for name in s.source.split(", ")}
    assert len(keys) == 47
    assert keys - named - WITHOUT_EFFECT - ONE_VALUE == set()
    notes = " ".join([*source().notes, *source().pending])
    assert all(key in notes for key in WITHOUT_EFFECT | {"distribute", "dataset_sink_mode"})


def test_the_published_file_is_our_recipe_of_it() -> None:
    theirs, ours = load_recipe(str(FILE)), load_recipe("cmt_small_ascend")
    told = {"doc": ours.doc, "notes": ours.notes}
    assert theirs.model_copy(update=told) == ours
    assert (theirs.train.batch, theirs.train.epochs, theirs.train.keep, theirs.train.seed) == (
        128,
        300,
        10,
        42,
    )
    assert theirs.optimizer.eps == 1e-8 and theirs.device.loss_scale is not None
    assert theirs.device.loss_scale.initial == 2**24


def test_the_model_it_names_is_trained_as_mindcv_has_it() -> None:
    recipe = load_recipe(str(FILE))
    assert named_model(recipe) == "cmt_s"
    model = load("cmt_s", set=recipe.model_sets())
    assert (model.profile.profile, model.classes, model.input.height) == ("mindcv", 1000, 224)
    said = "\n".join(remarks(recipe, model.lineage))
    assert "profile mindcv" in said and "was published for" not in said
    assert "published for cmt_s; cmt_ti is trained" in "\n".join(remarks(recipe, ("cmt_ti",)))
    with pytest.raises(CmtError, match="names no model") as found:
        named_model(load_recipe("digits"))
    assert found.value.code == "CMT-811"


def rates(epochs: int, steps: int) -> list[float]:
    """MindCV's: a stair of five epochs from zero, then a stair along a cosine of 295; whatever the run's length."""
    warm = [0.002 * (epoch / 5) for epoch in range(5)]
    cold = [1e-5 + 0.5 * (0.002 - 1e-5) * (1 + math.cos(math.pi * epoch / 295)) for epoch in range(295)]
    return [rate for rate in (warm + cold)[:epochs] for _ in range(steps)]


@pytest.mark.parametrize("epochs", [1, 3, 5, 6, 40, 300])
def test_rates_are_mindcvs_and_cut_where_the_run_ends(epochs: int) -> None:
    recipe = load_recipe(str(FILE), {"train.epochs": epochs, "train.batch": 2})
    fields = recipe.schedule.model_dump(exclude={"lr", "may_end_early"})
    found = learning_rates(recipe.peak_lr(1024), steps_per_epoch=4, epochs=epochs, **fields)
    assert found == pytest.approx(rates(epochs, 4), rel=1e-12)
    said = early_end(recipe)
    assert (said is None) == (epochs == 300)
    if said:
        assert ("warm-up" in said.split("within")[1]) == (epochs <= 5)
        assert ("is 0" in said) == (epochs == 1)


def test_ours_still_refuse_a_schedule_that_does_not_fit() -> None:
    with pytest.raises(SpecError, match="warm-up of 20 epochs does not fit"):
        load_recipe("cmt_s", overrides=("train.epochs=2",))


@pytest.mark.parametrize(
    ("key", "value", "code", "says"),
    [
        ("opt", "lion", "CMT-810", "opt 'lion' is not carried out: this version knows adamw, sgd"),
        ("gradient_accumulation_steps", "2", "CMT-810", "clips each"),
        ("scheduler", "step_decay", "CMT-810", "cosine_decay"),
        ("interpolation", '"bilinear"', "CMT-810", "bicubically"),
        ("auto_augment", '"autoaug-mstd0.5"', "CMT-810", "only randaug"),
        ("auto_augment", '"randaug-m9-w0"', "CMT-810", "'w' is not known"),
        ("auto_augment", '"randaug-m9-inc0"', "CMT-810", "inc0 as inc1"),
        ("loss", "BCE", "CMT-810", "cross-entropy"),
        ("ema", "True", "CMT-810", "exp(-t / 2000)"),
        ("pretrained", "yes", "CMT-810", "nothing is downloaded"),
        ("weight_decay_filter", "auto", "CMT-810", "disable, norm_and_bias"),
        ("loss_scale_type", "auto", "CMT-810", "dynamic"),
        ("drop_overflow_update", "False", "CMT-810", "always drops"),
        ("re_value", "0", "CMT-810", "normal noise"),
        ("dataset", "cifar10", "CMT-810", "other data sets"),
        ("epoch_size", "many", "CMT-111", "should be int, not 'many'"),
        ("scale", "0.08", "CMT-111", "should be two numbers"),
        ("label_smoothing", "1.5", "CMT-111", "less than 1"),
        ("mixup_alpha", "0.8", "CMT-110", "did you mean 'mixup'?"),
        ("epoch_sise", "3", "CMT-110", "did you mean 'epoch_size'?"),
    ],
)
def test_what_is_not_carried_out_is_refused_by_name_and_place(
    tmp_path: Path, key: str, value: str, code: str, says: str
) -> None:
    text = changed(key, value)
    with pytest.raises(SpecError) as found:
        read(tmp_path, text)
    [problem] = found.value.problems
    line = next(i for i, row in enumerate(text.splitlines(), 1) if row.startswith(f"{key}:"))
    assert (problem.code, problem.place.line if problem.place else 0) == (code, line)
    assert says in str(found.value)


def test_a_default_that_is_not_carried_out_is_refused_too(tmp_path: Path) -> None:
    text = "\n".join(
        row for row in TEXT.splitlines() if not row.startswith(("interpolation", "auto_augment"))
    )
    with pytest.raises(SpecError) as found:
        read(tmp_path, text)
    assert [p.path for p in found.value.problems] == ["interpolation"]
    assert "interpolation is not given, which means 'bilinear'" in str(found.value)


def test_other_values_are_honoured(tmp_path: Path) -> None:
    recipe = read(
        tmp_path, changed("auto_augment", "randaug-m7-n3-mstd0.5-inc1") + "clip_grad: True\nin_channels: 1\n"
    )
    random = recipe.augment.randaugment
    assert random and (random.space, random.magnitude, random.ops, random.increasing) == (
        "mindcv",
        7,
        3,
        True,
    )
    assert recipe.train.clip_norm == 15 and recipe.model_sets()["input.channels"] == 1
    assert read(tmp_path, changed("mode", "1")).device.mode == "pynative"
    assert read(tmp_path, changed("mode", "1")).device.jit_level is None
    assert read(tmp_path, changed("mixup", "0.0")).augment.mix == recipe.augment.mix.model_copy(  # type: ignore[union-attr]
        update={"mixup": None, "switch_prob": None}
    )
    assert (
        read(tmp_path, changed("weight_decay_filter", "norm_and_bias")).optimizer.decay_norm_and_bias is False
    )
    assert read(tmp_path, changed("val_while_train", "False")).train.val_every == 300
    fixed = read(tmp_path, changed("loss_scale_type", "fixed"))
    assert fixed.device.loss_scale and fixed.device.loss_scale.model_dump() == {"fixed": 2.0**24}
    assert not any("left out" in note for note in fixed.notes)  # the file says drop_overflow_update: True
    sgd = read(
        tmp_path,
        changed("opt", "momentum") + "use_nesterov: True\n"
        if "use_nesterov" not in TEXT
        else changed("opt", "momentum"),
    ).optimizer.model_dump()
    assert (sgd["name"], sgd["momentum"]) == ("sgd", 0.9)
    plain = "\n".join(
        row for row in TEXT.splitlines() if not row.startswith(("auto_augment", "color_jitter"))
    )
    jitter = read(tmp_path, plain).augment.jitter  # MindCV's default, where it has no auto_augment
    assert jitter and (jitter.brightness, jitter.saturation, jitter.hue) == (0.4, 0.4, 0.0)
    hued = read(tmp_path, plain + "\ncolor_jitter: [0.3, 0.2, 0.1, 0.05]\n").augment.jitter
    assert hued and (hued.brightness, hued.hue) == (0.3, 0.05)
    assert read(tmp_path, changed("lr_epoch_stair", "0")).schedule.by == "step"
    assert read(tmp_path, changed("warmup_factor", "0.01")).schedule.warmup_lr == pytest.approx(2e-5)


def test_another_network_of_mindcv_is_said(tmp_path: Path) -> None:
    recipe = read(tmp_path, changed("model", "vit_b_32_224"))
    assert recipe.model.name is None
    assert "vit_b_32_224 is none of MindCV's CMT" in " ".join(recipe.notes)


@pytest.mark.parametrize(
    "text", ["model: tiny\nclasses: 3\n", "epoch_size: 3\n", "a: 1\nb: 2\nc: 3\nmode: 0\n"]
)
def test_other_mappings_are_no_recipes(tmp_path: Path, text: str) -> None:
    with pytest.raises(CmtError) as found:
        read(tmp_path, text)
    assert found.value.code == "CMT-802"
    assert not is_mindcv(load_document("cmt_s", "models"))


def cmt(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runtime.cli", "recipe", "import", *words]
    return subprocess.run(command, cwd=cwd, env={"PYTHONPATH": str(ROOT)}, text=True, capture_output=True)


def test_import_writes_a_readable_recipe_of_ours(tmp_path: Path) -> None:
    done = cmt(str(FILE), "-o", "mine.yaml", cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    written = (tmp_path / "mine.yaml").read_text()
    assert re.search(r"repeats: 3 +# aug_repeats\n", written)
    assert re.search(r"area: \[0\.02, 0\.33\] +# re_scale: MindCV's default\n", written)
    theirs, ours = load_recipe(str(FILE)), load_recipe(str(tmp_path / "mine.yaml"))
    assert theirs.model_copy(update={"doc": ours.doc}) == ours
    assert cmt(str(FILE), cwd=tmp_path).stdout == written
    again = cmt("mine.yaml", cwd=tmp_path)
    assert again.returncode == 2 and "recipe of ours already" in again.stderr
    wrong = cmt(str(ROOT / "specs/models/cmt_s.yaml"), cwd=tmp_path)
    assert wrong.returncode == 2 and "CMT-802" in wrong.stderr and "Traceback" not in wrong.stderr
