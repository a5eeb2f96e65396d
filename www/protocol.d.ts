// Written by `cargo test` from src/session/protocol.rs and src/config.rs. Do not edit.
export type Preset = "tiny" | "small" | "paper";
export type Fit = "stretch" | "crop" | "pad";
export type LossKind = "pixel" | "perceptual";
export type Config = { 
/**
 * Number of keypoints, K.
 */
keypoints: number, 
/**
 * Side of the square images that the model sees, px; a multiple of 16.
 */
size: number, 
/**
 * Channels of the first layer; deeper ones are multiples.
 */
width: number, 
/**
 * Method that makes images square.
 */
fit: Fit, 
/**
 * Mirrors each image with probability one half.
 */
flip: boolean, 
/**
 * Loss between reconstruction and image.
 */
loss: LossKind, 
/**
 * Number of VGG16 blocks that the perceptual loss compares (1: relu1_2 ... 4: relu4_3).
 */
perceptual_blocks: number, 
/**
 * Side to which images are resized for the perceptual loss, px.
 */
perceptual_size: number, 
/**
 * Images per step.
 */
batch: number, 
/**
 * Images per forward pass, a divisor of `batch`; their gradients are added up. Equal to `batch` unless memory is short.
 */
micro_batch: number, 
/**
 * Seed of all random streams.
 */
seed: number, 
/**
 * AdamW's learning rate.
 */
learning_rate: number, 
/**
 * AdamW's decoupled weight decay.
 */
weight_decay: number, 
/**
 * Mask ratio: the share of mask cells that are hidden.
 */
mask_ratio: number, 
/**
 * Mask grid: the number of mask cells along each side.
 */
mask_grid: number, 
/**
 * Edge thickness (the authors' `thick`): the squared distance at which an edge has faded to 1/e, where images span `[-1, 1]`.
 */
thickness: number, 
/**
 * Edge learning-rate multiplier (the authors' `sklr`): how much faster edge weights learn than the rest.
 */
edge_scale: number, 
/**
 * Initial edge weight. Visible edges move keypoints from the first step on.
 */
edge_start: number, };
export type Setting = { 
/**
 * Name of the field in [`Config`].
 */
name: string, 
/**
 * Label that people read.
 */
label: string, 
/**
 * Help text: its meaning, and the effect of a change.
 */
help: string, 
/**
 * Smallest allowed value.
 */
min: number, 
/**
 * Largest allowed value.
 */
max: number, 
/**
 * Allowed values are multiples of this; `None` allows any number.
 */
step: number | null, 
/**
 * Unit, or empty.
 */
unit: string, 
/**
 * Value in the paper.
 */
paper: number, 
/**
 * Can be changed during training.
 */
live: boolean, };
export type ErrorKind = "setting" | "pictures" | "model" | "landmarks" | "weights" | "backend" | "training" | "file" | "network" | "crash";
export type Backend = "cpu" | "gpu";
export type Source = { "kind": "files" } | { "kind": "puppets", 
/**
 * How many.
 */
count: number, 
/**
 * Seed of their looks and poses.
 */
seed: number, } | { "kind": "hands", 
/**
 * The first how many.
 */
count: number, 
/**
 * The folder that holds `0/ .. 9/` and `index.json`'s names, ending in `/`.
 */
base_url: string, };
export type FileKind = "model" | "small-model" | "run" | "onnx";
export type Command = { "type": "open", 
/**
 * Which backend, if one is forced.
 */
backend: Backend | null, 
/**
 * Where the perceptual weights lie, ending in `/`.
 */
weights_url: string, } | { "type": "load", 
/**
 * Where from.
 */
source: Source, 
/**
 * Whether those that are there stay.
 */
adds: boolean, } | { "type": "thumbnails", 
/**
 * The place of the first one, among all that were read.
 */
first: number, 
/**
 * How many at most.
 */
count: number, } | { "type": "leave-out", 
/**
 * Their places, among all that were read.
 */
places: Array<number>, } | { "type": "cancel-load" } | { "type": "configure", 
/**
 * All of them.
 */
config: Config, } | { "type": "train", 
/**
 * How many steps; none: until paused.
 */
steps: number | null, 
/**
 * Slow motion: a step, with fresh views, begins so long after the one before, ms; none: as fast as it can.
 */
every_ms: number | null, } | { "type": "pause" } | { "type": "reset" } | { "type": "snapshot" } | { "type": "inspect", 
/**
 * Which, and what is changed on its way.
 */
touch: Touch | null, } | { "type": "transfer", 
/**
 * Which.
 */
probes: Array<number>, } | { "type": "illustrate", 
/**
 * What it shows.
 */
what: Illustration, } | { "type": "animate", 
/**
 * Of a frame, px.
 */
width: number, 
/**
 * Of a frame, px.
 */
height: number, 
/**
 * How long each is shown, ms.
 */
frame_ms: number, } | { "type": "detect" } | { "type": "save", 
/**
 * As what.
 */
kind: FileKind, } | { "type": "resume" } | { "type": "find" } | { "type": "find-again" } | { "type": "identify" } | { "type": "look", 
/**
 * Of the picture, px.
 */
width: number, 
/**
 * Of the picture, px.
 */
height: number, } | { "type": "add-frame", 
/**
 * The video's file.
 */
video: string, 
/**
 * What the video is known by; see [`Command::Identify`].
 */
content: string, 
/**
 * Which frame, from 0.
 */
frame: number, 
/**
 * When it is shown, s.
 */
seconds: number, 
/**
 * Of the frame, px.
 */
width: number, 
/**
 * Of the frame, px.
 */
height: number, } | { "type": "show-desk" } | { "type": "give-frame", 
/**
 * Which, by the id of its row.
 */
image: number, } | { "type": "follow", 
/**
 * Which points.
 */
layer: Layer, 
/**
 * What of them.
 */
measures: Array<Measure>, 
/**
 * How much is smoothed; none: as found.
 */
smoothing: OneEuro | null, } | { "type": "export-motion", 
/**
 * Which points.
 */
layer: Layer, 
/**
 * What of them.
 */
measures: Array<Measure>, 
/**
 * How much is smoothed; none: as found.
 */
smoothing: OneEuro | null, } | { "type": "new-project" } | { "type": "save-project", 
/**
 * What it is called.
 */
name: string, } | { "type": "open-project" } | { "type": "edit", 
/**
 * What.
 */
edit: Edit, } | { "type": "import-labels" } | { "type": "export", 
/**
 * Which points.
 */
layer: Layer, 
/**
 * Which form.
 */
format: Format, 
/**
 * Whether the pictures go along, where the form has a place for them.
 */
with_pictures: boolean, } | { "type": "picture", 
/**
 * Which, by the id of its row.
 */
image: number, };
export type Rejected = { 
/**
 * The file's name, with its folder or zip.
 */
name: string, 
/**
 * A sentence.
 */
reason: string, };
export type Phase = "empty" | "loading" | "paused" | "training";
export type Keypoints = { 
/**
 * `[K][x, y]` as fractions of the original picture.
 */
keypoints: Array<[number, number]>, 
/**
 * `[K]` in `[0, 1]`: the share of its heatmap that lies near the keypoint.
 */
confidence: Array<number>, };
export type Trouble = "exploding" | "stuck" | "collapsed" | "dead" | "jitter" | "unsure" | "overfitting";
export type Finding = { 
/**
 * What kind.
 */
trouble: Trouble, 
/**
 * Whose fault it is, if some keypoints'.
 */
keypoints: Array<number>, 
/**
 * What was measured, in a sentence.
 */
says: string, 
/**
 * What to try, in a sentence.
 */
remedy: string, };
export type Views = { 
/**
 * Steps taken.
 */
step: number, 
/**
 * Side of each view, px.
 */
size: number, 
/**
 * How many pictures, P.
 */
count: number, 
/**
 * RGBA, `[4, P, size, size, 4]`: input, masked input, edge map, reconstruction.
 */
pixels: Uint8Array<ArrayBuffer>, 
/**
 * `[P][K][x, y]` as fractions of the view.
 */
keypoints: Array<Array<[number, number]>>, 
/**
 * `[K][x, y]`: the mean of those.
 */
mean_pose: Array<[number, number]>, 
/**
 * `[P][K]` in `[0, 1]`: the share of its heatmap that lies near the keypoint.
 */
confidence: Array<Array<number>>, 
/**
 * `[K][K]`, symmetric, zero diagonal.
 */
edge_weights: Array<Array<number>>, 
/**
 * `[K][K]`: how far each edge stands out, 0 up to the median one, 1 for the strongest.
 */
edge_strengths: Array<Array<number>>, 
/**
 * What goes wrong, the worst first.
 */
findings: Array<Finding>, };
export type Moment = { 
/**
 * Steps taken.
 */
step: number, 
/**
 * Side of each picture, px.
 */
size: number, 
/**
 * How many pictures, P.
 */
count: number, 
/**
 * The reconstructions: RGBA, `[P, size, size, 4]`.
 */
pixels: Uint8Array<ArrayBuffer>, 
/**
 * `[P][K][x, y]` as fractions of the view.
 */
keypoints: Array<Array<[number, number]>>, 
/**
 * `[K][K]`: how far each edge stands out.
 */
edge_strengths: Array<Array<number>>, };
export type Becomes = "off" | "strongest";
export type EdgeTouch = { 
/**
 * One end.
 */
from: number, 
/**
 * The other.
 */
to: number, 
/**
 * What becomes of it.
 */
becomes: Becomes, };
export type Cover = { "kind": "usual" } | { "kind": "fresh", 
/**
 * Another seed, other cells.
 */
seed: number, } | { "kind": "painted", 
/**
 * `[g*g]` row by row: 1 where the picture is kept, 0 where it is hidden.
 */
cells: Array<number>, };
export type Touch = { 
/**
 * Which of the probes; the last one where there are fewer.
 */
probe: number, 
/**
 * What of the picture is hidden.
 */
cover: Cover, 
/**
 * `[K][x, y]` as fractions of the view: where the keypoints are to be, in place of where the detector sees them.
 */
keypoints: Array<[number, number]> | null, 
/**
 * Edges that are not to be as learned.
 */
edges: Array<EdgeTouch>, };
export type Parts = { 
/**
 * Steps taken.
 */
step: number, 
/**
 * Which of the probes.
 */
probe: number, 
/**
 * Side of each picture, S px.
 */
size: number, 
/**
 * Side of each heatmap, h px.
 */
heat_size: number, 
/**
 * RGBA, `[6, S, S, 4]`: picture, what is left of it, edge map, reconstruction, the same without an edge map, and how far the
 * reconstruction is from the picture.
 */
pixels: Uint8Array<ArrayBuffer>, 
/**
 * RGBA, `[K, h, h, 4]`: each heatmap in its keypoint's colour, its highest value opaque.
 */
heatmaps: Uint8Array<ArrayBuffer>, 
/**
 * `[g*g]` row by row: 1 where the picture is kept, 0 where it is hidden.
 */
mask: Uint8Array<ArrayBuffer>, 
/**
 * `[K][x, y]` as fractions of the view, as drawn.
 */
keypoints: Array<[number, number]>, 
/**
 * `[K]` in `[0, 1]`: the share of its heatmap that lies near the detector's keypoint.
 */
confidence: Array<number>, 
/**
 * `[K][K]`, symmetric, zero diagonal, as drawn.
 */
edge_weights: Array<Array<number>>, 
/**
 * `[K][K]`: how far each edge stands out, 0 up to the median one, 1 for the strongest.
 */
edge_strengths: Array<Array<number>>, 
/**
 * Mean distance of the reconstruction to the picture, as a share of the range from black to white.
 */
error: number, 
/**
 * ... without an edge map.
 */
error_without: number, };
export type Transfer = { 
/**
 * Steps taken.
 */
step: number, 
/**
 * Side of each picture, S px.
 */
size: number, 
/**
 * Which probes, P of them.
 */
probes: Array<number>, 
/**
 * RGBA, `[P, P, S, S, 4]`: the row gives the keypoints, the column what is left of the picture.
 */
pixels: Uint8Array<ArrayBuffer>, };
export type Illustration = { "kind": "lines", 
/**
 * Of the lines, sigma squared.
 */
thickness: number, 
/**
 * Of the second line.
 */
weight: number, 
/**
 * Whether brightness adds up; otherwise the greater one counts, as in the model.
 */
adds: boolean, } | { "kind": "heatmap", 
/**
 * Score of the first.
 */
highest: number, 
/**
 * Of that, the second one's.
 */
second: number, } | { "kind": "shift", 
/**
 * As a share of its side.
 */
by: number, };
export type Illustrated = { 
/**
 * Side of a picture, S px.
 */
size: number, 
/**
 * Lines and heatmap: `[S, S]`, 255 for the brightest. Shift: RGBA `[3, S, S, 4]`: picture, moved, how they differ.
 */
pixels: Uint8Array<ArrayBuffer>, 
/**
 * `[x, y]` as fractions of the picture, where there is one.
 */
keypoint: [number, number] | null, 
/**
 * What there is to say about it.
 */
says: string, };
export type Layer = "keypoints" | "landmarks";
export type Format = "coco" | "coco-cvat" | "coco-deeplabcut" | "deeplabcut" | "deeplabcut-predictions" | "sleap" | "yolo" | "cvat" | "label-studio" | "csv" | "json" | "edges" | "svg" | "png";
export type Offer = { 
/**
 * Which.
 */
format: Format, 
/**
 * The tool that opens it.
 */
title: string, 
/**
 * What is in it.
 */
about: string, 
/**
 * Whether its files have a place for the pictures.
 */
holds_pictures: boolean, };
export type Edit = { "kind": "category", 
/**
 * "hand"
 */
name: string, } | { "kind": "rename", 
/**
 * Which.
 */
index: number, 
/**
 * Its new name.
 */
name: string, } | { "kind": "hide", 
/**
 * Which.
 */
index: number, 
/**
 * Whether it is left out.
 */
hidden: boolean, } | { "kind": "recolor", 
/**
 * Which.
 */
index: number, 
/**
 * `#rrggbb`
 */
color: string, } | { "kind": "merge", 
/**
 * The one that stays.
 */
into: number, 
/**
 * The one that becomes a part of it.
 */
other: number, } | { "kind": "reorder", 
/**
 * Keypoint `order[i]` comes to place `i`.
 */
order: Array<number>, } | { "kind": "toggle-edge", 
/**
 * Its ends.
 */
edge: [number, number], } | { "kind": "choose-edges", 
/**
 * From this learned weight on.
 */
threshold: number, } | { "kind": "add-landmark", 
/**
 * Unlike all others.
 */
name: string, } | { "kind": "rename-landmark", 
/**
 * Which.
 */
index: number, 
/**
 * Its new name.
 */
name: string, } | { "kind": "remove-landmark", 
/**
 * Which.
 */
index: number, } | { "kind": "place", 
/**
 * Which image, by the id of its row.
 */
image: number, 
/**
 * Whose points.
 */
layer: Layer, 
/**
 * Which point.
 */
index: number, 
/**
 * Where, px of the original picture.
 */
at_px: [number, number], 
/**
 * Whether something is in front of it.
 */
occluded: boolean, } | { "kind": "unplace", 
/**
 * Which image, by the id of its row.
 */
image: number, 
/**
 * Whose points.
 */
layer: Layer, 
/**
 * Which point.
 */
index: number, } | { "kind": "absent", 
/**
 * Which image, by the id of its row.
 */
image: number, 
/**
 * Whose points.
 */
layer: Layer, 
/**
 * Which point.
 */
index: number, } | { "kind": "remove", 
/**
 * Which images, by the ids of their rows.
 */
images: Array<number>, } | { "kind": "attach-waiting" } | { "kind": "undo" } | { "kind": "redo" };
export type OneEuro = { 
/**
 * Cut-off of what rests, Hz.
 */
cutoff: number, 
/**
 * Hz more for each of the picture's longer side per second.
 */
beta: number, };
export type Measure = { "kind": "x", 
/**
 * Of this keypoint.
 */
keypoint: number, } | { "kind": "y", 
/**
 * Of this keypoint.
 */
keypoint: number, } | { "kind": "speed", 
/**
 * Of this keypoint.
 */
keypoint: number, } | { "kind": "distance", 
/**
 * The two.
 */
ends: [number, number], } | { "kind": "angle", 
/**
 * The three.
 */
points: [number, number, number], };
export type Series = { 
/**
 * For people, with its unit: "wrist speed, px/s".
 */
title: string, 
/**
 * `[T]`; none where a keypoint is not there.
 */
values: Array<number | null>, };
export type VideoFrame = { 
/**
 * What the video's content is known by.
 */
content: string, 
/**
 * The video's name in the project, unlike that of any other.
 */
name: string, 
/**
 * From 0.
 */
frame: number, 
/**
 * When it is shown, s.
 */
seconds: number, };
export type ImageRow = { 
/**
 * It stays the same whatever comes and goes, and is never given to another image.
 */
id: number, 
/**
 * What its content is known by: 32 hexadecimal digits, and `#` with a number for a frame.
 */
content: string, 
/**
 * Its file with its folder; unlike all others here.
 */
name: string, 
/**
 * Where it is a frame of a video.
 */
video: VideoFrame | null, 
/**
 * After the EXIF orientation, px.
 */
width_px: number, 
/**
 * As the width.
 */
height_px: number, 
/**
 * Mean confidence of its keypoints.
 */
confidence: number, 
/**
 * Whether its pixels are at hand; those of a project that was opened are not until somebody brings them.
 */
is_here: boolean, 
/**
 * The steps that the model was trained when it found its keypoints; none where it has not yet.
 */
step: number | null, };
export type Label = { 
/**
 * Its name.
 */
name: string, 
/**
 * `#rrggbb`
 */
color: string, 
/**
 * Left out of what is exported.
 */
hidden: boolean, 
/**
 * Mean leave-one-out distance of a landmark, or of a keypoint from the placed landmark of its name; in fractions of the
 * picture, none while there is nothing to compare.
 */
error: number | null, 
/**
 * The same for always predicting its mean place.
 */
baseline: number | null, 
/**
 * On how many images it was placed, or corrected.
 */
placed_on: number, 
/**
 * The images where a landmark is farthest off when it is left out, worst first, by the ids of their rows.
 */
worst: Array<number>, };
export type ProjectView = { 
/**
 * What is in the images.
 */
category: string, 
/**
 * `[N]`; none: as they were told last.
 */
rows: Array<ImageRow> | null, 
/**
 * The run whose keypoints are shown.
 */
run: string, 
/**
 * `[K]`, hidden ones too.
 */
keypoints: Array<Label>, 
/**
 * Pairs of keypoints.
 */
skeleton: Array<[number, number]>, 
/**
 * Learned weights of pairs of keypoints, greatest first.
 */
edge_weights: Array<[[number, number], number]>, 
/**
 * `[L]`
 */
landmarks: Array<Label>, 
/**
 * Which images to label next, the most useful first, by the ids of their rows.
 */
next: Array<number>, 
/**
 * On how many images a landmark was placed, or marked absent.
 */
labelled: number, 
/**
 * How many images' labels wait for a word ([`Edit::AttachWaiting`]), ...
 */
waiting: number, 
/**
 * ... and how many of those could be given to an image that is here.
 */
attachable: number, 
/**
 * Why there are no predictions yet; empty if there are.
 */
missing: string, 
/**
 * `[N, K + L, 4]`, little-endian: x and y, px of the original image; confidence; 0 absent, 1 occluded, 2 visible, and 4 more where
 * a person placed it, or marked it absent.
 */
points: Uint8Array<ArrayBuffer>, 
/**
 * Whether there is an edit to undo.
 */
can_undo: boolean, 
/**
 * Whether there is one to take back.
 */
can_redo: boolean, };
export type Event = { "type": "ready", 
/**
 * On what.
 */
backend: Backend, 
/**
 * A sentence: which device, and why this backend.
 */
reason: string, 
/**
 * What can be set.
 */
settings: Array<Setting>, 
/**
 * The settings of each preset.
 */
presets: Array<[Preset, Config]>, 
/**
 * `[64]` colours `#rrggbb`: keypoint k is drawn in the k-th, everywhere.
 */
palette: Array<string>, 
/**
 * What annotations can be exported as.
 */
formats: Array<Offer>, } | { "type": "cores", 
/**
 * What [`Event::Ready`] said of the backend, as it is now.
 */
reason: string, } | { "type": "progress", 
/**
 * What, for people: "Reading pictures", "Loading VGG16 weights".
 */
what: string, 
/**
 * So far.
 */
done: number, 
/**
 * Of how many; none: unknown.
 */
total: number | null, 
/**
 * Whether bytes are counted, not pieces.
 */
is_bytes: boolean, } | { "type": "loaded", 
/**
 * Whether there are others now, or more.
 */
is_new: boolean, 
/**
 * How many.
 */
pictures: number, 
/**
 * How many were read: those that are left out, too.
 */
read: number, 
/**
 * A sentence about them: their source, and their licence where there is one.
 */
about: string, 
/**
 * Files that could not be used.
 */
rejected: Array<Rejected>, } | { "type": "thumbnails", 
/**
 * The command's id.
 */
id: number, 
/**
 * Side of each, S px.
 */
size: number, 
/**
 * `[n]`: the files' names, with their folder or zip.
 */
names: Array<string>, 
/**
 * RGBA, `[n, S, S, 4]`.
 */
pixels: Uint8Array<ArrayBuffer>, } | { "type": "state", 
/**
 * What is going on.
 */
phase: Phase, 
/**
 * The settings in force.
 */
config: Config, 
/**
 * Steps taken.
 */
step: number, 
/**
 * What the run is known by.
 */
run_id: string, 
/**
 * How many pictures.
 */
pictures: number, } | { "type": "step", 
/**
 * Steps taken.
 */
step: number, 
/**
 * Its loss.
 */
loss: number, 
/**
 * Over the last few steps.
 */
steps_per_second: number, 
/**
 * Seconds of training, pauses left out.
 */
elapsed_seconds: number, } | { "type": "views" } & Views | { "type": "kept" } & Moment | { "type": "scored", 
/**
 * Steps taken.
 */
step: number, 
/**
 * Mean distance of joints regressed from the keypoints, as a share of the picture's side, on pictures that the regression
 * has not seen.
 */
error: number, 
/**
 * The same, always guessing the mean place.
 */
baseline: number, } | { "type": "inspected" } & Parts | { "type": "transferred", 
/**
 * The command's id.
 */
id: number, 
/**
 * Steps taken.
 */
step: number, 
/**
 * Side of each picture, S px.
 */
size: number, 
/**
 * Which probes, P of them.
 */
probes: Array<number>, 
/**
 * RGBA, `[P, P, S, S, 4]`: the row gives the keypoints, the column what is left of the picture.
 */
pixels: Uint8Array<ArrayBuffer>, } | { "type": "illustrated", 
/**
 * The command's id.
 */
id: number, 
/**
 * Side of a picture, S px.
 */
size: number, 
/**
 * Lines and heatmap: `[S, S]`, 255 for the brightest. Shift: RGBA `[3, S, S, 4]`: picture, moved, how they differ.
 */
pixels: Uint8Array<ArrayBuffer>, 
/**
 * `[x, y]` as fractions of the picture, where there is one.
 */
keypoint: [number, number] | null, 
/**
 * What there is to say about it.
 */
says: string, } | { "type": "detected", 
/**
 * The command's id.
 */
id: number, 
/**
 * `[K][x, y]` as fractions of the original picture.
 */
keypoints: Array<[number, number]>, 
/**
 * `[K]` in `[0, 1]`: the share of its heatmap that lies near the keypoint.
 */
confidence: Array<number>, } | { "type": "saved", 
/**
 * The command's id.
 */
id: number, 
/**
 * A name for it.
 */
name: string, 
/**
 * Its bytes.
 */
bytes: Uint8Array<ArrayBuffer>, } | { "type": "opened", 
/**
 * The command's id.
 */
id: number, 
/**
 * What it is called; nothing for the work of an earlier version.
 */
name: string, } | { "type": "identified", 
/**
 * The command's id.
 */
id: number, 
/**
 * 32 hexadecimal digits.
 */
content: string, } | { "type": "desk" } & ProjectView | { "type": "found", 
/**
 * A sentence.
 */
about: string, 
/**
 * Files that could not be used, and what was noticed about others.
 */
rejected: Array<Rejected>, } | { "type": "moved", 
/**
 * The command's id.
 */
id: number, 
/**
 * Of each video: its name, when each frame is shown (s), and the measures.
 */
videos: Array<[string, Array<number>, Array<Series>]>, } | { "type": "exported", 
/**
 * The command's id.
 */
id: number, 
/**
 * A name for it.
 */
name: string, 
/**
 * Put in by the worker: a handle of the browser's, which does not hold it in memory.
 */
file: Blob, } | { "type": "resumed", 
/**
 * Whether it goes on exactly where it was saved.
 */
is_run: boolean, 
/**
 * A sentence about it.
 */
about: string, 
/**
 * The losses of its last steps, as far as they are known.
 */
losses: Array<number>, } | { "type": "done", 
/**
 * The command's id.
 */
id: number, } | { "type": "failed", 
/**
 * The command's id, where one failed.
 */
id: number | null, 
/**
 * What kind.
 */
kind: ErrorKind, 
/**
 * A sentence for a visitor.
 */
message: string, };
