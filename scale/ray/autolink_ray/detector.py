"""The detector that `autolink export` writes, in onnxruntime."""

import json

import numpy as np
import onnxruntime


class Detector:
    """A detector on the CPU or on a CUDA device; `threads` is for the CPU.

    Raises `ValueError` with a sentence if the file is not such a detector or the device is missing.
    """

    def __init__(self, model: bytes, device: str = "cpu", threads: int = 1):
        if device == "cuda" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise ValueError("There is no CUDA in this onnxruntime. Install onnxruntime-gpu on every worker.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin while they wait take the cores from decoding.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = ["CUDAExecutionProvider"] if device == "cuda" else ["CPUExecutionProvider"]
        try:
            self.session = onnxruntime.InferenceSession(model, options, providers=providers)
            metadata = self.session.get_modelmeta().custom_metadata_map
            self.config = json.loads(metadata["config"])
            self.names = json.loads(metadata["keypoint_names"])
            self.skeleton = json.loads(metadata["skeleton"])
        except Exception as error:
            raise ValueError(
                f"The model is not a detector that `autolink export --onnx` wrote, or the device does not take it: {error}"
            ) from None
        if device == "cuda" and "CUDAExecutionProvider" not in self.session.get_providers():
            # onnxruntime would compute on the CPU without a word.
            raise ValueError("CUDA did not start on this worker. Check its driver and CUDA libraries.")
        if self.config.get("locate"):
            raise ValueError(
                "The model was trained on crops around an animal. Only `autolink detect --locate` finds those crops."
            )
        self.size_px = self.config["size"]
        self.fit = self.config["fit"]

    def detect(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds keypoints in `u8 [N,S,S,3]`: `[N,K,2]`, (x, y) as fractions of the view, and their confidence `[N,K]`."""
        image = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32) / 255
        keypoints, confidence = self.session.run(["keypoints", "confidence"], {"image": image})
        return keypoints, confidence
