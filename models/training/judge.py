"""Runs a graph with the weights of a safetensors file in onnxruntime, on one thread.

    python judge.py detector.onnx detector.safetensors input.f32 out.npy --shape 1,3,320,320

    python judge.py detector.onnx detector.safetensors input.f32 out.f32 --shape 1,3,320,320 --boxes boxes.txt

With --boxes the detector's raw output is decoded and suppressed as well: a line for each box, with the image's
number, the class, the confidence and the four sides in the network's pixels.

The input is an .npy file, or raw little-endian float32 with --shape. The output
is written as .npy, or as raw little-endian float32 when its name ends otherwise.
Needs onnx, onnxruntime, numpy and safetensors; nothing of the training.
"""

import argparse

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file


def fill(graph, weights):
    """The graph with its empty parameters filled, 16 bits widened to 32."""
    proto = onnx.load(graph)
    state = load_file(weights)
    for tensor in proto.graph.initializer:
        if tensor.name in state:
            value = state.pop(tensor.name).astype("<f4")
            if list(value.shape) != list(tensor.dims):
                raise SystemExit(f"{tensor.name}: {value.shape} in the weights, {tensor.dims} in the graph")
            tensor.raw_data = value.tobytes()
    if state:
        raise SystemExit(f"not in the graph: {', '.join(sorted(state))}")
    return proto.SerializeToString()


def run(graph, weights, images):
    """The raw output for float32 images [B, 3, H, W]."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        fill(graph, weights), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def boxes(raw, least=0.25, overlap=0.7, most=300):
    """Class, confidence and sides of what is found in one image's raw output [64 + classes, places]."""
    places = raw.shape[1]
    size = int(round((places / 21) ** 0.5)) * 32
    centres, strides = [], []
    for stride in (8, 16, 32):
        side = size // stride
        y, x = np.mgrid[0:side, 0:side].reshape(2, -1)
        centres.append(np.stack([x, y]) + 0.5)
        strides.append(np.full(side * side, float(stride)))
    centres, strides = np.concatenate(centres, 1), np.concatenate(strides)
    bins = raw[:64].astype(np.float64).reshape(4, 16, places)
    weights = np.exp(bins - bins.max(1, keepdims=True))
    away = (weights * np.arange(16.0)[None, :, None]).sum(1) / weights.sum(1)
    sides = np.concatenate([centres - away[:2], centres + away[2:]]) * strides
    scores = 1.0 / (1.0 + np.exp(-raw[64:].astype(np.float64)))
    classes, scores = scores.argmax(0), scores.max(0)
    kept = []
    for place in np.argsort(-scores, kind="stable"):
        if scores[place] < least or len(kept) == most:
            break
        left, top, right, bottom = sides[:, place]
        for other in kept:
            if classes[other] == classes[place]:
                a = sides[:, other]
                shared = max(0.0, min(a[2], right) - max(a[0], left)) * max(0.0, min(a[3], bottom) - max(a[1], top))
                both = (a[2] - a[0]) * (a[3] - a[1]) + (right - left) * (bottom - top)
                if shared / (both - shared) > overlap:
                    break
        else:
            kept.append(place)
    return [(classes[place], scores[place], *sides[:, place]) for place in kept]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("graph")
    parser.add_argument("weights")
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--shape", help="of a raw input, as 1,3,320,320")
    parser.add_argument("--boxes", help="where to write the detector's boxes")
    options = parser.parse_args()
    if options.input.endswith(".npy"):
        images = np.load(options.input).astype(np.float32)
    else:
        if not options.shape:
            parser.error("a raw input needs --shape")
        shape = [int(side) for side in options.shape.split(",")]
        images = np.fromfile(options.input, "<f4").reshape(shape)
    output = run(options.graph, options.weights, images)
    if options.output.endswith(".npy"):
        np.save(options.output, output)
    else:
        output.astype("<f4").tofile(options.output)
    if options.boxes:
        with open(options.boxes, "w") as out:
            for image, raw in enumerate(output):
                for found in boxes(raw):
                    print(image, *found, file=out)
    print("output", ",".join(str(side) for side in output.shape))


if __name__ == "__main__":
    main()
