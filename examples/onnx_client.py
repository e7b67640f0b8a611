"""The likeliest classes of images by a model that `cmt export --format onnx` wrote: python onnx_client.py MODEL.onnx IMAGE…

Needs onnxruntime, NumPy and Pillow alone; sizes, numbers and names are in the file.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
told = session.get_modelmeta().custom_metadata_map
how = json.loads(told["cmt.preprocessing"])
names = json.loads(told.get("cmt.labels", told.get("cmt.classes", "[]")))
takes, inside = session.get_inputs()[0], told["cmt.input"] == "uint8 NHWC"
size = takes.shape[0] if isinstance(takes.shape[0], int) else 1


def pixels(path: str) -> np.ndarray:
    """[h, w, 3] uint8: the centre of the image whose shorter side is size / crop."""
    image, (height, width) = Image.open(path).convert("RGB"), how["size"]
    share = how["crop"] * min(image.width / width, image.height / height)
    w, h = share * width, share * height
    left, top = (image.width - w) / 2, (image.height - h) / 2
    filter_ = Image.Resampling[how["interpolation"].upper()]
    return np.asarray(image.resize((width, height), filter_, box=(left, top, left + w, top + h)))


for path in sys.argv[2:]:
    batch = np.stack([pixels(path)] * size)
    if not inside:
        grey = len(how["mean"]) == 1
        seen = batch @ np.float32([[0.299], [0.587], [0.114]]) if grey else batch
        batch = ((seen / 255 - how["mean"]) / how["std"]).transpose(0, 3, 1, 2).astype(np.float32)
    scores = session.run(None, {takes.name: batch})[0][0].astype(np.float64)
    chances = scores if inside else np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    best = np.argsort(-chances, kind="stable")[:5]
    print(f"{path}: " + ", ".join(f"{names[i] if names else i} {chances[i]:.2%}" for i in best))
