"""The job on a local cluster: the engine's keypoints, reasons, restarts, and a worker that is killed."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
from autolink_ray.annotate import annotate, main
from conftest import ROOT, detect, distances_px, options, rows, run


def content(out):
    """The bytes of all shards."""
    return {str(path.relative_to(out)): path.read_bytes() for path in Path(out).glob("*/0*")}


def test_keypoints_of_500_mixed_images_are_those_of_autolink_detect(done, mixed, tmp_path):
    found = rows(done[0])
    wanted = detect([mixed], tmp_path / "keypoints.json")["images"]
    assert len(wanted) == 500
    jpeg = np.concatenate([distances_px(found[name], wanted[name]["keypoints"]) for name in wanted if name.startswith("jpeg")])
    lossless = np.concatenate(
        [distances_px(found[name], wanted[name]["keypoints"]) for name in wanted if name.startswith("lossless")]
    )
    within = (jpeg < 0.5).mean()
    print(f"largest distances: JPEG {jpeg.max():.3f} px ({within:.4%} within 0.5 px), lossless {lossless.max():.5f} px")
    # libjpeg rounds chroma once as it enlarges it, the engine's decoder twice: one keypoint of 3,000 is 0.54 px off.
    assert within >= 0.999 and jpeg.max() < 1
    # The same pixels: only the rounding of the network is left.
    assert lossless.max() < 0.02
    for name in wanted:
        off = np.abs(np.subtract(found[name]["confidence"], wanted[name]["confidence"])).max()
        assert off < (0.1 if name.startswith("jpeg") else 1e-4), name


def test_broken_images_are_rows_with_a_reason(done, broken, tmp_path):
    out, summary = done
    found = rows(out)
    for path in broken.iterdir():
        row = found[path.name]
        assert row["reason"].endswith(".") and row["x_px"] is None and row["width_px"] is None
    assert found["empty.png"]["reason"] == "The file is empty (zero bytes)."
    assert found["phone.heic"]["reason"] == "HEIC images cannot be read here. Save this one as PNG or JPEG."
    assert found["damaged.png"]["reason"] == "The PNG file is damaged or incomplete."
    count = len(list(broken.iterdir()))
    assert (summary["rows"], summary["annotated"], summary["rejected"]) == (500 + count, 500, count)
    assert sum(summary["reasons"].values()) == count
    assert json.loads((out / "summary.json").read_text()) == summary


def test_every_kind_of_image_in_the_tests_of_the_engine(detector, tmp_path):
    pictures = ROOT / "tests/data/pictures"
    run(detector, tmp_path / "out", [pictures])
    found = rows(tmp_path / "out")
    result = detect([pictures], tmp_path / "keypoints.json")
    for name, keypoints in result["images"].items():
        if not Path(name).suffix:
            continue  # the job goes by names
        assert found[name]["reason"] is None, name
        print(name, distances_px(found[name], keypoints["keypoints"]).max())
    refused = {rejected["name"] for rejected in result["rejected"]}
    for name, row in found.items():
        assert (row["reason"] is not None) == (name in refused), name


def test_coco_has_the_keypoints_of_the_parquet_file(done):
    ids = set()
    for path in sorted((done[0] / "coco").glob("*.json")):
        coco = json.loads(path.read_text())
        assert len(coco["categories"][0]["keypoints"]) == 12
        names = {image["id"]: image["file_name"] for image in coco["images"]}
        for annotation in coco["annotations"]:
            row = rows_of(done[0], path.stem)[names[annotation["image_id"]]]
            points = np.reshape(annotation["keypoints"], (-1, 3))
            assert np.allclose(points[:, 0], row["x_px"], atol=1e-4) and np.allclose(points[:, 1], row["y_px"], atol=1e-4)
            left, top, width, height = annotation["bbox"]
            assert np.isclose(left + width, max(row["x_px"]), atol=1e-3) or width == 1
            assert np.isclose(top, min(row["y_px"]), atol=1e-3)
        assert not ids & names.keys()
        ids |= names.keys()
    assert len(ids) == 500


_tables = {}


def rows_of(out, stem):
    import pyarrow.parquet as pq

    if stem not in _tables:
        _tables[stem] = {row["name"]: row for row in pq.read_table(out / f"keypoints/{stem}.parquet").to_pylist()}
    return _tables[stem]


def test_a_killed_worker_leaves_the_same_output(detector, mixed, broken, done, tmp_path):
    killed = []

    def kill_one(summary):
        if killed:
            return
        workers = [child for child in psutil.Process().children(recursive=True) if "MapWorker" in child.name() + " ".join(child.cmdline())]
        assert len(workers) == 2
        killed.append(workers[0].pid)
        os.kill(workers[0].pid, signal.SIGKILL)

    job = options(detector, tmp_path, [mixed, broken], workers=2)
    summary = annotate(job, report=lambda sentence: None, on_shard=kill_one)
    assert killed
    assert summary["rows"] == done[1]["rows"]
    assert content(tmp_path) == content(done[0])


def test_a_job_goes_on_where_it_was_stopped(detector, mixed, broken, done):
    out, summary = done
    before = content(out)
    times = {path: path.stat().st_mtime_ns for path in Path(out).glob("*/0*")}
    lost = [out / "keypoints/000003.parquet", out / "coco/000007.json", out / "keypoints/000007.parquet"]
    for path in lost:
        path.unlink()
    again = run(detector, out, [mixed, broken], workers=1)
    assert content(out) == before
    written = {path for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert written == {*lost, out / "coco/000003.json"}
    assert again["last_run"]["rows"] == 100
    assert {**again, "last_run": 0} == {**summary, "last_run": 0}


def test_another_job_is_kept_out_of_the_folder(detector, mixed, broken, done):
    with pytest.raises(ValueError, match="belongs to another job: inputs and shard changed"):
        run(detector, done[0], [mixed, broken], shard=60)
    with pytest.raises(ValueError, match="inputs changed"):
        run(detector, done[0], [mixed])


def test_what_cannot_be_used_ends_in_a_sentence(detector, mixed, tmp_path, capsys):
    with pytest.raises(ValueError, match="does not exist"):
        run(detector, tmp_path / "a", [tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="not a detector"):
        run(ROOT / "models/hands.safetensors", tmp_path / "b", [mixed])
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="There are no images"):
        run(detector, tmp_path / "c", [tmp_path / "nothing"])
    with pytest.raises(ValueError, match="The cluster has no GPU"):
        run(detector, tmp_path / "d", [mixed], device="cuda")
    with pytest.raises(SystemExit):
        main([str(mixed), "--model", str(detector), "--out", str(tmp_path / "e"), "--every", "0"])
    assert "--every must be at least 1." in capsys.readouterr().err
