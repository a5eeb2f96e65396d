//! The browser's other cores: web workers with the same engine that compute shards of convolutions.
//!
//! Each worker has its own memory, so values are copied through a shared arena: first [`HEADER`] integers for each worker,
//! then the values of one convolution, `a`, `b`, bias and result, as [`ConvJob`] has them. A worker's first integer is its
//! state; each side wakes the other after changing it. Arenas exist only on pages that are isolated from other origins;
//! elsewhere the engine's own worker computes everything. `tests/browser/cores.spec.js` shows the use.

use std::cell::{Cell, RefCell};

use js_sys::{Atomics, Float32Array, Function, Int32Array, Reflect, SharedArrayBuffer};
use wasm_bindgen::{JsCast, JsValue};
use web_time::Instant;

use crate::ops::ConvKind;
use crate::ops::cpu::job::{ConvJob, ConvPass, ConvShard};
use crate::ops::cpu::{self, Workers};

/// Integers of a worker's header: its state, then its task. `worker_loader.js` has the same number.
const HEADER: u32 = 16;
/// Bytes of the arena: enough for batches of 16 of VGG16's largest layer at 64 px.
const ARENA_BYTES: u32 = 96 << 20;
/// The most workers that are spawned, since the engine's own worker copies the values for all of them.
const MAX_WORKERS: u32 = 7;
/// Multiplications below which a convolution is not shared: it takes some tenths of a millisecond.
const MIN_MULTIPLICATIONS: usize = 1 << 20;
/// The time after which a worker that does not answer is given up, in ms.
const WORKER_TIMEOUT_MS: f64 = 60_000.0;

/// States of a worker. The initial zero means that it is not loaded yet.
const READY: i32 = 1;
const TASK: i32 = 2;
const DONE: i32 = 3;
/// The worker failed, or could not start: `worker_loader.js` sets this state, by the same number.
const GONE: i32 = 4;

const PASSES: [ConvPass; 3] = [ConvPass::Forward, ConvPass::InputGrad, ConvPass::WeightGrad];
const KINDS: [ConvKind; 2] = [ConvKind::Same3x3, ConvKind::AvgPool4x4Stride2];

thread_local! {
    static ARENA: RefCell<Option<Arena>> = const { RefCell::new(None) };
}

struct Arena {
    headers: Int32Array,
    values: Float32Array,
    /// The number of workers spawned; zero once one of them does not answer.
    spawned: Cell<u32>,
    /// For each pass the speed of the engine's own worker relative to another, which has to copy as well: the units that it computes
    /// while the other computes one.
    relative_speed: [Cell<f64>; 3],
}

/// A shard of a convolution, as a worker's header encodes it after the state.
struct Task {
    job: ConvJob,
    has_bias: bool,
    units: [usize; 2],
}

impl Task {
    fn to_integers(&self) -> [i32; 10] {
        let ConvJob {
            pass,
            kind,
            shape: [batch, channels, height, width],
            other_channels,
        } = self.job;
        let [first, end] = self.units;
        [
            pass as usize,
            kind as usize,
            batch,
            channels,
            height,
            width,
            other_channels,
            self.has_bias.into(),
            first,
            end,
        ]
        .map(|value| value as i32)
    }

    fn from_integers(values: [i32; 10]) -> Self {
        let [
            pass,
            kind,
            batch,
            channels,
            height,
            width,
            other_channels,
            has_bias,
            first,
            end,
        ] = values.map(|value| value as usize);
        Self {
            job: ConvJob {
                pass: PASSES[pass],
                kind: KINDS[kind],
                shape: [batch, channels, height, width],
                other_channels,
            },
            has_bias: has_bias == 1,
            units: [first, end],
        }
    }

    /// Returns the offsets of `a`, `b`, bias and result in the arena's values, and the end of the result.
    fn offsets(&self) -> [usize; 5] {
        let [a, b, y] = self.job.lengths();
        let bias = if self.has_bias {
            self.job.other_channels
        } else {
            0
        };
        [0, a, a + b, a + b + bias, a + b + bias + y]
    }
}

impl Arena {
    fn new(buffer: &SharedArrayBuffer, spawned: u32) -> Self {
        Self {
            headers: Int32Array::new(buffer),
            values: Float32Array::new_with_byte_offset(buffer, MAX_WORKERS * HEADER * 4),
            spawned: Cell::new(spawned),
            relative_speed: [const { Cell::new(1.0) }; 3],
        }
    }

    fn state(&self, worker: u32) -> i32 {
        Atomics::load(&self.headers, worker * HEADER).unwrap_or_default()
    }

    fn set_state(&self, worker: u32, state: i32) {
        let _ = Atomics::store(&self.headers, worker * HEADER, state);
        let _ = Atomics::notify(&self.headers, worker * HEADER);
    }

    /// Sleeps while a worker's state is `state`, at most `timeout_ms`. Returns false if the time is up.
    fn wait(&self, worker: u32, state: i32, timeout_ms: f64) -> bool {
        let woken = Atomics::wait_with_timeout(&self.headers, worker * HEADER, state, timeout_ms);
        woken.is_ok_and(|how| how != "timed-out")
    }

    fn task(&self, worker: u32) -> Int32Array {
        self.headers
            .subarray(worker * HEADER + 1, worker * HEADER + 11)
    }

    fn put(&self, at: usize, values: &[f32]) {
        self.values
            .subarray(at as u32, (at + values.len()) as u32)
            .copy_from(values);
    }

    fn get(&self, at: usize, values: &mut [f32]) {
        self.values
            .subarray(at as u32, (at + values.len()) as u32)
            .copy_to(values);
    }

    fn ready(&self) -> Vec<u32> {
        (0..self.spawned.get())
            .filter(|&worker| self.state(worker) == READY)
            .collect()
    }

    /// Computes a convolution with all workers that are ready. Returns `None` if no worker is ready, or the values do not fit into the
    /// arena.
    fn share(&self, job: ConvJob, a: &[f32], b: &[f32], bias: Option<&[f32]>) -> Option<Vec<f32>> {
        let ready = self.ready();
        let others = ready.len().min(job.units() - 1);
        if others == 0 {
            return None;
        }
        let speed = &self.relative_speed[job.pass as usize];
        let own_units = job.units() as f64 * speed.get() / (speed.get() + others as f64);
        let own_units = (own_units.round() as usize).clamp(1, job.units() - others);
        let their_units = job.units() - own_units;
        let task = |i: usize| Task {
            job,
            has_bias: bias.is_some(),
            units: [i, i + 1].map(|i| own_units + i * their_units / others),
        };
        let [_, at_b, at_bias, at_y, end] = task(0).offsets();
        if end > self.values.length() as usize {
            return None;
        }
        let own = job.shard(0..own_units);
        // Only the workers' shards of a divided operand are copied.
        let from = own.a.end % a.len();
        self.put(from, &a[from..]);
        if job.pass == ConvPass::WeightGrad {
            let image = b.len() / own.b.len();
            for range in &own.b {
                self.put(at_b + range.end, &b[range.end..range.start + image]);
            }
        } else {
            self.put(at_b, b);
        }
        if let Some(bias) = bias {
            self.put(at_bias, bias);
        }
        let start = Instant::now();
        for (i, &worker) in (0..others).zip(&ready) {
            self.task(worker).copy_from(&task(i).to_integers());
            self.set_state(worker, TASK);
        }
        let run = |shard: ConvShard| {
            let b: Vec<&[f32]> = shard.b.into_iter().map(|range| &b[range]).collect();
            shard.job.run(&a[shard.a], &b.concat(), bias)
        };
        let mut y = run(own);
        let own_time = start.elapsed();
        for (i, &worker) in (0..others).zip(&ready) {
            let [first, end] = task(i).units;
            let shard = job.shard(first..end);
            while self.state(worker) == TASK && self.wait(worker, TASK, WORKER_TIMEOUT_MS) {}
            if self.state(worker) == DONE {
                y.resize(shard.y.end, 0.0);
                self.get(at_y + shard.y.start, &mut y[shard.y]);
                self.set_state(worker, READY);
            } else {
                if self.state(worker) != GONE {
                    // A late write of this worker would corrupt the arena, so no worker is used from now on.
                    tracing::warn!("a worker does not answer: one thread computes from now on");
                    self.spawned.set(0);
                }
                y.extend(run(shard));
            }
        }
        // Units that this worker computed while another computed one; fewer if it did not have to wait for the others.
        let (own_time, time) = (own_time.as_secs_f64(), start.elapsed().as_secs_f64());
        let measured = own_units as f64 * others as f64 / their_units as f64
            * if time > 1.02 * own_time {
                time / own_time.max(1e-6)
            } else {
                0.95
            };
        // Long convolutions count for more: they are measured better, and there is more to gain.
        let weight = 0.1 * (own_time / 5e-3).min(1.0);
        speed.set(speed.get() + weight * (measured.clamp(0.7, 2.0) - speed.get()));
        Some(y)
    }

    /// Computes the tasks of a worker, without end.
    fn worker_loop(&self, worker: u32) -> ! {
        self.set_state(worker, READY);
        loop {
            let state = self.state(worker);
            if state != TASK {
                self.wait(worker, state, f64::INFINITY);
                continue;
            }
            let mut integers = [0; 10];
            self.task(worker).copy_to(&mut integers);
            let task = Task::from_integers(integers);
            let [_, at_b, at_bias, at_y, _] = task.offsets();
            let shard = task.job.shard(task.units[0]..task.units[1]);
            let mut a = vec![0.0; shard.a.len()];
            self.get(shard.a.start, &mut a);
            let mut b = vec![0.0; shard.b.iter().map(|range| range.len()).sum()];
            let mut rest = &mut b[..];
            for range in shard.b {
                let (values, after) = rest.split_at_mut(range.len());
                self.get(at_b + range.start, values);
                rest = after;
            }
            let bias = task.has_bias.then(|| {
                let mut bias = vec![0.0; task.job.other_channels];
                self.get(at_bias, &mut bias);
                bias
            });
            let y = shard.job.run(&a, &b, bias.as_deref());
            self.put(at_y + shard.y.start, &y);
            self.set_state(worker, DONE);
        }
    }
}

/// The workers of [`ARENA`].
struct SpawnedWorkers;

impl Workers for SpawnedWorkers {
    fn run(&self, job: ConvJob, a: &[f32], b: &[f32], bias: Option<&[f32]>) -> Option<Vec<f32>> {
        ARENA.with_borrow(|arena| match arena {
            Some(arena) if job.multiplications() >= MIN_MULTIPLICATIONS => {
                arena.share(job, a, b, bias)
            }
            _ => None,
        })
    }
}

fn global(name: &str) -> JsValue {
    Reflect::get(&js_sys::global(), &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Spawns a worker for each further core on the first call, and has convolutions shared with them. Returns the number of workers
/// spawned; [`ready_workers`] counts those that are loaded, for which this worker has to return to its event loop a few times.
///
/// `worker_loader.js` has the function `spawn_workers(bytes, count)` that starts them and returns their arena.
pub fn spawn_workers() -> u32 {
    ARENA.with_borrow_mut(|arena| {
        let number = |value: JsValue| value.as_f64().unwrap_or_default();
        if arena.is_none() && global("crossOriginIsolated").is_truthy() {
            let cores = Reflect::get(&global("navigator"), &"hardwareConcurrency".into());
            let cores = number(cores.unwrap_or_default()) as u32;
            let count = cores.saturating_sub(1).min(MAX_WORKERS);
            *arena = global("spawn_workers")
                .dyn_into::<Function>()
                .and_then(|spawn_workers| {
                    spawn_workers.call2(&JsValue::NULL, &ARENA_BYTES.into(), &count.into())
                })
                .and_then(|buffer| buffer.dyn_into())
                .ok()
                .map(|buffer| Arena::new(&buffer, count));
            cpu::set_workers(&SpawnedWorkers);
        }
        arena.as_ref().map_or(0, |arena| arena.spawned.get())
    })
}

/// Returns the number of workers that are ready, between two convolutions.
pub fn ready_workers() -> u32 {
    ARENA.with_borrow(|arena| arena.as_ref().map_or(0, |arena| arena.ready().len() as u32))
}

/// Computes tasks without end if `spawn_workers` started this worker: `worker_loader.js` then has set `arena` and `index`. Returns
/// otherwise.
pub fn worker_loop() {
    if let (Ok(arena), Some(index)) = (
        global("arena").dyn_into::<SharedArrayBuffer>(),
        global("index").as_f64(),
    ) {
        Arena::new(&arena, 0).worker_loop(index as u32);
    }
}
