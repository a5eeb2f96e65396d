"""Images per second of the job with one and two workers, beside `autolink detect`, on JPEG files of one megapixel.

    python scale/ray/speed.py [COUNT]

AUTOLINK names the command line (default: target/release/autolink). Times of the job count from its first finished shard on: starting Ray
takes tens of seconds, whatever the number of images.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import ray
from autolink_ray.annotate import Options, annotate
from autolink_ray.detector import Detector
from autolink_ray.images import decode
from PIL import Image
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[2]
AUTOLINK = os.environ.get("AUTOLINK", str(ROOT / "target/release/autolink"))
MODEL = ROOT / "models/hands.safetensors"
SHARD = 50


def make(folder, count):
    """Writes photographs of hands, enlarged to 1000 x 1000 px, with grain that a JPEG file has to keep."""
    random = np.random.default_rng(0)
    for i in range(count):
        image = Image.open(ROOT / f"models/hands/{i % 10}.jpg").convert("RGB").resize((1000, 1000), Image.Resampling.BICUBIC)
        grain = random.normal(0, 6, (1000, 1000, 1))
        Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)).save(folder / f"{i:05}.jpg", quality=85)


def job(folder, model, out, workers):
    """Images per second after the first finished shard of each worker."""
    times = []
    options = Options([str(folder)], str(model), str(out), workers=workers, shard=SHARD)
    annotate(options, report=lambda _: None, on_shard=lambda _: times.append(time.monotonic()))
    return SHARD * (len(times) - workers) / (times[-1] - times[workers - 1])


def stages(folder, model):
    """Images per second of CPU time of one core: decoding with rescaling, and the network alone."""
    threadpool_limits(1, "blas")
    detector = Detector(model.read_bytes())
    files = [path.read_bytes() for path in sorted(folder.iterdir())[:40]]
    start = time.process_time()
    views = [decode(data, detector.size_px, detector.fit).pixels for data in files]
    decoded = time.process_time()
    for _ in range(5):
        detector.detect(np.stack(views[:32]))
    return {
        "file_kb": round(sum(map(len, files)) / len(files) / 1000),
        "decode": round(len(files) / (decoded - start), 1),
        "network": round(160 / (time.process_time() - decoded), 1),
    }


def main(count):
    with tempfile.TemporaryDirectory() as name:
        folder, model = Path(name, "images"), Path(name, "detector.onnx")
        folder.mkdir()
        make(folder, count)
        subprocess.run([AUTOLINK, "export", "--model", MODEL, "--onnx", model], check=True)
        found = {"images": count, "load_before": round(os.getloadavg()[0], 1), "one_core": stages(folder, model)}
        ray.init(num_cpus=2, include_dashboard=False, logging_level="error", log_to_driver=False)
        for workers in (1, 2):
            found[f"workers_{workers}"] = round(job(folder, model, Path(name, f"out{workers}"), workers), 1)
        ray.shutdown()
        start = time.monotonic()
        detect = [AUTOLINK, "detect", folder, "--model", MODEL, "--out", Path(name, "keypoints.json")]
        subprocess.run(detect, check=True, capture_output=True)
        found["autolink_detect"] = round(count / (time.monotonic() - start), 1)
        print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
