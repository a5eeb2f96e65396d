"""Parquet files, object stores and videos."""

import subprocess
import sys
from pathlib import Path

import av
import boto3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT, detect, distances_px, rows, run
from moto.server import ThreadedMotoServer
from PIL import Image

HANDS = [ROOT / f"models/hands/{i}.jpg" for i in range(10)]


def same_points(row, other):
    assert row["reason"] is None
    assert (row["x_px"], row["y_px"], row["confidence"]) == (other["x_px"], other["y_px"], other["confidence"])


@pytest.fixture(scope="module")
def hands(detector, tmp_path_factory):
    out = tmp_path_factory.mktemp("hands")
    run(detector, out, HANDS)
    return rows(out)


def test_parquet_files_with_bytes_structs_and_paths(detector, hands, tmp_path):
    data = [path.read_bytes() for path in HANDS]
    columns = {
        "bytes": pa.array(data),
        "struct": pa.array([{"bytes": b, "path": None} for b in data]),
        "paths": pa.array([str(path) for path in HANDS]),
        "id": pa.array(range(100, 110)),
    }
    pq.write_table(pa.table(columns), tmp_path / "in.parquet", row_group_size=4)
    for column in ("bytes", "struct", "paths"):
        summary = run(detector, tmp_path / column, [tmp_path / "in.parquet"], image_column=column)
        assert summary["shards"] == 3
        found = rows(tmp_path / column)
        for i in range(10):
            # Batches differ, and with them the last bits of the network.
            wanted = hands[f"{i}.jpg"]
            assert np.allclose(found[f"in.parquet/{i:08}"]["x_px"], wanted["x_px"], atol=1e-3)
    run(detector, tmp_path / "named", [tmp_path / "in.parquet"], image_column="bytes", name_column="id")
    assert set(rows(tmp_path / "named")) == {str(i) for i in range(100, 110)}
    with pytest.raises(ValueError, match="has no column image. It has bytes, struct, paths, id."):
        run(detector, tmp_path / "none", [tmp_path / "in.parquet"])


def test_null_and_missing_images_in_parquet_files_have_a_reason(detector, tmp_path):
    pq.write_table(pa.table({"image": pa.array([None, str(tmp_path / "gone.jpg")])}), tmp_path / "in.parquet")
    run(detector, tmp_path / "out", [tmp_path / "in.parquet"])
    first, second = rows(tmp_path / "out").values()
    assert first["reason"] == "The row has no image."
    assert second["reason"].startswith("The file cannot be read: ")


def test_object_stores_are_read_and_written(detector, hands, tmp_path, monkeypatch):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        _, port = server.get_host_and_port()
        store = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        store.create_bucket(Bucket="lab")
        for path in HANDS:
            store.put_object(Bucket="lab", Key=f"in/{path.name}", Body=path.read_bytes())
        query = f"?scheme=http&endpoint_override=127.0.0.1:{port}&region=us-east-1&allow_bucket_creation=true"
        at = lambda path: f"s3://test:test@lab/{path}{query}"
        for _ in range(2):  # the second finds all shards done
            summary = run(detector, at("out"), [at("in")])
        assert (summary["annotated"], summary["last_run"]["rows"]) == (10, 0)
        for key in ("keypoints/000000.parquet", "coco/000000.json", "summary.json"):
            target = tmp_path / key
            target.parent.mkdir(exist_ok=True)
            store.download_file("lab", f"out/{key}", str(target))
        found = rows(tmp_path)
        for name, row in hands.items():
            same_points(found[name], row)
    finally:
        server.stop()


def test_videos_have_one_row_a_frame(detector, tmp_path):
    video = ROOT / "tests/data/videos/sixty.webm"
    summary = run(detector, tmp_path / "out", [video], every=7)
    found = rows(tmp_path / "out")
    wanted = detect([video], tmp_path / "keypoints.json", "--every", "7")["images"]
    assert set(found) == set(wanted) and summary["rows"] == len(wanted) > 3
    for name, row in found.items():
        assert row["video"] == "sixty.webm" and row["frame"] == int(Path(name).stem[3:])
        assert abs(row["seconds"] - row["frame"] / 60) < 0.01
        assert distances_px(row, wanted[name]["keypoints"]).max() < 0.02  # the same pixels


def test_videos_are_turned_upright(detector, tmp_path):
    plain, turned = tmp_path / "plain.mp4", tmp_path / "turned.mp4"
    with av.open(str(plain), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 160, 96, "yuv420p", 4_000_000
        for path in HANDS[:5]:
            image = Image.open(path).convert("RGB").resize((160, 96))
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    # The matrix of the track (ISO 14496-12, `tkhd`): a quarter turn in place of none.
    one, minus_one, last = (number.to_bytes(4, "big") for number in (1 << 16, 0xFFFF << 16, 1 << 30))
    none = b"".join([one, bytes(12), one, bytes(12), last])
    quarter = b"".join([bytes(4), one, bytes(4), minus_one, bytes(8), (96 << 16).to_bytes(4, "big"), bytes(4), last])
    before, track, after = plain.read_bytes().partition(b"tkhd")
    assert none in after[:80]
    turned.write_bytes(before + track + after.replace(none, quarter, 1))
    run(detector, tmp_path / "out", [turned])
    found = rows(tmp_path / "out")
    wanted = detect([turned], tmp_path / "keypoints.json")["images"]
    assert set(found) == set(wanted) and len(found) == 5
    for name, row in found.items():
        assert (row["width_px"], row["height_px"]) == (96, 160)
        assert distances_px(row, wanted[name]["keypoints"]).max() < 0.5  # 0.3 of 160


def test_broken_videos_have_a_reason(detector, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/bad.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(100))
    run(detector, tmp_path / "out", [tmp_path / "in"])
    (row,) = rows(tmp_path / "out").values()
    assert row["name"] == "bad.mp4" and row["reason"].startswith("The video cannot be read at its start: ")


def test_the_command_line_does_a_whole_job(detector, tmp_path):
    command = [sys.executable, "-m", "autolink_ray.annotate", ROOT / "models/hands", "--model", detector]
    done = subprocess.run([*command, "--out", tmp_path / "out", "--workers", "2", "--shard", "4"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Found keypoints in 10 of 10 images; 0 have a reason." in done.stderr
    assert len(rows(tmp_path / "out")) == 10
