"""Runs a graph with the weights of a safetensors file in onnxruntime, on one thread.

    python judge.py detector.onnx detector.safetensors input.f32 out.npy --shape 1,3,320,320

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


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("graph")
    parser.add_argument("weights")
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--shape", help="of a raw input, as 1,3,320,320")
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
    print("output", ",".join(str(side) for side in output.shape))


if __name__ == "__main__":
    main()
