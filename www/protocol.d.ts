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
 * Side of the square pictures that the model sees, px.
 */
size: number, 
/**
 * Channels of the first layer; deeper ones are multiples.
 */
width: number, 
/**
 * How pictures become square.
 */
fit: Fit, 
/**
 * Mirror each picture with probability one half.
 */
flip: boolean, 
/**
 * Which loss.
 */
loss: LossKind, 
/**
 * How many VGG16 blocks the perceptual loss compares (1: relu1_2 ... 4: relu4_3).
 */
perceptual_blocks: number, 
/**
 * Side to which pictures are resized for the perceptual loss, px.
 */
perceptual_size: number, 
/**
 * Pictures per step.
 */
batch: number, 
/**
 * Pictures per forward pass; gradients add up to the batch. Equal to `batch` unless memory is short.
 */
micro_batch: number, 
/**
 * Seed of everything random.
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
 * Share of mask cells that are hidden.
 */
mask_ratio: number, 
/**
 * Mask cells along a side.
 */
mask_grid: number, 
/**
 * Width of a drawn edge: squared distance (pictures span `[-1, 1]`) at which it has faded to 1/e.
 */
thickness: number, 
/**
 * How much faster edge weights learn than the rest (the authors' `sklr`).
 */
edge_scale: number, 
/**
 * Weight of every edge before training. Edges that can be seen move keypoints from the first step on.
 */
edge_start: number, };
export type Setting = { 
/**
 * The field of [`Config`].
 */
name: string, 
/**
 * What people read.
 */
label: string, 
/**
 * One sentence: what it is, and what to expect if it is changed.
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
 * Whole numbers only; a multiple of this. `None`: any number.
 */
step: number | null, 
/**
 * Unit, or empty.
 */
unit: string, 
/**
 * The paper's value.
 */
paper: number, 
/**
 * May be changed while training runs.
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
source: Source, } | { "type": "cancel-load" } | { "type": "configure", 
/**
 * All of them.
 */
config: Config, } | { "type": "train", 
/**
 * How many steps; none: until paused.
 */
steps: number | null, } | { "type": "pause" } | { "type": "reset" } | { "type": "snapshot" } | { "type": "detect" } | { "type": "save", 
/**
 * As what.
 */
kind: FileKind, } | { "type": "resume" };
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
 * `[K][K]`, symmetric, zero diagonal.
 */
edge_weights: Array<Array<number>>, 
/**
 * `[K][K]`: how far each edge stands out, 0 up to the median one, 1 for the strongest.
 */
edge_strengths: Array<Array<number>>, };
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
palette: Array<string>, } | { "type": "progress", 
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
 * How many.
 */
pictures: number, 
/**
 * A sentence about them: their source, and their licence where there is one.
 */
about: string, 
/**
 * Files that could not be used.
 */
rejected: Array<Rejected>, } | { "type": "state", 
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
elapsed_seconds: number, } | { "type": "views" } & Views | { "type": "detected", 
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
bytes: Uint8Array<ArrayBuffer>, } | { "type": "resumed", 
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
