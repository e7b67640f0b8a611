"""Images in class folders: DIR/train/CLASS/*.jpg and DIR/val/CLASS/*.jpg, through MindSpore's C++ operators."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cmt_dsl.errors import CmtError
from runtime.data.decodable import decodable
from runtime.data.erasing import erased
from runtime.data.order import shuffled_draws
from runtime.data.randaugment import operator
from runtime.data.source import WHOLE, Batch, Shard, View
from runtime.data.transforms import FILL, MEAN, STD, eval_operators, grey, train_operators
from runtime.recipe.schema import AugmentGroup

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MARK = "|cmt|"  # around path and reason, to find them again in MindSpore's long message
DROPPINGS = (
    "abnormal_image.jpg",
    "unsupported_image.webp",
)  # MindSpore leaves these in the working directory


class Folder:
    """Classes are the folder names in alphabetical order, the same for train and val."""

    def __init__(
        self, root: str | Path, view: View, augment: AugmentGroup | None, workers: int | None = None
    ):
        self._root, self._view, self._augment = Path(root), view, augment
        self.name = str(root)
        cores = os.cpu_count() or 1
        self._workers = min(workers, cores) if workers is not None else cores
        if view.channels not in (1, 3):
            raise CmtError(
                "CMT-506",
                f"the model reads {view.channels} channels, image files give 3 (or 1, as grey)",
                hint="--set input.channels=3",
            )
        if not self._root.is_dir():
            raise CmtError("CMT-501", f"there is no folder {root}", hint="--data digits needs no folder")
        val = _census(self._root / "val")
        if augment is None and not (self._root / "train").is_dir():
            train = {name: [] for name in val}
        else:
            train = _census(self._root / "train")
            _same_classes(self._root, train, val)
        self.classes = tuple(sorted(val))
        self._files = {name: _listed(split, self.classes) for name, split in (("train", train), ("val", val))}
        self.train_size, self.val_size = len(self._files["train"][0]), len(self._files["val"][0])

    def train(self, batch: int, seed: int, epoch: int, shard: Shard = WHOLE) -> Iterator[Batch]:
        if self._augment is None:
            raise ValueError("a source opened without augment can only validate")
        repeats, erase = self._augment.repeats, self._augment.erase
        draws = shuffled_draws(np.random.default_rng([seed, epoch]), self.train_size, repeats)
        everyone = batch * shard.count
        draws = draws[: self.train_size // everyone * everyone][shard.rows]
        # the C++ operators draw in their own order: shards must not draw alike
        noise = (seed * 100_003 + epoch + shard.index * 7_919) % 2**31
        for number, found in enumerate(self._batches("train", draws, batch, seed, epoch, noise)):
            these = draws[number * batch : (number + 1) * batch]
            yield Batch(erased(found.images, these, erase, seed, epoch), found.labels, found.count)

    def val(self, batch: int, shard: Shard = WHOLE) -> Iterator[Batch]:
        mine = np.arange(self.val_size)[shard.rows]
        if len(mine):
            yield from self._batches("val", mine, batch)

    def _batches(
        self, split: str, draws: np.ndarray, batch: int, seed: int = 0, epoch: int = 0, noise: int = 0
    ) -> Iterator[Batch]:
        from runtime.device.environment import mindspore

        mindspore()
        import mindspore.dataset as ds
        from mindspore.dataset import vision

        ds.config.set_seed(noise)  # fixes the C++ augmentation too, for a given number of workers
        augment = self._augment if split == "train" else None
        files = _Files(*self._files[split], draws)
        workers = {"num_parallel_workers": self._workers}
        images = ds.GeneratorDataset(
            files, ["image", "label", "draw"], shuffle=False, python_multiprocessing=False, **workers
        )
        operators = train_operators(self._view, augment) if augment else eval_operators(self._view)
        if augment and augment.randaugment:
            both = ["image", "draw"]
            random = operator(augment.randaugment, FILL, seed, epoch)
            images = images.map(operators, "image", **workers).map(random, both, both, **workers)
            operators = []
        operators += [vision.Normalize(MEAN, STD), vision.HWC2CHW()]
        images = images.map(operators, "image", **workers).batch(batch)
        before = {name for name in DROPPINGS if Path(name).exists()}
        try:
            for row in images.create_dict_iterator(num_epochs=1, output_numpy=True):
                yield self._padded(row["image"], row["label"].astype(np.int32), batch)
        except RuntimeError as error:
            for name in set(DROPPINGS) - before:
                with contextlib.suppress(OSError):
                    Path(name).unlink(missing_ok=True)
            raise _bad_image(error, files) from None

    def _padded(self, images: np.ndarray, labels: np.ndarray, batch: int) -> Batch:
        count = len(labels)
        if self._view.channels == 1:
            images = grey(images)
        if count < batch:
            images = np.concatenate([images, np.repeat(images[:1], batch - count, axis=0)])
            labels = np.concatenate([labels, np.repeat(labels[:1], batch - count)])
        return Batch(images, labels, count)


class _Files:
    """(content, label, draw) of the draws asked for; a ValueError names the file it is about."""

    def __init__(self, paths: list[str], labels: np.ndarray, draws: np.ndarray):
        self._paths, self._labels, self._draws = paths, labels, draws.astype(np.int64)

    def __len__(self) -> int:
        return len(self._draws)

    def __getitem__(self, at: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        index = int(self._draws[at]) % len(self._paths)
        path = self._paths[index]
        try:
            return decodable(np.fromfile(path, dtype=np.uint8)), self._labels[index], self._draws[at]
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise ValueError(f"{MARK}{path}{MARK}{reason}{MARK}") from None

    def culprit(self) -> str | None:
        """The first file that MindSpore cannot decode, by trying one after the other."""
        from mindspore.dataset import vision

        for at in range(len(self)):
            try:
                vision.Decode()(self[at][0])
            except (RuntimeError, ValueError):
                return self._paths[int(self._draws[at]) % len(self._paths)]
        return None


def _census(split: Path) -> dict[str, list[str]]:
    """Sorted image paths of each class folder; CMT-501 for a missing split, an empty class or no class at all."""
    if not split.is_dir():
        raise CmtError(
            "CMT-501",
            f"there is no folder {split}",
            hint=f"images belong in {split.parent}/train/CLASS/ and {split.parent}/val/CLASS/",
        )
    try:
        found = {
            entry.name: sorted(_images(entry.path))
            for entry in os.scandir(split)
            if entry.is_dir() and not entry.name.startswith(".")
        }
    except OSError as error:
        raise CmtError("CMT-501", f"cannot read {error.filename}: {error.strerror}") from None
    empty = sorted(name for name, images in found.items() if not images)
    if empty:
        others = f" (nor do {len(empty) - 1} others)" if len(empty) > 1 else ""
        raise CmtError(
            "CMT-501",
            f"class folder {split / empty[0]} holds no image{others}",
            hint="images end in " + ", ".join(EXTENSIONS),
        )
    if not found:
        raise CmtError("CMT-501", f"{split} has no class folders", hint=f"put images in {split}/CLASS/")
    return found


def _images(folder: str) -> Iterator[str]:
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _images(entry.path)
        elif entry.name.lower().endswith(EXTENSIONS):
            yield entry.path


def _listed(split: dict[str, list[str]], classes: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    """(paths, labels), class after class."""
    paths = [path for name in classes for path in split[name]]
    labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(split[name]) for name in classes])
    return paths, labels


def _same_classes(root: Path, train: dict[str, list[str]], val: dict[str, list[str]]) -> None:
    for has, lacks, names in (
        ("val", "train", set(val) - set(train)),
        ("train", "val", set(train) - set(val)),
    ):
        if names:
            some = ", ".join(sorted(names)[:5]) + (", …" if len(names) > 5 else "")
            raise CmtError(
                "CMT-502",
                f"{root}: {len(names)} class(es) in {has}/ but not in {lacks}/: {some}",
                hint="both folders need the same classes, spelled alike",
            )


def _bad_image(error: RuntimeError, files: _Files) -> CmtError:
    parts = str(error).split(MARK)
    if len(parts) >= 4:
        name, reason = parts[1], parts[2]
    else:
        name = files.culprit()
        if name is None:
            line = next((x for x in str(error).splitlines() if "failed" in x), str(error).splitlines()[0])
            return CmtError("CMT-503", f"the image pipeline failed: {line[:300]}")
        reason = "its content is damaged"
    return CmtError("CMT-503", f"cannot read {name}: {reason}", hint="repair or remove that file")
