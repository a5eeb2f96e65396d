//! Operations and GPU readings for the benchmark (`cargo xtask bench`, `bench/src/measure.rs`), which shows their use.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{Device, Tensor};
use burn_cubecl::cubecl::MemoryScope;
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::logging::{
    LaunchObservation, LaunchObserver, ProfileDuration, TimingRequest,
};

use super::gpu::peak;
use super::kernels::BenchOps;

/// Runs `chains` independent chains of multiply-adds on each of `64 groups` invocations, on the device of `like`. Returns their sums,
/// and the number of operations.
pub fn multiply_adds(
    like: &Tensor<1>,
    chains: usize,
    groups: usize,
    rounds: usize,
) -> (Tensor<1>, f64) {
    let y = Dispatch::multiply_adds(like.clone().into_dispatch(), chains, groups, rounds);
    let operations = peak::operations(chains) * 64 * groups * rounds;
    (Tensor::from_dispatch(y), operations as f64)
}

/// A gradient of [`super::conv3x3`], by our kernels or by Burn's.
#[derive(Clone, Copy, Debug)]
pub enum ConvGrad {
    /// Input gradient by our kernels.
    Input,
    /// Weight gradient by our kernels.
    Weight,
    /// Input gradient by Burn's kernels.
    BurnInput,
    /// Weight gradient by Burn's kernels.
    BurnWeight,
}

/// The signature of the four, for `x` `[B,I,H,W]`, `weight` `[O,I,3,3]` and `dy` `[B,O,H,W]`.
type Gradient = fn(
    FloatTensor<Dispatch>,
    FloatTensor<Dispatch>,
    FloatTensor<Dispatch>,
) -> FloatTensor<Dispatch>;

/// A gradient of `sum(dy y)` for the output y of [`super::conv3x3`] of x `[B,I,H,W]`, weight `[O,I,3,3]` and dy `[B,O,H,W]`.
pub fn gradient(which: ConvGrad, [x, weight, dy]: [Tensor<4>; 3]) -> Tensor<4> {
    let gradient: Gradient = match which {
        ConvGrad::Input => Dispatch::input_grad,
        ConvGrad::Weight => Dispatch::weight_grad,
        ConvGrad::BurnInput => Dispatch::burn_input_grad,
        ConvGrad::BurnWeight => Dispatch::burn_weight_grad,
    };
    Tensor::from_dispatch(gradient(
        x.into_dispatch(),
        weight.into_dispatch(),
        dy.into_dispatch(),
    ))
}

/// The compute client of a GPU; `None` on the CPU.
fn client(device: &Device) -> Option<Client> {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Cube(device) => Some(device.client()),
        _ => None,
    }
}

/// The name that a GPU's adapter reports, empty in a browser; `None` on the CPU.
pub fn adapter_name(device: &Device) -> Option<String> {
    Some(client(device)?.properties().identity.name.clone())
}

/// Waits until a device has done all work that was submitted to it.
///
/// # Panics
/// Panics if the device is lost.
pub async fn finish(device: &Device) {
    if let Some(client) = client(device) {
        client.sync().await.expect("the device works");
    }
}

/// Bytes of memory that a GPU has reserved for tensors; `None` on the CPU.
pub fn reserved_bytes(device: &Device) -> Option<u64> {
    let report = client(device)?.memory_report(MemoryScope::Device);
    Some(report.usage().bytes_reserved)
}

/// Releases the GPU memory that no tensor uses. Does nothing on the CPU.
pub fn release_memory(device: &Device) {
    if let Some(client) = client(device) {
        client.memory_cleanup().expect("no graph is being recorded");
    }
}

/// The kernel launches and the memory of some work on a GPU.
#[derive(Debug)]
pub struct Profile {
    /// By operation: the number of launches, and their seconds in total.
    pub operations: BTreeMap<String, (usize, f64)>,
    /// The most bytes that tensors held at once, [`bytes_before`](Self::bytes_before) included.
    pub peak_bytes: u64,
    /// Bytes that tensors held before the work.
    pub bytes_before: u64,
}

/// Runs `work` with a timer around every launch, so that launches run one by one. Returns `None` on the CPU, without running it.
pub async fn profile(device: &Device, work: impl FnOnce()) -> Option<Profile> {
    let client = client(device)?;
    finish(device).await;
    let before = bytes_in_use(&client);
    let watch = Arc::new(Watch {
        client,
        observed: Mutex::default(),
    });
    let observation = LaunchObservation::new(watch.clone());
    work();
    drop(observation);
    finish(device).await;
    let Observed { peak, timed } = take(&mut *watch.observed());
    let mut operations = BTreeMap::<String, (usize, f64)>::new();
    for (kernel, duration) in timed {
        let seconds = match duration.resolve().await {
            Some(ticks) => ticks.duration().as_secs_f64(),
            None => 0.0,
        };
        let (launches, sum) = operations.entry(operation(kernel)).or_default();
        *launches += 1;
        *sum += seconds;
    }
    Some(Profile {
        operations,
        peak_bytes: peak,
        bytes_before: before,
    })
}

fn bytes_in_use(client: &Client) -> u64 {
    client
        .memory_report(MemoryScope::Device)
        .usage()
        .bytes_in_use
}

/// Shortens a kernel's type name: `conv::Convolve` for `..::SourceKernel<..::Source<autolink::ops::gpu::conv::Convolve>>`, `burn` for
/// every kernel that is not ours.
fn operation(kernel: &str) -> String {
    let ours = concat!(env!("CARGO_PKG_NAME"), "::ops::gpu::");
    match kernel.rsplit_once(ours) {
        Some((_, name)) => name.trim_end_matches('>').into(),
        None => "burn".into(),
    }
}

/// Observes launches on a GPU.
struct Watch {
    client: Client,
    observed: Mutex<Observed>,
}

#[derive(Default)]
struct Observed {
    peak: u64,
    timed: Vec<(&'static str, ProfileDuration)>,
}

impl Watch {
    fn observed(&self) -> std::sync::MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LaunchObserver for Watch {
    fn launched(&self, _: &'static str) {
        let now = bytes_in_use(&self.client);
        let mut observed = self.observed();
        observed.peak = observed.peak.max(now);
    }

    fn timing(&self) -> TimingRequest {
        TimingRequest::Deferred
    }

    fn profiled(&self, kernel: &'static str, duration: ProfileDuration) {
        self.observed().timed.push((kernel, duration));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_shortens_our_kernels_and_merges_the_others() {
        let ours =
            "a::SourceKernel<autolink::ops::gpu::Source<autolink::ops::gpu::conv::Convolve>>";
        assert_eq!(operation(ours), "conv::Convolve");
        assert_eq!(operation("burn_cubecl::kernel::unary::Unary<f32>"), "burn");
    }
}
