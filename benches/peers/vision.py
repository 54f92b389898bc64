"""Times one engine on the vision models, a round at a time, for `benches vision`.

    python vision.py onnxruntime|pytorch classifier|detector MODELS_DIR INPUT.f32 COUNT SIZE OUTPUT.f32

Prints the engine's version, then for each line on standard input runs every image once, one at a time, on one
thread, and prints the milliseconds an image took (the median). The outputs of the last round are written at the end.
"""

import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np


def onnxruntime_model(kind, models):
    sys.path.insert(0, f"{models}/training")
    import judge
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    filled = judge.fill(f"{models}/weights/{kind}.onnx", f"{models}/weights/{kind}.safetensors")
    session = onnxruntime.InferenceSession(filled, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return onnxruntime.__version__, lambda image: session.run(None, {name: image})[0]


def pytorch_model(kind, models):
    sys.path.insert(0, f"{models}/training")
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    torch.set_num_threads(1)
    import importlib

    module = importlib.import_module(kind)
    network = getattr(module, kind.capitalize())(4)
    state = load(f"{models}/weights/{kind}.safetensors")
    missing, unexpected = network.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()}, strict=False)
    assert not unexpected, unexpected
    assert all("num_batches" in name or "dfl" in name for name in missing), missing
    network.eval()
    # As it would be deployed: BatchNorm folded.
    for block in network.modules():
        if hasattr(block, "conv") and hasattr(block, "bn"):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = torch.nn.Identity()

    def run(image):
        with torch.no_grad():
            return network(torch.from_numpy(image)).numpy()

    return torch.__version__, run


def load(path):
    """The arrays of a safetensors file, as 32 bits; numpy is all it takes."""
    import json

    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            kind = {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]
            values = np.frombuffer(data[8 + length + start : 8 + length + end], kind)
            arrays[name] = values.astype("<f4").reshape(entry["shape"])
    return arrays


def main():
    engine, kind, models, source, count, size, out = sys.argv[1:]
    images = np.fromfile(source, "<f4").reshape(int(count), 1, 3, int(size), int(size))
    version, run = {"onnxruntime": onnxruntime_model, "pytorch": pytorch_model}[engine](kind, models)
    run(images[0])
    print(version, flush=True)
    for _ in sys.stdin:
        times, outputs = [], []
        for image in images:
            began = time.perf_counter()
            outputs.append(run(image))
            times.append(time.perf_counter() - began)
        print(sorted(times)[len(times) // 2] * 1e3, flush=True)
    np.concatenate(outputs).astype("<f4").tofile(out)


if __name__ == "__main__":
    main()
