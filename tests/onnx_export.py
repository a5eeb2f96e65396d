"""Runs an exported detector in onnxruntime and compares its outputs with expected ones.

    python onnx_export.py MODEL.onnx EXPECTED.safetensors [TOLERANCE]

EXPECTED holds `image` [N,3,S,S] in [0,1], `keypoints` [N,K,2] (x, y) as fractions of the image, `confidence` [N,K] and
`heatmap` [N,K,S/4,S/4]. Prints one line per check, and exits with 1 if one fails. `tests/onnx.rs` runs it.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

OUTPUTS = ["keypoints", "confidence", "heatmap"]


def main(model_path, expected_path, tolerance=1e-4):
    model = onnx.load(model_path)
    onnx.checker.check_model(model, full_check=True)
    print("onnx.checker: fine")

    expected = load_file(expected_path)
    image = expected["image"]
    count = expected["keypoints"].shape[1]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 17}
    assert np.shape(json.loads(metadata["edge_weights"])) == (count, count)
    assert all(0 <= i < j < count for i, j in json.loads(metadata["skeleton"]))
    assert len(json.loads(metadata["keypoint_names"])) == count
    assert isinstance(json.loads(metadata["config"]), dict)
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    print(f"metadata: {sorted(metadata)}, by {model.producer_name} {model.producer_version}")

    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["image"]
    assert [value.name for value in session.get_outputs()] == OUTPUTS
    worst = 0.0
    for n in sorted({1, min(3, len(image)), len(image)}):
        results = session.run(OUTPUTS, {"image": image[:n].astype(np.float32)})
        for name, result in zip(OUTPUTS, results):
            assert result.shape == expected[name][:n].shape, (name, result.shape)
            error = float(np.abs(result - expected[name][:n]).max())
            print(f"N = {n}: {name} {list(result.shape)}, largest difference {error:.1e}")
            worst = max(worst, error)
    if not worst <= tolerance:
        sys.exit(f"The largest difference is {worst:.1e}, but at most {tolerance:.0e} is allowed.")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:]))
