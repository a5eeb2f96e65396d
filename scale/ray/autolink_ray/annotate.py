"""The job: divides images into shards, gives them to workers, and sums up. `autolink-ray --help` lists the options."""

import argparse
import hashlib
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from pyarrow import fs as pafs
from threadpoolctl import threadpool_limits

from . import results, sources
from .detector import Detector
from .images import Rejected, View, decode, square
from .sources import Shard, open_uri

# Blocks of shards for each worker: enough that one slow worker does not hold up the end.
BLOCKS_PER_WORKER = 50


@dataclass
class Options:
    """What to annotate, and how. Paths may be URIs that Arrow or fsspec opens (`s3://`, `gs://`, `hdfs://`)."""

    inputs: list[str]
    # The detector that `autolink export` wrote.
    model: str
    # The folder to write into.
    out: str
    # Number of workers; each has one model.
    workers: int = 1
    # Cores of each worker: it decodes with as many threads.
    cores: int = 1
    # `cpu` or `cuda`; with `cuda` each worker has a device of its own.
    device: str = "cpu"
    # Images in a shard.
    shard: int = 1000
    # Images that are detected at once.
    batch: int = 32
    # Use every n-th frame of a video.
    every: int = 1
    # The columns of Parquet files with the images (bytes or paths) and, if there is one, with their names.
    image_column: str = "image"
    name_column: str | None = None


class Worker:
    """Annotates shards, one after another."""

    def __init__(self, model: bytes, options: Options):
        # Images are decoded in threads; more of them in each matrix product only wait for one another.
        threadpool_limits(1, "blas")
        self.options = options
        self.detector = Detector(model, options.device, options.cores)
        self.system, self.out = open_uri(options.out)

    def __call__(self, batch):
        summaries = [self.annotate(Shard(**json.loads(shard))) for shard in batch["shard"]]
        return {"summary": np.array([json.dumps(summary) for summary in summaries], dtype=object)}

    def annotate(self, shard: Shard) -> dict:
        """Writes a shard, unless it is there already, and returns its number and the number of its rows."""
        path = parquet_path(self.out, shard.number)
        if self.system.get_file_info(path).type != pafs.FileType.File:
            rows = list(self.rows(shard))
            names, skeleton = self.detector.names, self.detector.skeleton
            coco = results.coco_bytes(rows, shard.number, names, skeleton)
            results.write_whole(self.system, f"{self.out}/coco/{shard.number:06}.json", coco)
            # Last: a shard is done when it has its Parquet file.
            results.write_whole(self.system, path, results.parquet_bytes(rows, names, skeleton))
            count = len(rows)
        else:
            count = pq.read_metadata(path, filesystem=self.system).num_rows
        return {"shard": shard.number, "rows": count}

    def rows(self, shard: Shard) -> Iterator[dict]:
        """Yields one row an image or frame, in the order of the shard."""
        pending: list[tuple[dict, View | str]] = []
        for item in self.views(shard):
            pending.append(item)
            if len(pending) == self.options.batch:
                yield from self.detected(pending)
                pending = []
        yield from self.detected(pending)

    def detected(self, pending: list[tuple[dict, View | str]]) -> list[dict]:
        """Detects the keypoints in one batch, and completes its rows."""
        views = [view for _, view in pending if isinstance(view, View)]
        if views:
            keypoints, confidence = self.detector.detect(np.stack([view.pixels for view in views]))
            found = zip(keypoints.astype(np.float64), confidence)
        for row, view in pending:
            if isinstance(view, str):
                row["reason"] = view
                continue
            points, trust = next(found)
            points_px = view.to_original_px(points)
            row["width_px"], row["height_px"] = view.original_px
            row["x_px"], row["y_px"] = points_px[:, 0].tolist(), points_px[:, 1].tolist()
            row["confidence"] = trust.tolist()
        return [row for row, _ in pending]

    def views(self, shard: Shard) -> Iterator[tuple[dict, View | str]]:
        """Decodes the images of a shard in threads, ahead of detection; yields a row with the name, and the view or a reason."""
        size_px, fit = self.detector.size_px, self.detector.fit

        def from_file(item):
            name, content = item
            try:
                if isinstance(content, str):
                    content = sources.read_bytes(content)
                if content is None:
                    raise Rejected("The row has no image.")
                return {"name": name}, decode(content, size_px, fit)
            except Rejected as reason:
                return {"name": name}, str(reason)
            except OSError as error:
                return {"name": name}, f"The file cannot be read: {error}."

        def from_frame(frame):
            video = shard.files[0][1]
            row = {
                "name": f"{video.rsplit('.', 1)[0]}/img{frame.number:06}.png",
                "video": video,
                "frame": frame.number,
                "seconds": frame.seconds,
            }
            return row, square(frame.image, 1, size_px, fit)

        if shard.kind == "images":
            yield from self.ahead(from_file, ((name, uri) for uri, name in shard.files))
        elif shard.kind == "parquet":
            rows = sources.parquet_rows(shard, self.options.image_column, self.options.name_column)
            yield from self.ahead(from_file, rows)
        else:
            uri, name = shard.files[0]
            broken: list[str] = []
            yield from self.ahead(from_frame, until_broken(sources.video_frames(uri, self.options.every), broken))
            if broken:
                yield {"name": name, "video": name}, broken[0]

    def ahead(self, work: Callable, items) -> Iterator:
        """Maps items in as many threads as there are cores, in order, at most four items a thread ahead."""
        waiting = deque()
        with ThreadPoolExecutor(self.options.cores) as pool:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 4 * self.options.cores + self.options.batch:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def until_broken(frames: Iterator, broken: list[str]) -> Iterator:
    """Yields frames up to the first error, whose sentence it adds to `broken`."""
    count = 0
    try:
        for frame in frames:
            count += 1
            yield frame
    except Exception as error:
        where = f"after {count} frames" if count else "at its start"
        broken.append(f"The video cannot be read {where}: {error}.")
        return
    if not count:
        broken.append("The video has no frames.")


def parquet_path(out: str, shard: int) -> str:
    """Returns the path of a shard's Parquet file."""
    return f"{out}/keypoints/{shard:06}.parquet"


def annotate(options: Options, report: Callable[[str], None] = print, on_shard: Callable[[dict], None] = lambda _: None):
    """Annotates everything that is not done yet, and returns the summary, which it also writes to `summary.json`.

    Ray must have been started. `report` gets a sentence at the start, for progress and at the end; `on_shard` the number and rows of
    each shard that is done. Raises `ValueError` with a sentence for inputs, models and folders that cannot be used.
    """
    import ray

    model = sources.read_bytes(options.model)
    Detector(model)  # a model that cannot be used ends here, not on every worker
    if options.device == "cuda" and not ray.cluster_resources().get("GPU"):
        raise ValueError("The cluster has no GPU. Use --device cpu, or start Ray on machines with GPUs.")
    system, out = open_uri(options.out)
    columns = [column for column in (options.image_column, options.name_column) if column]
    listing = sources.list_shards(options.inputs, options.shard, columns)
    if not listing.shards:
        raise ValueError("There are no images, videos or Parquet files in these folders.")
    for folder in ("keypoints", "coco"):
        system.create_dir(f"{out}/{folder}", recursive=True)
    check_job(system, out, job(options, model, listing))

    done = finished(system, out)
    waiting = [shard for shard in listing.shards if shard.number not in done]
    report(f"{len(listing.shards)} shards, {len(done)} of them done before.")
    start, rows_now = time.monotonic(), 0
    if waiting:
        blocks = min(len(waiting), max(200, BLOCKS_PER_WORKER * options.workers))
        items = [{"shard": json.dumps(shard.as_dict())} for shard in waiting]
        ray.data.DataContext.get_current().enable_progress_bars = False
        work = ray.data.from_items(items, override_num_blocks=blocks).map_batches(
            Worker,
            fn_constructor_args=(model, options),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=options.workers),
            num_cpus=options.cores,
            num_gpus=1 if options.device == "cuda" else 0,
        )
        last_report = start
        for count, row in enumerate(work.iter_rows(), 1):
            summary = json.loads(row["summary"])
            rows_now += summary["rows"]
            on_shard(summary)
            now = time.monotonic()
            if now - last_report >= 5 or count == len(waiting):
                last_report = now
                rate = rows_now / (now - start)
                report(f"{len(done) + count} of {len(listing.shards)} shards, {rows_now} rows, {rate:.1f} rows/s.")
    seconds = time.monotonic() - start

    summary = {
        **summed(system, out, len(listing.shards)),
        "ignored_files": listing.ignored,
        "last_run": {
            "rows": rows_now,
            "seconds": round(seconds, 3),
            "rows_per_second": round(rows_now / seconds, 3) if rows_now else 0,
            "workers": options.workers,
            "cores": options.cores,
            "device": options.device,
        },
    }
    results.write_whole(system, f"{out}/summary.json", json.dumps(summary, indent=1).encode())
    report(f"Found keypoints in {summary['annotated']} of {summary['rows']} images; {summary['rejected']} have a reason.")
    return summary


def finished(system: pafs.FileSystem, out: str) -> set[int]:
    """Returns the numbers of the shards that have their Parquet file."""
    infos = system.get_file_info(pafs.FileSelector(f"{out}/keypoints"))
    stems = [info.base_name.removesuffix(".parquet") for info in infos if info.base_name.endswith(".parquet")]
    return {int(stem) for stem in stems if stem.isdigit()}


def summed(system: pafs.FileSystem, out: str, shards: int) -> dict:
    """Counts the rows and reasons of all shards; it reads one column of each."""
    def column(number):
        with system.open_input_file(parquet_path(out, number)) as file:
            return pq.read_table(file, columns=["reason"])["reason"].to_pylist()

    reasons, rows = Counter(), 0
    # An object store answers slowly, but many at once.
    with ThreadPoolExecutor(32) as pool:
        for shard in pool.map(column, range(shards)):
            rows += len(shard)
            reasons.update(reason for reason in shard if reason is not None)
    rejected = reasons.total()
    common = dict(reasons.most_common(20))
    return {"shards": shards, "rows": rows, "annotated": rows - rejected, "rejected": rejected, "reasons": common}


def job(options: Options, model: bytes, listing: sources.Listing) -> dict[str, object]:
    """Returns what the content of the shards depends on."""
    inputs = hashlib.sha256()
    for shard in listing.shards:
        inputs.update(json.dumps(shard.as_dict()).encode())
    return {
        "model": hashlib.sha256(model).hexdigest(),
        "inputs": inputs.hexdigest(),
        "shard": options.shard,
        "batch": options.batch,
        "every": options.every,
        "image_column": options.image_column,
        "name_column": options.name_column,
    }


def check_job(system: pafs.FileSystem, out: str, wanted: dict) -> None:
    """Writes `job.json`, or checks that the job that began this folder was the same."""
    path = f"{out}/job.json"
    if system.get_file_info(path).type != pafs.FileType.File:
        results.write_whole(system, path, json.dumps(wanted, indent=1).encode())
        return
    with system.open_input_stream(path) as stream:
        found = json.loads(stream.read())
    changed = [name for name in wanted if found.get(name) != wanted[name]]
    if changed:
        raise ValueError(
            f"The folder {out} belongs to another job: {' and '.join(changed)} changed since. Choose another --out, or remove it."
        )


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="autolink-ray",
        description="Finds keypoints in images, videos and Parquet files on all machines of a Ray cluster. "
        "Started again with the same options, it continues.",
    )
    parser.add_argument("inputs", nargs="+", help="folders, files, or URIs of an object store (s3://, gs://, hdfs://, ...)")
    parser.add_argument("--model", required=True, help="the detector that `autolink export --onnx` wrote")
    parser.add_argument("--out", required=True, help="the folder to write into, which every machine can reach")
    parser.add_argument("--workers", type=int, default=1, help="number of workers (default: 1)")
    parser.add_argument("--cores", type=int, default=1, help="cores of each worker (default: 1)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shard", type=int, default=1000, help="images in a shard (default: 1000)")
    parser.add_argument("--batch", type=int, default=32, help="images that are detected at once (default: 32)")
    parser.add_argument("--every", type=int, default=1, help="use every n-th frame of a video (default: 1)")
    parser.add_argument("--image-column", default="image", help="column of Parquet files with bytes or paths (default: image)")
    parser.add_argument("--name-column", help="column of Parquet files with names (default: the number of the row)")
    parser.add_argument("--address", help="the cluster; `auto` for the one of this machine (default: start one here)")
    values = vars(parser.parse_args(arguments))
    address = values.pop("address")
    options = Options(**values)
    for name in ("workers", "cores", "shard", "batch", "every"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1.")

    import ray

    import autolink_ray

    # Every machine of a cluster gets this package; it needs the packages that it depends on.
    runtime_env = {"py_modules": [autolink_ray]} if address else None
    new = {} if address else {"num_cpus": options.workers * options.cores, "include_dashboard": False}
    ray.init(address=address, runtime_env=runtime_env, logging_level="warning", log_to_driver=False, **new)
    try:
        annotate(options, report=lambda sentence: print(sentence, file=sys.stderr, flush=True))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        ray.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
