"""Writes what ships: 16-bit safetensors with metadata, and ONNX graphs without weights.

    python export.py --work DIR --out ../weights     # after train.py
    python export.py --random --out DIR              # random weights, for parity checks
"""

import argparse
import inspect
import json
from copy import deepcopy
from pathlib import Path

import onnx
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

import classifier
import detector
from blocks import parameters

LICENCE = "Apache-2.0"
MODELS = {
    "classifier": (classifier, classifier.Classifier, "logits", 1_443_412),
    "detector": (detector, detector.Detector, "raw", 3_011_612),
}


def halves(model):
    """The state dict in 16 bits, without the counters of the batch normalisations."""
    state = {}
    for key, value in model.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        half = value.half()
        assert torch.isfinite(half).all(), f"{key} does not fit 16 bits"
        state[key] = half
    return state


def rounded(model):
    """A copy of the model with the weights that ship: 16 bits, widened again."""
    copy = deepcopy(model)
    copy.load_state_dict({k: v.float() for k, v in halves(model).items()}, strict=False)
    return copy.eval()


def save(model, path, metadata):
    """One safetensors file; the values of `metadata` are texts."""
    save_file({k: v.contiguous().numpy() for k, v in halves(model).items()}, path, metadata)


def load(path):
    """The model of a safetensors file in 32 bits, in eval mode, and its metadata."""
    with safe_open(path, "np") as file:
        metadata = file.metadata()
        state = {k: torch.from_numpy(file.get_tensor(k)).float() for k in file.keys()}
    build = MODELS[metadata["kind"]][1]
    model = build(len(metadata["classes"].split(",")))
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(k.endswith("num_batches_tracked") for k in missing)
    return model.eval(), metadata


def graph(kind, path):
    """The network's ONNX graph; parameters are declared with a shape and hold no data.

    Traced with random weights, as the exporter merges parameters that are equal.
    """
    module, build, output, _ = MODELS[kind]
    model = build().eval()
    jitter(model)
    spatial = {2: "height", 3: "width"} if kind == "detector" else {}
    options = {}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    torch.onnx.export(
        model,
        torch.zeros(1, 3, module.SIZE, module.SIZE),
        str(path),
        input_names=["images"],
        output_names=[output],
        dynamic_axes={
            "images": {0: "batch", **spatial},
            output: {0: "batch", **({2: "anchors"} if spatial else {})},
        },
        opset_version=13,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        **options,
    )
    proto = onnx.load(str(path))
    state = halves(model)
    declared = {t.name for t in proto.graph.initializer}
    assert declared >= set(state), sorted(set(state) - declared)
    for tensor in proto.graph.initializer:
        if tensor.name in state:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
    if spatial:
        proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 64 + len(module.CLASSES)
    for node in proto.graph.node:
        node.ClearField("doc_string")
    onnx.save(proto, str(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--out", type=Path, default=Path("../weights"))
    parser.add_argument("--random", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for kind, (module, build, _, count) in MODELS.items():
        torch.manual_seed(0)
        model = build()
        assert parameters(model) == count, (kind, parameters(model))
        metadata = {
            "kind": kind,
            "classes": ",".join(module.CLASSES),
            "size": str(module.SIZE),
            "licence": LICENCE,
            "training": "none: random weights",
        }
        if kind == "classifier":
            metadata["temperature"] = "1.0"
        if options.random:
            jitter(model)
        else:
            model.load_state_dict(torch.load(options.work / f"{kind}.pt"))
            metadata.update(json.loads((options.work / f"{kind}.json").read_text()))
        save(model, options.out / f"{kind}.safetensors", metadata)
        graph(kind, options.out / f"{kind}.onnx")


def jitter(model):
    """Random batch normalisations and biases too, so that a parity check sees them all."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
            torch.nn.init.normal_(module.running_mean, 0, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif getattr(module, "bias", None) is not None:
            torch.nn.init.normal_(module.bias, 0, 0.2)


if __name__ == "__main__":
    main()
