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
 * Number of puppets.
 */
count: number, 
/**
 * Seed of their appearance and poses.
 */
seed: number, } | { "kind": "hands", 
/**
 * Number of photographs, from the start of the list.
 */
count: number, 
/**
 * Address of the folder that holds `0/ .. 9/`, ending in `/`.
 */
base_url: string, };
export type FileKind = "model" | "small-model" | "run" | "onnx";
export type Command = { "type": "open", 
/**
 * The backend; none: the fastest that works.
 */
backend: Backend | null, 
/**
 * Address of the folder with the perceptual weights, ending in `/`.
 */
weights_url: string, } | { "type": "load", 
/**
 * Origin of the images.
 */
source: Source, 
/**
 * Keeps the images that are loaded, and adds these.
 */
append: boolean, } | { "type": "thumbnails", 
/**
 * Index of the first one, among all images that were read.
 */
first: number, 
/**
 * Largest number of thumbnails.
 */
count: number, } | { "type": "remove-images", 
/**
 * Their indices, among all images that were read.
 */
indices: Array<number>, } | { "type": "cancel-load" } | { "type": "configure", 
/**
 * All settings.
 */
config: Config, } | { "type": "train", 
/**
 * Number of steps; none: until paused.
 */
steps: number | null, 
/**
 * Slow motion: time from the start of one step to the start of the next, ms, with views after each; none: as fast as possible.
 */
every_ms: number | null, } | { "type": "pause" } | { "type": "reset" } | { "type": "refresh-views" } | { "type": "inspect", 
/**
 * The preview image, and the edits that are applied to it.
 */
edits: Edits | null, } | { "type": "transfer", 
/**
 * Indices of the preview images.
 */
previews: Array<number>, } | { "type": "illustrate", 
/**
 * The figure's subject and parameters.
 */
what: Illustration, } | { "type": "animate", 
/**
 * Width of a frame, px.
 */
width: number, 
/**
 * Height of a frame, px.
 */
height: number, 
/**
 * Duration of each frame, ms.
 */
frame_ms: number, } | { "type": "detect" } | { "type": "save", 
/**
 * Kind of file.
 */
kind: FileKind, } | { "type": "resume" } | { "type": "add-images" } | { "type": "detect-again" } | { "type": "identify" } | { "type": "detect-pixels", 
/**
 * Width of the image, px.
 */
width: number, 
/**
 * Height of the image, px.
 */
height: number, } | { "type": "add-frame", 
/**
 * Name of the video's file.
 */
video: string, 
/**
 * Content hash of the video; see [`Command::Identify`].
 */
content: string, 
/**
 * Number of the frame, from 0.
 */
frame: number, 
/**
 * Time of the frame, s.
 */
seconds: number, 
/**
 * Width of the frame, px.
 */
width: number, 
/**
 * Height of the frame, px.
 */
height: number, } | { "type": "show-project" } | { "type": "provide-frame", 
/**
 * Id of its row.
 */
image: number, } | { "type": "measure-motion", 
/**
 * Layer of the points.
 */
layer: Layer, 
/**
 * Quantities to measure.
 */
measures: Array<Measure>, 
/**
 * Smoothing filter; none: as detected.
 */
smoothing: OneEuro | null, } | { "type": "export-motion", 
/**
 * Layer of the points.
 */
layer: Layer, 
/**
 * Quantities to measure.
 */
measures: Array<Measure>, 
/**
 * Smoothing filter; none: as detected.
 */
smoothing: OneEuro | null, } | { "type": "new-project" } | { "type": "save-project", 
/**
 * Name of the project.
 */
name: string, } | { "type": "open-project" } | { "type": "edit", 
/**
 * The edit.
 */
edit: Edit, } | { "type": "import-labels" } | { "type": "export", 
/**
 * Layer of the points.
 */
layer: Layer, 
/**
 * File format.
 */
format: Format, 
/**
 * Includes the images, where the format has a place for them.
 */
with_images: boolean, } | { "type": "image-file", 
/**
 * Id of its row.
 */
image: number, };
export type Rejected = { 
/**
 * The file's name, with its folder or zip.
 */
name: string, 
/**
 * The reason, as a sentence.
 */
reason: string, };
export type Phase = "empty" | "loading" | "paused" | "training";
export type Keypoints = { 
/**
 * `[K][x, y]` as fractions of the original image.
 */
keypoints: Array<[number, number]>, 
/**
 * `[K]` in `[0, 1]`: the share of each heatmap that lies near its keypoint.
 */
confidence: Array<number>, };
export type Issue = "exploding" | "stuck" | "collapsed" | "dead" | "jitter" | "unsure" | "overfitting";
export type Finding = { 
/**
 * What kind.
 */
trouble: Issue, 
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
export type PreviewViews = { 
/**
 * Steps taken.
 */
step: number, 
/**
 * Side of each view, px.
 */
size: number, 
/**
 * Number of preview images, P.
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
 * `[K][x, y]`: the mean of `keypoints` over the images.
 */
mean_pose: Array<[number, number]>, 
/**
 * `[P][K]` in `[0, 1]`: the share of each heatmap that lies near its keypoint.
 */
confidence: Array<Array<number>>, 
/**
 * `[K][K]`, symmetric, zero diagonal.
 */
edge_weights: Array<Array<number>>, 
/**
 * `[K][K]`: relative strength of each edge, 0 up to the median weight, 1 for the strongest edge.
 */
edge_strengths: Array<Array<number>>, 
/**
 * Issues of the run, the worst first.
 */
findings: Array<Finding>, };
export type SnapshotView = { 
/**
 * Steps taken.
 */
step: number, 
/**
 * Side of each image, px.
 */
size: number, 
/**
 * Number of images, P.
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
 * `[K][K]`: relative strength of each edge.
 */
edge_strengths: Array<Array<number>>, };
export type EdgeState = "off" | "strongest";
export type EdgeEdit = { 
/**
 * Keypoint at one end.
 */
from: number, 
/**
 * Keypoint at the other end.
 */
to: number, 
/**
 * The weight that replaces the learned one.
 */
state: EdgeState, };
export type MaskEdit = { "kind": "usual" } | { "kind": "fresh", 
/**
 * Seed of the cells.
 */
seed: number, } | { "kind": "painted", 
/**
 * `[g*g]` row by row: 1 for a visible cell, 0 for a hidden one.
 */
cells: Array<number>, };
export type Edits = { 
/**
 * Index of the preview image; the last one where there are fewer.
 */
preview: number, 
/**
 * The mask.
 */
mask: MaskEdit, 
/**
 * `[K][x, y]` as fractions of the view: positions that replace those of the detector.
 */
keypoints: Array<[number, number]> | null, 
/**
 * Edges whose weights are replaced.
 */
edges: Array<EdgeEdit>, };
export type Stages = { 
/**
 * Steps taken.
 */
step: number, 
/**
 * Index of the preview image.
 */
preview: number, 
/**
 * Side of each image, S px.
 */
size: number, 
/**
 * Side of each heatmap, h px.
 */
heatmap_size: number, 
/**
 * RGBA, `[6, S, S, 4]`: image, masked input, edge map, reconstruction, reconstruction without an edge map, and the difference
 * between reconstruction and image.
 */
pixels: Uint8Array<ArrayBuffer>, 
/**
 * RGBA, `[K, h, h, 4]`: each heatmap in its keypoint's colour, with its highest value opaque.
 */
heatmaps: Uint8Array<ArrayBuffer>, 
/**
 * `[g*g]` row by row: 1 for a visible cell, 0 for a hidden one.
 */
mask: Uint8Array<ArrayBuffer>, 
/**
 * `[K][x, y]` as fractions of the view, edits applied.
 */
keypoints: Array<[number, number]>, 
/**
 * `[K]` in `[0, 1]`: the share of each heatmap that lies near the detector's keypoint.
 */
confidence: Array<number>, 
/**
 * `[K][K]`, symmetric, zero diagonal, edits applied.
 */
edge_weights: Array<Array<number>>, 
/**
 * `[K][K]`: relative strength of each edge, 0 up to the median weight, 1 for the strongest edge.
 */
edge_strengths: Array<Array<number>>, 
/**
 * Mean error of the reconstruction, as a fraction of the range from black to white.
 */
error: number, 
/**
 * Mean error of the reconstruction without an edge map.
 */
error_without_edge_map: number, };
export type Transfer = { 
/**
 * Steps taken.
 */
step: number, 
/**
 * Side of each image, S px.
 */
size: number, 
/**
 * Indices of the P preview images.
 */
previews: Array<number>, 
/**
 * RGBA, `[P, P, S, S, 4]`: the row's image gives the keypoints, the column's image the masked input.
 */
pixels: Uint8Array<ArrayBuffer>, };
export type Illustration = { "kind": "lines", 
/**
 * Thickness of the edges, sigma squared.
 */
thickness: number, 
/**
 * Weight of the second edge.
 */
weight: number, 
/**
 * Adds the brightness of both edges; otherwise takes the maximum, as the model does.
 */
sum: boolean, } | { "kind": "heatmap", 
/**
 * Score of the first peak.
 */
highest: number, 
/**
 * Score of the second peak, as a fraction of the first.
 */
second: number, } | { "kind": "shift", 
/**
 * Distance as a fraction of the image's side.
 */
by: number, };
export type Illustrated = { 
/**
 * Side of an image, S px.
 */
size: number, 
/**
 * Edges and heatmap: `[S, S]`, 255 for the brightest. Shift: RGBA `[3, S, S, 4]`: image, moved image, difference.
 */
pixels: Uint8Array<ArrayBuffer>, 
/**
 * `[x, y]` as fractions of the image, where the figure has a keypoint.
 */
keypoint: [number, number] | null, 
/**
 * The caption, in sentences.
 */
caption: string, };
export type Layer = "keypoints" | "landmarks";
export type Format = "coco" | "coco-cvat" | "coco-deeplabcut" | "deeplabcut" | "deeplabcut-predictions" | "sleap" | "yolo" | "cvat" | "label-studio" | "csv" | "json" | "edges" | "svg" | "png";
export type FormatInfo = { 
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
holds_images: boolean, };
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
 * The device that computes.
 */
backend: Backend, 
/**
 * Name of the device, and the reason for this backend, as a sentence.
 */
reason: string, 
/**
 * The numeric settings.
 */
settings: Array<Setting>, 
/**
 * The settings of each preset.
 */
presets: Array<[Preset, Config]>, 
/**
 * `[64]` colours `#rrggbb`; colour k belongs to keypoint k everywhere.
 */
palette: Array<string>, 
/**
 * Formats for export.
 */
formats: Array<FormatInfo>, } | { "type": "cores", 
/**
 * The current value of [`Event::Ready`]'s `reason`.
 */
reason: string, } | { "type": "progress", 
/**
 * Name of the activity, for people: "Reading images", "Loading VGG16 weights".
 */
what: string, 
/**
 * Units done.
 */
done: number, 
/**
 * Units in total; none: unknown.
 */
total: number | null, 
/**
 * The unit is bytes, not items.
 */
is_bytes: boolean, } | { "type": "loaded", 
/**
 * The images changed.
 */
is_new: boolean, 
/**
 * Number of images to train on.
 */
images: number, 
/**
 * Number of images that were read, removed ones included.
 */
read: number, 
/**
 * Source of the images, and their licence where there is one, as a sentence.
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
 * `[n]`: names of the files, with their folder or zip.
 */
names: Array<string>, 
/**
 * RGBA, `[n, S, S, 4]`.
 */
pixels: Uint8Array<ArrayBuffer>, } | { "type": "state", 
/**
 * The current activity.
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
 * Id of the run.
 */
run_id: string, 
/**
 * Number of images to train on.
 */
images: number, } | { "type": "step", 
/**
 * Steps taken.
 */
step: number, 
/**
 * Loss of this step.
 */
loss: number, 
/**
 * Speed over the last few steps.
 */
steps_per_second: number, 
/**
 * Time spent on training, pauses excluded, s.
 */
elapsed_seconds: number, } | { "type": "views" } & PreviewViews | { "type": "snapshot" } & SnapshotView | { "type": "scored", 
/**
 * Steps taken.
 */
step: number, 
/**
 * Mean distance of the joints regressed from the keypoints, as a fraction of the image's side, on images that were not
 * used to fit the regression.
 */
error: number, 
/**
 * The same for always predicting the mean position.
 */
baseline: number, } | { "type": "inspected" } & Stages | { "type": "transferred", 
/**
 * The command's id.
 */
id: number, 
/**
 * Steps taken.
 */
step: number, 
/**
 * Side of each image, S px.
 */
size: number, 
/**
 * Indices of the P preview images.
 */
previews: Array<number>, 
/**
 * RGBA, `[P, P, S, S, 4]`: the row's image gives the keypoints, the column's image the masked input.
 */
pixels: Uint8Array<ArrayBuffer>, } | { "type": "illustrated", 
/**
 * The command's id.
 */
id: number, 
/**
 * Side of an image, S px.
 */
size: number, 
/**
 * Edges and heatmap: `[S, S]`, 255 for the brightest. Shift: RGBA `[3, S, S, 4]`: image, moved image, difference.
 */
pixels: Uint8Array<ArrayBuffer>, 
/**
 * `[x, y]` as fractions of the image, where the figure has a keypoint.
 */
keypoint: [number, number] | null, 
/**
 * The caption, in sentences.
 */
caption: string, } | { "type": "detected", 
/**
 * The command's id.
 */
id: number, 
/**
 * `[K][x, y]` as fractions of the original image.
 */
keypoints: Array<[number, number]>, 
/**
 * `[K]` in `[0, 1]`: the share of each heatmap that lies near its keypoint.
 */
confidence: Array<number>, } | { "type": "saved", 
/**
 * The command's id.
 */
id: number, 
/**
 * Suggested file name.
 */
name: string, 
/**
 * Content of the file.
 */
bytes: Uint8Array<ArrayBuffer>, } | { "type": "opened", 
/**
 * The command's id.
 */
id: number, 
/**
 * Name of the project; empty for a file of an earlier version.
 */
name: string, } | { "type": "identified", 
/**
 * The command's id.
 */
id: number, 
/**
 * 32 hexadecimal digits.
 */
content: string, } | { "type": "project" } & ProjectView | { "type": "added", 
/**
 * Summary, as a sentence.
 */
about: string, 
/**
 * Files that could not be used, and notes on others.
 */
rejected: Array<Rejected>, } | { "type": "motion", 
/**
 * The command's id.
 */
id: number, 
/**
 * For each video: its name, the time of each frame (s), and the measures.
 */
videos: Array<[string, Array<number>, Array<Series>]>, } | { "type": "exported", 
/**
 * The command's id.
 */
id: number, 
/**
 * Suggested file name.
 */
name: string, 
/**
 * Filled in by the worker: a handle of the browser's, which need not lie in memory.
 */
file: Blob, } | { "type": "resumed", 
/**
 * Training continues exactly where it was saved.
 */
is_run: boolean, 
/**
 * Description, as a sentence.
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
 * The command's id, where a command failed.
 */
id: number | null, 
/**
 * Kind of error.
 */
kind: ErrorKind, 
/**
 * What happened and what to do, in sentences for people.
 */
message: string, };
