// Written by `cargo test` from src/session/protocol.rs and src/config.rs. Do not edit.
export type Preset = "tiny" | "small" | "paper";
export type Fit = "stretch" | "crop" | "pad";
export type LossKind = "pixel" | "perceptual";
export type Config = { keypoints: number, size: number, width: number, fit: Fit, flip: boolean, loss: LossKind, perceptual_blocks: number, perceptual_size: number, batch: number, micro_batch: number, seed: number, learning_rate: number, weight_decay: number, mask_ratio: number, mask_grid: number, thickness: number, edge_scale: number, };
export type Setting = { name: string, label: string, help: string, min: number, max: number, step: number | null, unit: string, paper: number, live: boolean, };
export type ErrorKind = "setting" | "pictures" | "model" | "landmarks" | "weights" | "backend" | "training" | "file" | "network" | "crash";
export type Backend = "cpu" | "gpu";
export type Source = { "kind": "files" } | { "kind": "puppets", count: number, seed: number, } | { "kind": "hands", count: number, base_url: string, };
export type Command = { "type": "open", backend: Backend | null, weights_url: string, } | { "type": "load", source: Source, } | { "type": "cancel-load" } | { "type": "configure", config: Config, } | { "type": "train", steps: number | null, } | { "type": "pause" } | { "type": "reset" } | { "type": "snapshot" } | { "type": "detect" };
export type Rejected = { name: string, reason: string, };
export type Phase = "empty" | "loading" | "paused" | "training";
export type Keypoints = { keypoints: Array<[number, number]>, confidence: Array<number>, };
export type Views = { step: number, size: number, count: number, pixels: Uint8Array<ArrayBuffer>, keypoints: Array<Array<[number, number]>>, edge_weights: Array<Array<number>>, };
export type Event = { "type": "ready", backend: Backend, reason: string, settings: Array<Setting>, presets: Array<[Preset, Config]>, palette: Array<string>, } | { "type": "progress", what: string, done: number, total: number | null, is_bytes: boolean, } | { "type": "loaded", pictures: number, about: string, rejected: Array<Rejected>, } | { "type": "state", phase: Phase, config: Config, step: number, pictures: number, } | { "type": "step", step: number, loss: number, steps_per_second: number, elapsed_seconds: number, } | { "type": "views" } & Views | { "type": "detected", id: number, } & Keypoints | { "type": "done", id: number, } | { "type": "failed", id: number | null, kind: ErrorKind, message: string, };
