//! The browser's other cores: workers of the same engine that compute parts of convolutions.
//!
//! A worker's memory is its own, so values are copied through an arena that all share: first [`HEADER`] integers for
//! each helper, then the values of one convolution, `a`, `b`, bias and result, as [`ConvJob`] has them. A helper's first
//! integer is its state; who changes it, wakes the other. Arenas exist only on pages that are isolated from other
//! origins; elsewhere everything is computed here.

use std::cell::{Cell, RefCell};

use js_sys::{Atomics, Float32Array, Function, Int32Array, Reflect, SharedArrayBuffer};
use wasm_bindgen::{JsCast, JsValue};
use web_time::Instant;

use super::plan::{ConvJob, ConvPass, ConvShard};

/// Integers of a helper: its state, then its task.
const HEADER: u32 = 16;
/// For batches of 16 of VGG16's largest layer at 64 px.
const ARENA_BYTES: u32 = 96 << 20;
/// This worker copies for all of them.
const MOST_HELPERS: u32 = 7;
/// So many multiplications take some tenths of a millisecond: not worth waking somebody.
const FEW: usize = 1 << 20;
/// A helper that takes so long is gone, ms.
const WORKER_TIMEOUT_MS: f64 = 60_000.0;

/// States: it starts with none of them, a zero.
const READY: i32 = 1;
const TASK: i32 = 2;
const DONE: i32 = 3;
/// It broke down, or never began: `worker_loader.js` says so.
const GONE: i32 = 4;

const KINDS: [ConvPass; 3] = [ConvPass::Forward, ConvPass::ByInput, ConvPass::ByWeight];

thread_local! {
    static ARENA: RefCell<Option<Arena>> = const { RefCell::new(None) };
}

struct Arena {
    headers: Int32Array,
    values: Float32Array,
    helpers: Cell<u32>,
    /// Of each kind, how many units this worker does while a helper does one: helpers have to copy as well.
    pace: [Cell<f64>; 3],
}

/// A part of a convolution, as it stands in a helper's header behind the state.
struct Task {
    plan: ConvJob,
    has_bias: bool,
    units: [usize; 2],
}

impl Task {
    fn to_integers(&self) -> [i32; 10] {
        let ConvJob {
            kind,
            halving,
            shape: [batch, channels, height, width],
            others,
        } = self.plan;
        let [first, end] = self.units;
        [
            kind as usize,
            halving.into(),
            batch,
            channels,
            height,
            width,
            others,
            self.has_bias.into(),
            first,
            end,
        ]
        .map(|value| value as i32)
    }

    fn from_integers(values: [i32; 10]) -> Self {
        let [
            kind,
            halving,
            batch,
            channels,
            height,
            width,
            others,
            has_bias,
            first,
            end,
        ] = values.map(|value| value as usize);
        Self {
            plan: ConvJob {
                kind: KINDS[kind],
                halving: halving == 1,
                shape: [batch, channels, height, width],
                others,
            },
            has_bias: has_bias == 1,
            units: [first, end],
        }
    }

    /// Where `a`, `b`, bias and result begin among the values, and where they end.
    fn places(&self) -> [usize; 5] {
        let [a, b, y] = self.plan.lengths();
        let bias = if self.has_bias { self.plan.others } else { 0 };
        [0, a, a + b, a + b + bias, a + b + bias + y]
    }
}

impl Arena {
    fn new(buffer: &SharedArrayBuffer, helpers: u32) -> Self {
        Self {
            headers: Int32Array::new(buffer),
            values: Float32Array::new_with_byte_offset(buffer, MOST_HELPERS * HEADER * 4),
            helpers: Cell::new(helpers),
            pace: [const { Cell::new(1.0) }; 3],
        }
    }

    fn state(&self, helper: u32) -> i32 {
        Atomics::load(&self.headers, helper * HEADER).unwrap_or_default()
    }

    fn set_state(&self, helper: u32, state: i32) {
        let _ = Atomics::store(&self.headers, helper * HEADER, state);
        let _ = Atomics::notify(&self.headers, helper * HEADER);
    }

    /// Sleeps for as long as the state is this one. Whether it changed.
    fn wait(&self, helper: u32, state: i32, patience_ms: f64) -> bool {
        let woken = Atomics::wait_with_timeout(&self.headers, helper * HEADER, state, patience_ms);
        woken.is_ok_and(|how| how != "timed-out")
    }

    fn task(&self, helper: u32) -> Int32Array {
        self.headers
            .subarray(helper * HEADER + 1, helper * HEADER + 11)
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
        (0..self.helpers.get())
            .filter(|&helper| self.state(helper) == READY)
            .collect()
    }

    /// The convolution with whoever is ready, none if nobody is or it does not fit.
    fn share(&self, plan: ConvJob, a: &[f32], b: &[f32], bias: Option<&[f32]>) -> Option<Vec<f32>> {
        let ready = self.ready();
        let others = ready.len().min(plan.units() - 1);
        if others == 0 {
            return None;
        }
        let pace = &self.pace[plan.kind as usize];
        let own_units = plan.units() as f64 * pace.get() / (pace.get() + others as f64);
        let own_units = (own_units.round() as usize).clamp(1, plan.units() - others);
        let their_units = plan.units() - own_units;
        let task = |i: usize| Task {
            plan,
            has_bias: bias.is_some(),
            units: [i, i + 1].map(|i| own_units + i * their_units / others),
        };
        let [_, at_b, at_bias, at_y, end] = task(0).places();
        if end > self.values.length() as usize {
            return None;
        }
        let own = plan.part(0..own_units);
        // Of what is divided, only what others take.
        let from = own.a.end % a.len();
        self.put(from, &a[from..]);
        if plan.kind == ConvPass::ByWeight {
            let picture = b.len() / own.b.len();
            for range in &own.b {
                self.put(at_b + range.end, &b[range.end..range.start + picture]);
            }
        } else {
            self.put(at_b, b);
        }
        if let Some(bias) = bias {
            self.put(at_bias, bias);
        }
        let start = Instant::now();
        for (i, &helper) in (0..others).zip(&ready) {
            self.task(helper).copy_from(&task(i).to_integers());
            self.set_state(helper, TASK);
        }
        let run = |part: ConvShard| {
            let b: Vec<&[f32]> = part.b.into_iter().map(|range| &b[range]).collect();
            part.plan.run(&a[part.a], &b.concat(), bias)
        };
        let mut y = run(own);
        let own_time = start.elapsed();
        for (i, &helper) in (0..others).zip(&ready) {
            let [first, end] = task(i).units;
            let part = plan.part(first..end);
            while self.state(helper) == TASK && self.wait(helper, TASK, WORKER_TIMEOUT_MS) {}
            if self.state(helper) == DONE {
                y.resize(part.y.end, 0.0);
                self.get(at_y + part.y.start, &mut y[part.y]);
                self.set_state(helper, READY);
            } else {
                if self.state(helper) != GONE {
                    // What it still might write would spoil the arena: from now on nobody is asked.
                    tracing::warn!("a worker does not answer: one thread computes from now on");
                    self.helpers.set(0);
                }
                y.extend(run(part));
            }
        }
        // How many units this worker did while a helper did one; less than that if no helper was waited for.
        let (own_time, time) = (own_time.as_secs_f64(), start.elapsed().as_secs_f64());
        let seen = own_units as f64 * others as f64 / their_units as f64
            * if time > 1.02 * own_time {
                time / own_time.max(1e-6)
            } else {
                0.95
            };
        // What took long counts for more: it says more, and there is more to be gained.
        let weight = 0.1 * (own_time / 5e-3).min(1.0);
        pace.set(pace.get() + weight * (seen.clamp(0.7, 2.0) - pace.get()));
        Some(y)
    }

    /// Does a helper's tasks, for ever.
    fn worker_loop(&self, helper: u32) -> ! {
        self.set_state(helper, READY);
        loop {
            let state = self.state(helper);
            if state != TASK {
                self.wait(helper, state, f64::INFINITY);
                continue;
            }
            let mut integers = [0; 10];
            self.task(helper).copy_to(&mut integers);
            let task = Task::from_integers(integers);
            let [_, at_b, at_bias, at_y, _] = task.places();
            let part = task.plan.part(task.units[0]..task.units[1]);
            let mut a = vec![0.0; part.a.len()];
            self.get(part.a.start, &mut a);
            let mut b = vec![0.0; part.b.iter().map(|range| range.len()).sum()];
            let mut rest = &mut b[..];
            for range in part.b {
                let (values, behind) = rest.split_at_mut(range.len());
                self.get(at_b + range.start, values);
                rest = behind;
            }
            let bias = task.has_bias.then(|| {
                let mut bias = vec![0.0; task.plan.others];
                self.get(at_bias, &mut bias);
                bias
            });
            let y = part.plan.run(&a, &b, bias.as_deref());
            self.put(at_y + part.y.start, &y);
            self.set_state(helper, DONE);
        }
    }
}

/// [`ConvJob::run`], on all workers where there are any.
pub fn run(plan: ConvJob, a: &[f32], b: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let shared = ARENA.with_borrow(|arena| match arena {
        Some(arena) if plan.multiplications() >= FEW => arena.share(plan, a, b, bias),
        _ => None,
    });
    shared.unwrap_or_else(|| plan.run(a, b, bias))
}

fn global(name: &str) -> JsValue {
    Reflect::get(&js_sys::global(), &name.into()).unwrap_or(JsValue::UNDEFINED)
}

/// Hires a helper for each further core, once. They come when they are loaded, for which this worker has to leave its event
/// loop some turns. Returns how many were hired; [`ready_workers`] says how many have come.
///
/// `worker_loader.js` has the function `spawn_workers(bytes, count)` that starts them and returns their arena.
pub fn spawn_workers() -> u32 {
    ARENA.with_borrow_mut(|arena| {
        let number = |value: JsValue| value.as_f64().unwrap_or_default();
        if arena.is_none() && global("crossOriginIsolated").is_truthy() {
            let cores = Reflect::get(&global("navigator"), &"hardwareConcurrency".into());
            let cores = number(cores.unwrap_or_default()) as u32;
            let count = cores.saturating_sub(1).min(MOST_HELPERS);
            *arena = global("spawn_workers")
                .dyn_into::<Function>()
                .and_then(|spawn_workers| {
                    spawn_workers.call2(&JsValue::NULL, &ARENA_BYTES.into(), &count.into())
                })
                .and_then(|buffer| buffer.dyn_into())
                .ok()
                .map(|buffer| Arena::new(&buffer, count));
        }
        arena.as_ref().map_or(0, |arena| arena.helpers.get())
    })
}

/// How many helpers have come and are still there, between two convolutions.
pub fn ready_workers() -> u32 {
    ARENA.with_borrow(|arena| arena.as_ref().map_or(0, |arena| arena.ready().len() as u32))
}

/// Is a helper, for ever, if this worker was started as one: `worker_loader.js` then has set `arena` and `index`.
pub fn worker_loop() {
    if let (Ok(arena), Some(index)) = (
        global("arena").dyn_into::<SharedArrayBuffer>(),
        global("index").as_f64(),
    ) {
        Arena::new(&arena, 0).worker_loop(index as u32);
    }
}
