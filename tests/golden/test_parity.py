"""Equal numbers with the official PyTorch code and with MindCV's, from weights derived by name."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from cmt_dsl.lower import numpy as reference
from cmt_dsl.weights.names import foreign_names
from tests.golden.recorded import MODELS, Recorded

OFFICIAL = [name for name in MODELS if name.startswith("official")]


@lru_cache(maxsize=4)
def recorded(name: str) -> Recorded:
    return Recorded(name)


@pytest.mark.parametrize("name", MODELS)
def test_names_and_shapes_are_complete_in_both_directions(name: str) -> None:
    run = recorded(name)
    graph = run.graph()
    ours = {run_name: graph_shape(graph, path) for path, run_name in foreign_names(graph, run.source).items()}
    theirs = {k: tuple(s) for k, s in run.facts["state"] if not k.endswith("num_batches_tracked")}
    assert ours == theirs


def graph_shape(graph, path):
    return next(info.shape for info in graph.params if info.path == path)


@pytest.mark.parametrize("name", MODELS)
def test_numpy_logits(name: str) -> None:
    run = recorded(name)
    graph = run.graph()
    logits = reference.run(graph, run.weights(graph), run.images)
    np.testing.assert_allclose(logits, run.logits, rtol=0, atol=1e-5 * np.abs(run.logits).max())


@pytest.mark.parametrize("name", OFFICIAL)
def test_numpy_features(name: str) -> None:
    run = recorded(name)
    graph = run.graph()
    features = run.facts["eval_features"]
    wanted = {theirs: node_of(graph, theirs) for theirs in features}
    values = reference.run_all(graph, run.weights(graph), run.images, list(wanted.values()))
    for theirs, node in wanted.items():
        value, facts = values[node], features[theirs]
        if theirs != "stem":
            value = value.reshape(*value.shape[:2], -1).swapaxes(1, 2)
        assert list(value.shape) == facts["shape"], theirs
        bound = 2e-5 * np.abs(value).max()
        assert abs(value.mean() - facts["mean"]) < bound, theirs
        assert abs(value.std() - facts["std"]) < bound, theirs
        np.testing.assert_allclose(value.ravel()[:8], facts["first8"], rtol=0, atol=bound)
        np.testing.assert_allclose(value.ravel()[-8:], facts["last8"], rtol=0, atol=bound)


def node_of(graph, theirs: str) -> str:
    """The node whose output is that of the official module."""
    head, *rest = theirs.split(".")
    kind, _, letter = head.rpartition("_")
    if theirs == "stem":
        path = "stem"
    elif kind == "patch_embed":
        path = f"stages.{'abcd'.index(letter)}.embed"
    else:
        stage = f"stages.{'abcd'.index(letter)}"
        part = {"mlp": "ffn"}.get(rest[1], rest[1]) if len(rest) > 1 else None
        path = ".".join(p for p in (stage, f"blocks.{rest[0]}" if rest else None, part) if p)
    return next(scope.output for scope in graph.scopes if scope.path == path)


GRAPH_AND_PYNATIVE = [*((name, "graph") for name in MODELS), ("official_cmt_ti", "pynative")]
TRAINED = [*((name, "graph") for name in OFFICIAL), ("official_cmt_ti", "pynative")]


def set_mode(mode: str) -> None:
    import mindspore as ms

    ms.set_context(mode=ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE)


@pytest.mark.mindspore
@pytest.mark.parametrize(("name", "mode"), GRAPH_AND_PYNATIVE)
def test_mindspore_logits(name: str, mode: str) -> None:
    import mindspore as ms

    from cmt_dsl import to_cell

    set_mode(mode)
    run = recorded(name)
    graph = run.graph()
    cell = to_cell(graph, weights=run.weights(graph))
    logits = cell(ms.Tensor(run.images)).asnumpy()
    np.testing.assert_allclose(logits, run.logits, rtol=0, atol=1e-5 * np.abs(run.logits).max())


@pytest.mark.mindspore
@pytest.mark.parametrize(("name", "mode"), TRAINED)
def test_training_loss_and_gradients(name: str, mode: str) -> None:
    import mindspore as ms
    from mindspore import nn

    from cmt_dsl import to_cell
    from cmt_dsl.lower.mindspore.names import canonical_names

    set_mode(mode)
    run = recorded(name)
    graph = run.graph(**{"drop_path": 0.0, "head.args.dropout": 0.0})
    cell = to_cell(graph, weights=run.weights(graph))
    cell.set_train(True)
    loss_of = nn.CrossEntropyLoss(label_smoothing=run.facts["label_smoothing"])
    labels = ms.Tensor(np.array(run.facts["labels"], np.int32))
    parameters = cell.trainable_params()
    names = [canonical_names(graph)[p.name] for p in parameters]
    step = gradient_cell(nn.WithLossCell(cell, loss_of), parameters)
    loss, gradients = step(ms.Tensor(run.images), labels)
    assert abs(float(loss) - run.facts["train_loss"]) < 1e-5 * run.facts["train_loss"]

    theirs = foreign_names(graph, run.source)
    norms = {
        theirs[path]: float(np.linalg.norm(gradient.asnumpy().astype(np.float64)))
        for path, gradient in zip(names, gradients, strict=True)
    }
    expected = run.facts["grad_l2"]
    assert norms.keys() == expected.keys()
    floor = 1e-6 * np.sqrt(sum(v * v for v in expected.values()))
    worst = max(abs(norms[k] - v) / (1e-4 * v + floor) for k, v in expected.items())
    assert worst <= 1, f"gradient norms off by {worst:.2f} times the tolerance"


def gradient_cell(network, parameters):
    """A Cell that gives loss and gradients, so that graph mode compiles both."""
    from mindspore import nn, ops

    class Gradients(nn.Cell):
        def __init__(self):
            super().__init__(auto_prefix=False)
            self.network = network
            self.both = ops.value_and_grad(network, None, tuple(parameters))

        def construct(self, images, labels):
            return self.both(images, labels)

    return Gradients().set_train()
