// Written by `cargo test` from src/session/protocol.rs and src/config.rs. Do not edit.
export type Preset = "quick" | "small" | "paper" | "tiny";
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
 * Channels of the detector's first layer; deeper ones are multiples.
 */
width: number, 
/**
 * Channels of the decoder's first layer as a share of [`Config::width`]. Files without it have decoders as wide as their detectors.
 */
decoder_share: number, 
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
edge_start: number, 
/**
 * Steps of the start, over which [`Config::spread`] and the boost fade; 0 for none, as in the paper and in files without it.
 */
start_steps: number, 
/**
 * Factor of the learning rate at the first step.
 */
start_boost: number, 
/**
 * Share of the images that are held out of training; see [`split`](crate::data::split). Files without it hold none out.
 */
held_out: number, 
/**
 * The images are crops around an animal that was found before a still camera ([`crate::data::locate`]).
 */
locate?: boolean, 
/**
 * Side of these crops by the length of the animal's body, at least 1. Files without it have the usual margin.
 */
crop_margin: number, };
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
export type ErrorKind = "setting" | "images" | "model" | "landmarks" | "weights" | "backend" | "training" | "file" | "network" | "crash";
export type Backend = "cpu" | "gpu";
export type Crop = { 
/**
 * Centre, `[x, y]`, px of the frame; the frame's upper left corner is at 0.
 */
centre_px: [number, number], 
/**
 * Side, px of the frame.
 */
side_px: number, 
/**
 * Angle from the frame's upward direction to the crop's, radians clockwise.
 */
angle_radians: number, };
export type Source = { "kind": "files" } | { "kind": "located", 
/**
 * The crop of each image.
 */
crops: Array<Crop>, } | { "kind": "puppets", 
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
base_url: string, 
/**
 * Address of the bundle. All photographs come from the folder if there is none.
 */
bundle_url: string | null, };
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
edits: Edits | null, } | { "type": "explain", 
/**
 * The preview image, and the edits that are applied to it.
 */
edits: Edits, 
/**
 * The stage.
 */
stage: StageQuery, } | { "type": "transfer", 
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
height: number, 
/**
 * The crop around the animal that the model sees; none: the whole frame.
 */
crop: Crop | null, } | { "type": "read-reversed", 
/**
 * Id of the frame's row.
 */
image: number, 
/**
 * Width of the frame, px.
 */
width: number, 
/**
 * Height of the frame, px.
 */
height: number, } | { "type": "mend-flips", 
/**
 * Content hash of the video; see [`Command::Identify`].
 */
video: string, } | { "type": "begin-search", 
/**
 * Name of the camera's video or folder.
 */
source: string, } | { "type": "sample-frames", 
/**
 * As in [`Command::BeginSearch`].
 */
source: string, 
/**
 * Width of the frame, px; 0 for images.
 */
width: number, 
/**
 * Height of the frame, px; 0 for images.
 */
height: number, } | { "type": "search-frames", 
/**
 * As in [`Command::BeginSearch`].
 */
source: string, 
/**
 * Width of the frame, px; 0 for images.
 */
width: number, 
/**
 * Height of the frame, px; 0 for images.
 */
height: number, } | { "type": "locate", 
/**
 * As in [`Command::BeginSearch`].
 */
source: string, 
/**
 * Side of the crops by the length of the body; that of the model ([`Config::crop_margin`]) if there is none. A run that is then
 * trained on these crops keeps it.
 */
margin?: number, 
/**
 * The frames follow one another, as in a video.
 */
is_video: boolean, } | { "type": "list-candidates", 
/**
 * As in [`Command::BeginSearch`].
 */
sources: Array<string>, 
/**
 * Number of frames to choose.
 */
count: number, } | { "type": "add-candidate", 
/**
 * As in [`Command::BeginSearch`].
 */
source: string, 
/**
 * Width of the frame, px.
 */
width: number, 
/**
 * Height of the frame, px.
 */
height: number, 
/**
 * Index of the frame among those that were looked at.
 */
index: number, } | { "type": "choose-frames", 
/**
 * As in [`Command::BeginSearch`].
 */
sources: Array<string>, 
/**
 * Number of frames to choose.
 */
count: number, } | { "type": "show-project" } | { "type": "provide-frame", 
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
 * The kind of issue.
 */
issue: Issue, 
/**
 * The keypoints concerned, by number from 0; empty if the issue concerns the whole run.
 */
keypoints: Array<number>, 
/**
 * The measurement, as a sentence.
 */
message: string, 
/**
 * A suggestion, in sentences.
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
 * `[K][K]`: how far each edge of the skeleton stands out: 1 for the strongest edge, 0 for all that are not drawn.
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
 * As [`PreviewViews::edge_strengths`].
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
 * `[K][K]`: how far each edge of the skeleton, and each that was switched, stands out: 1 for the strongest edge, 0 for all others.
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
export type StageQuery = { "kind": "detector" } | { "kind": "heatmap", 
/**
 * Number of the keypoint, from 0; the last one where there are fewer.
 */
keypoint: number, } | { "kind": "edge-weights" } | { "kind": "decoder" } | { "kind": "other-edge-map", 
/**
 * Index of the other preview image.
 */
other: number, } | { "kind": "loss" };
export type StageDetail = { "kind": "layers", 
/**
 * The layers.
 */
layers: Array<LayerMaps>, } | { "kind": "heatmap", 
/**
 * Number of the keypoint, from 0.
 */
keypoint: number, 
/**
 * Side of the heatmap, h px.
 */
size: number, 
/**
 * `[h*h]` row by row; the spatial prior of the start phase is included.
 */
scores: Array<number>, 
/**
 * `[h*h]`, sums to 1.
 */
heatmap: Array<number>, 
/**
 * The weighted mean `[x, y]` as fractions of the view.
 */
mean: [number, number], } | { "kind": "edge-weights" } & EdgeRule | { "kind": "other-edge-map", 
/**
 * Index of the other preview image.
 */
other: number, 
/**
 * Side of each image, S px.
 */
size: number, 
/**
 * RGBA, `[2, S, S, 4]`: the other image's edge map, and the reconstruction from it and this image's masked input.
 */
pixels: Uint8Array<ArrayBuffer>, 
/**
 * Mean error of that reconstruction, as a fraction of the range from black to white.
 */
error: number, } | { "kind": "loss", 
/**
 * The kind of loss.
 */
loss: LossKind, 
/**
 * The loss.
 */
value: number, 
/**
 * One map for each block of VGG16, whose means add up to the loss; for the pixel loss, one map of squared errors.
 */
maps: Array<LossMap>, };
export type LayerMaps = { 
/**
 * Number of channels, C.
 */
channels: number, 
/**
 * Side of each map, s px.
 */
size: number, 
/**
 * `[n]`: the channels with the largest range of values, at most eight, ascending.
 */
shown: Array<number>, 
/**
 * `[n][lowest, highest]` value of each map.
 */
ranges: Array<[number, number]>, 
/**
 * RGBA, `[n, s, s, 4]`: each map from its lowest value, dark, to its highest, light.
 */
pixels: Uint8Array<ArrayBuffer>, };
export type LossMap = { 
/**
 * Number of channels that the map is the mean of.
 */
channels: number, 
/**
 * Side, s px.
 */
size: number, 
/**
 * Mean of the map.
 */
mean: number, 
/**
 * Highest value of the map.
 */
highest: number, 
/**
 * RGBA, `[s, s, 4]`: from zero, dark, to the highest value, light.
 */
pixels: Uint8Array<ArrayBuffer>, };
export type EdgeRole = "tree" | "closing" | "dead" | "spare";
export type EdgeDetail = { 
/**
 * Keypoint at one end, the smaller number.
 */
from: number, 
/**
 * Keypoint at the other end.
 */
to: number, 
/**
 * The learned number.
 */
raw: number, 
/**
 * `softplus(multiplier raw)`
 */
weight: number, 
/**
 * `max(0, (weight - median) / contrast)`
 */
strength: number, 
/**
 * Its part in the skeleton.
 */
role: EdgeRole, };
export type EdgeRule = { 
/**
 * The edge learning-rate multiplier: `weight = softplus(multiplier raw)`.
 */
multiplier: number, 
/**
 * Median of all edge weights.
 */
median: number, 
/**
 * How far the strongest edge rises above the median; [`Self::min_contrast`] at least.
 */
contrast: number, 
/**
 * Least contrast.
 */
min_contrast: number, 
/**
 * A keypoint is dead if no edge to it is stronger than this.
 */
dead: number, 
/**
 * An edge that closes a cycle has at least this strength.
 */
min_closing: number, 
/**
 * The most edges that close cycles.
 */
most_closing: number, 
/**
 * Every edge, the strongest first.
 */
edges: Array<EdgeDetail>, };
export type ParameterCounts = { 
/**
 * The detector.
 */
detector: number, 
/**
 * The edge weights: one for each pair of keypoints.
 */
edges: number, 
/**
 * The decoder.
 */
decoder: number, };
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
 * The format.
 */
format: Format, 
/**
 * The tool that opens it.
 */
title: string, 
/**
 * Its contents.
 */
about: string, 
/**
 * True if its tool looks for images beside its files.
 */
holds_images: boolean, };
export type Edit = { "kind": "category", 
/**
 * Its name, "hand" for example.
 */
name: string, } | { "kind": "rename", 
/**
 * Index of the keypoint.
 */
index: number, 
/**
 * Its new name.
 */
name: string, } | { "kind": "hide", 
/**
 * Index of the keypoint.
 */
index: number, 
/**
 * True to leave it out of exports.
 */
hidden: boolean, } | { "kind": "recolor", 
/**
 * Index of the keypoint.
 */
index: number, 
/**
 * Its new colour, `#rrggbb`.
 */
color: string, } | { "kind": "merge", 
/**
 * Index of the keypoint that stays.
 */
into: number, 
/**
 * Index of the keypoint that becomes a part of it.
 */
other: number, } | { "kind": "reorder", 
/**
 * Keypoint `order[i]` moves to index `i`.
 */
order: Array<number>, } | { "kind": "toggle-edge", 
/**
 * Indices of its two keypoints.
 */
edge: [number, number], } | { "kind": "choose-edges", 
/**
 * Least learned weight of an edge.
 */
threshold: number, } | { "kind": "cut", 
/**
 * Number of parts; 0 gives each keypoint a colour of its own again.
 */
parts: number, } | { "kind": "add-landmark", 
/**
 * Its name, which no other landmark has.
 */
name: string, } | { "kind": "rename-landmark", 
/**
 * Index of the landmark.
 */
index: number, 
/**
 * Its new name.
 */
name: string, } | { "kind": "remove-landmark", 
/**
 * Index of the landmark.
 */
index: number, } | { "kind": "place", 
/**
 * Id of the image's row.
 */
image: number, 
/**
 * Layer of the point.
 */
layer: Layer, 
/**
 * Index of the point in its layer.
 */
index: number, 
/**
 * Its place, `[x, y]` px of the original image.
 */
at_px: [number, number], 
/**
 * True if something is in front of it.
 */
occluded: boolean, } | { "kind": "unplace", 
/**
 * Id of the image's row.
 */
image: number, 
/**
 * Layer of the point.
 */
layer: Layer, 
/**
 * Index of the point in its layer.
 */
index: number, } | { "kind": "absent", 
/**
 * Id of the image's row.
 */
image: number, 
/**
 * Layer of the point.
 */
layer: Layer, 
/**
 * Index of the point in its layer.
 */
index: number, } | { "kind": "remove", 
/**
 * Ids of the images' rows.
 */
images: Array<number>, } | { "kind": "attach-waiting" } | { "kind": "undo" } | { "kind": "redo" };
export type OneEuro = { 
/**
 * Cut-off at rest, Hz.
 */
cutoff: number, 
/**
 * Rise of the cut-off with speed: Hz for each longer side of the image per second.
 */
beta: number, };
export type Measure = { "kind": "x", 
/**
 * Index of the keypoint.
 */
keypoint: number, } | { "kind": "y", 
/**
 * Index of the keypoint.
 */
keypoint: number, } | { "kind": "speed", 
/**
 * Index of the keypoint.
 */
keypoint: number, } | { "kind": "distance", 
/**
 * Indices of the two keypoints.
 */
ends: [number, number], } | { "kind": "angle", 
/**
 * Indices of the three keypoints.
 */
points: [number, number, number], };
export type Series = { 
/**
 * Title with the unit, for people: "wrist speed, px/s".
 */
title: string, 
/**
 * Values, `[T]`; none where a keypoint is absent.
 */
values: Array<number | null>, };
export type VideoFrame = { 
/**
 * Content of the video.
 */
content: string, 
/**
 * Name of the video in the project, which no other video has.
 */
name: string, 
/**
 * Frame number, from 0.
 */
frame: number, 
/**
 * Time at which it is shown, s.
 */
seconds: number, };
export type ImageRow = { 
/**
 * Its id, which never changes and is never given to another image.
 */
id: number, 
/**
 * Its content: 32 hexadecimal digits, and `#` with a number for a frame.
 */
content: string, 
/**
 * Path of its file, which no other image has.
 */
name: string, 
/**
 * Its video, if it is a frame.
 */
video: VideoFrame | null, 
/**
 * Width after the EXIF orientation, px.
 */
width_px: number, 
/**
 * Height after the EXIF orientation, px.
 */
height_px: number, 
/**
 * Mean confidence of its keypoints, 0 to 1.
 */
confidence: number, 
/**
 * True if its pixels are here. Images of an opened project are not, until a person adds them again.
 */
is_here: boolean, 
/**
 * The training step of the model when it detected the keypoints; none before that.
 */
step: number | null, };
export type Label = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its colour, `#rrggbb`.
 */
color: string, 
/**
 * True if exports leave it out.
 */
hidden: boolean, 
/**
 * Mean leave-one-out distance of a landmark, or mean distance of a keypoint from the placed landmark of its name, in fractions
 * of the image; none until there is something to compare.
 */
error: number | null, 
/**
 * The same error if its mean place were always predicted.
 */
baseline: number | null, 
/**
 * Number of images on which it was placed or corrected.
 */
placed_on: number, 
/**
 * Ids of the rows where a landmark has the largest leave-one-out errors, worst first.
 */
worst: Array<number>, };
export type ProjectView = { 
/**
 * The kind of object in the images.
 */
category: string, 
/**
 * Rows of all images, `[N]`; none if unchanged since the last view.
 */
rows: Array<ImageRow> | null, 
/**
 * The run whose keypoints are shown.
 */
run: string, 
/**
 * Keypoints, `[K]`, hidden ones too.
 */
keypoints: Array<Label>, 
/**
 * Pairs of keypoint indices.
 */
skeleton: Array<[number, number]>, 
/**
 * Learned weights of pairs of keypoints, greatest first.
 */
edge_weights: Array<[[number, number], number]>, 
/**
 * Number of parts that the skeleton is cut into, 0 if it is whole.
 */
parts: number, 
/**
 * Landmarks, `[L]`.
 */
landmarks: Array<Label>, 
/**
 * Ids of the rows to label next, the most useful first.
 */
next: Array<number>, 
/**
 * Ids of the frames to which the skeleton jumps, in the order of their videos and frames; see [`locate::jumps`].
 */
jumps: Array<number>, 
/**
 * Number of images on which a landmark was placed, or marked absent.
 */
labelled: number, 
/**
 * Number of images whose labels wait to be attached.
 */
waiting: number, 
/**
 * Number of waiting labels that could be attached to an image that is here.
 */
attachable: number, 
/**
 * The reason why there are no predictions yet; empty if there are.
 */
missing: string, 
/**
 * Points, `[N, K + L, 4]` float32, little-endian: x and y, px of the original image; confidence; state: 0 absent, 1 occluded,
 * 2 visible, plus 4 where a person placed the point or marked it absent.
 */
points: Uint8Array<ArrayBuffer>, 
/**
 * True if there is an edit to undo.
 */
can_undo: boolean, 
/**
 * True if there is an undone edit to redo.
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
 * The step at which a first skeleton can usually be recognised: [`Config::first_skeleton_step`].
 */
first_skeleton_step: number, 
/**
 * Id of the run.
 */
run_id: string, 
/**
 * Number of images in use.
 */
images: number, 
/**
 * Number of parameters of each part of the model.
 */
parameters: ParameterCounts, 
/**
 * Number of those that are held out of training.
 */
held_out: number, } | { "type": "step", 
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
elapsed_seconds: number, } | { "type": "views" } & PreviewViews | { "type": "snapshot" } & SnapshotView | { "type": "held-out", 
/**
 * Steps that the model had taken.
 */
step: number, 
/**
 * Mean loss of the images.
 */
loss: number, } | { "type": "scored", 
/**
 * Steps taken.
 */
step: number, 
/**
 * Mean distance of the landmarks regressed from the keypoints, as a fraction of the image's side, on images that were not
 * used to fit the regression: held-out ones, where there are some.
 */
error: number, 
/**
 * The same for always predicting the mean position.
 */
baseline: number, } | { "type": "inspected" } & Stages | { "type": "explained", 
/**
 * The command's id.
 */
id: number, 
/**
 * Steps taken.
 */
step: number, 
/**
 * The numbers.
 */
detail: StageDetail, } | { "type": "transferred", 
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
videos: Array<[string, Array<number>, Array<Series>]>, } | { "type": "located", 
/**
 * The command's id.
 */
id: number, 
/**
 * The crop of each frame; that of the nearest frame where it shows nothing.
 */
crops: Array<Crop>, 
/**
 * Whether each frame shows exactly one thing that moves, and its head is certain.
 */
usable: Array<boolean>, 
/**
 * Side of the crops by the length of the body.
 */
margin: number, 
/**
 * Crops suit these frames: nearly all show one thing, which is small in them.
 */
is_advised: boolean, 
/**
 * Sentences for a person: the animal found, and the frames to leave out of training.
 */
about_training: string, 
/**
 * Sentences for a person: the animal found, and the keypoints to check.
 */
about_detection: string, } | { "type": "flips-mended", 
/**
 * The command's id.
 */
id: number, 
/**
 * Number of frames that were mended.
 */
mended: number, 
/**
 * Ids of the frames to read, after which the command is to be sent again.
 */
unread: Array<number>, } | { "type": "frames-chosen", 
/**
 * The command's id.
 */
id: number, 
/**
 * `[sources][frames]`.
 */
frames: Array<Array<number>>, } | { "type": "exported", 
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
