//! What the benchmark measures beside the operations themselves, and what it asks a GPU.

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

/// Independent chains of multiply-adds, as many as given for each of `64 groups` invocations, on the device of `like`; and
/// how many operations that were.
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

/// A gradient of [`super::conv3x3`], by our kernels or by burn's.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    /// By the input, ours.
    ByX,
    /// By the weight, ours.
    ByWeight,
    /// By the input, burn's.
    BurnByX,
    /// By the weight, burn's.
    BurnByWeight,
}

/// Of `x` `[B,I,H,W]`, `weight` `[O,I,3,3]` and `dy` `[B,O,H,W]`.
type Gradient = fn(
    FloatTensor<Dispatch>,
    FloatTensor<Dispatch>,
    FloatTensor<Dispatch>,
) -> FloatTensor<Dispatch>;

/// The gradient of the sum of `dy` times [`super::conv3x3`].
pub fn gradient(which: Which, [x, weight, dy]: [Tensor<4>; 3]) -> Tensor<4> {
    let gradient: Gradient = match which {
        Which::ByX => Dispatch::input_grad,
        Which::ByWeight => Dispatch::weight_grad,
        Which::BurnByX => Dispatch::burn_input_grad,
        Which::BurnByWeight => Dispatch::burn_weight_grad,
    };
    Tensor::from_dispatch(gradient(
        x.into_dispatch(),
        weight.into_dispatch(),
        dy.into_dispatch(),
    ))
}

/// A GPU's; the CPU has none.
fn client(device: &Device) -> Option<Client> {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Cube(device) => Some(device.client()),
        _ => None,
    }
}

/// What a GPU's adapter calls itself, in a browser nothing; none on the CPU.
pub fn adapter(device: &Device) -> Option<String> {
    Some(client(device)?.properties().identity.name.clone())
}

/// Waits until everything asked of a device is done.
///
/// # Panics
/// Where the device is lost.
pub async fn finish(device: &Device) {
    if let Some(client) = client(device) {
        client.sync().await.expect("the device works");
    }
}

/// Bytes of its memory that a GPU has set aside for tensors; nothing on the CPU.
pub fn reserved_bytes(device: &Device) -> Option<u64> {
    let report = client(device)?.memory_report(MemoryScope::Device);
    Some(report.usage().bytes_reserved)
}

/// Has a GPU give back what no tensor needs.
pub fn release_memory(device: &Device) {
    if let Some(client) = client(device) {
        client.memory_cleanup().expect("no graph is being recorded");
    }
}

/// What a piece of work was for a GPU.
#[derive(Debug)]
pub struct Profile {
    /// By operation: how often a kernel was launched, and its seconds all in all.
    pub operations: BTreeMap<String, (usize, f64)>,
    /// The most bytes that tensors held at once, those before it included; ...
    pub peak_bytes: u64,
    /// ... which were so many.
    pub bytes_before: u64,
}

/// Runs `work` with a timer around every launch, so that they run one by one; nothing on the CPU.
pub async fn profile(device: &Device, work: impl FnOnce()) -> Option<Profile> {
    let client = client(device)?;
    finish(device).await;
    let before = bytes_in_use(&client);
    let watch = Arc::new(Watch {
        client,
        seen: Mutex::default(),
    });
    let observation = LaunchObservation::new(watch.clone());
    work();
    drop(observation);
    finish(device).await;
    let Seen { peak, timed } = take(&mut *watch.seen());
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

/// `conv::Convolve` of `..::SourceKernel<..::Source<autolink::ops::gpu::conv::Convolve>>`; `burn` of any other.
fn operation(kernel: &str) -> String {
    let ours = concat!(env!("CARGO_PKG_NAME"), "::ops::gpu::");
    match kernel.rsplit_once(ours) {
        Some((_, name)) => name.trim_end_matches('>').into(),
        None => "burn".into(),
    }
}

struct Watch {
    client: Client,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    peak: u64,
    timed: Vec<(&'static str, ProfileDuration)>,
}

impl Watch {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LaunchObserver for Watch {
    fn launched(&self, _: &'static str) {
        let now = bytes_in_use(&self.client);
        let mut seen = self.seen();
        seen.peak = seen.peak.max(now);
    }

    fn timing(&self) -> TimingRequest {
        TimingRequest::Deferred
    }

    fn profiled(&self, kernel: &'static str, duration: ProfileDuration) {
        self.seen().timed.push((kernel, duration));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_apart_by_their_operation() {
        let ours =
            "a::SourceKernel<autolink::ops::gpu::Source<autolink::ops::gpu::conv::Convolve>>";
        assert_eq!(operation(ours), "conv::Convolve");
        assert_eq!(operation("burn_cubecl::kernel::unary::Unary<f32>"), "burn");
    }
}
