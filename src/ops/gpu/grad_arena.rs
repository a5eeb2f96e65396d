//! Tensors that are contiguous in one buffer, so that one launch reaches them all: parameters, the optimiser's running means, and
//! their gradients.

use std::cell::RefCell;
use std::collections::HashMap;

use askama::Template;
use burn::tensor::{DType, Shape};
use burn_cubecl::CubeDevice;
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{Pod, Zeroable};

use super::{Shader, empty, grid, launch, number};

/// `shaders/copy.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "copy.wgsl", escape = "none")]
struct Copy {
    aligned: bool,
}

/// `Params` of `shaders/copy.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct Params {
    count: u32,
    group_columns: u32,
}

impl Shader for Copy {
    type Params = Params;
}

impl Copy {
    fn number(&self) -> &'static str {
        number(self.aligned)
    }
}

/// Every adapter can bind a tensor that begins at a multiple of this many numbers: 256 bytes.
pub const ALIGNED: usize = 64;

/// Tensors begin at multiples of this many numbers here, which a workgroup of AdamW takes.
pub const STRIDE: usize = 4 * ALIGNED;

/// The buffer that the parameter gradients of a step are written to.
#[derive(Default)]
struct GradArena {
    /// `[size + STRIDE]`, from the first allocation of a step on.
    buffer: Option<CubeTensor>,
    /// The numbers that the gradients of the last step took.
    size: usize,
    /// The start of the next allocation.
    next: usize,
}

thread_local! {
    // One arena per device, and per thread because cubecl gives each thread a stream of its own on a device: an arena that two
    // trainings on one device shared would make their streams wait for each other, and neither's gradients would be contiguous.
    static ARENAS: RefCell<HashMap<CubeDevice, GradArena>> = RefCell::default();
}

/// Runs `f` on this thread's arena of a device.
fn with_arena<T>(device: &CubeDevice, f: impl FnOnce(&mut GradArena) -> T) -> T {
    ARENAS.with_borrow_mut(|arenas| f(arenas.entry(device.clone()).or_default()))
}

/// Allocates a parameter gradient of `count` numbers on the device of `like`, `[count]`: behind the ones before it in the arena while
/// that has space, else in a buffer of its own.
pub fn alloc(like: &CubeTensor, count: usize) -> CubeTensor {
    with_arena(&like.device, |arena| {
        // The gradients of a part of the batch were added to others and dropped.
        if (arena.buffer.as_ref()).is_some_and(|buffer| buffer.handle.can_mut()) {
            arena.next = 0;
        }
        let start = arena.next;
        let next = start + count.next_multiple_of(STRIDE);
        if next > arena.size {
            return empty(like, [count]);
        }
        arena.next = next;
        let buffer = (arena.buffer).get_or_insert_with(|| empty(like, [arena.size + STRIDE]));
        view(buffer, start, [count])
    })
}

/// Ends a step whose gradients have been read; those of the next step will take `size` numbers.
pub fn clear(device: &CubeDevice, size: usize) {
    with_arena(device, |arena| {
        *arena = GradArena {
            size,
            ..GradArena::default()
        }
    });
}

/// Returns a buffer that holds all these gradients, and where in it each begins, in numbers. Those outside the arena are copied.
pub fn gather(tensors: &[CubeTensor]) -> (CubeTensor, Vec<usize>) {
    let is_in_arena = |tensor: &CubeTensor| {
        with_arena(&tensor.device, |arena| {
            (arena.buffer.as_ref()).is_some_and(|buffer| is_part(tensor, buffer))
        })
    };
    let gathered: Vec<CubeTensor> = (tensors.iter())
        .map(|tensor| {
            if is_in_arena(tensor) {
                return tensor.clone();
            }
            let copy = alloc(tensor, count(tensor));
            copy_to(tensor, &copy);
            copy
        })
        .collect();
    if gathered.iter().all(is_in_arena) {
        let buffer = backing_buffer(&gathered[0]);
        (buffer, gathered.iter().map(start).collect())
    } else {
        packed(&gathered)
    }
}

/// Returns the buffer that holds these tensors contiguously from its start on: the one that they are views of, else one that they
/// are copied to.
pub fn as_contiguous(tensors: &[CubeTensor]) -> CubeTensor {
    let (starts, size) = layout(tensors);
    let buffer = backing_buffer(&tensors[0]);
    let mut starts = tensors.iter().zip(starts);
    if count(&buffer) >= size
        && starts.all(|(tensor, at)| is_part(tensor, &buffer) && start(tensor) == at)
    {
        return buffer;
    }
    packed(tensors).0
}

/// Returns where each tensor begins when they are contiguous, and the size of them all, in numbers.
pub fn layout(tensors: &[CubeTensor]) -> (Vec<usize>, usize) {
    let mut size = 0;
    let next = |tensor| {
        let start = size;
        size += count(tensor).next_multiple_of(STRIDE);
        start
    };
    let starts = tensors.iter().map(next).collect();
    (starts, size)
}

/// Copies tensors into one buffer, contiguously, and returns where each begins.
fn packed(tensors: &[CubeTensor]) -> (CubeTensor, Vec<usize>) {
    let (starts, size) = layout(tensors);
    let buffer = empty(&tensors[0], [size]);
    for (tensor, &start) in tensors.iter().zip(&starts) {
        copy_to(tensor, &view(&buffer, start, [count(tensor)]));
    }
    (buffer, starts)
}

/// Copies `more` numbers than there are, which checked kernels must count.
#[cfg(test)]
pub fn copy_too_many(x: &CubeTensor, more: usize) {
    let y = empty(x, [count(x)]);
    let shader = Copy { aligned: false };
    let params = Params {
        count: (count(x) + more) as u32,
        group_columns: 1,
    };
    launch(shader, [1; 3], &[x, &y], params);
}

fn copy_to(x: &CubeTensor, y: &CubeTensor) {
    let count = count(x);
    let aligned = count.is_multiple_of(4);
    let numbers = if aligned { count / 4 } else { count };
    let groups = grid(numbers.div_ceil(64));
    let params = Params {
        count: numbers as u32,
        group_columns: groups[0] as u32,
    };
    launch(Copy { aligned }, groups, &[x, y], params);
}

/// Returns a view of `buffer` from number `start` on.
pub fn view<const D: usize>(buffer: &CubeTensor, start: usize, shape: [usize; D]) -> CubeTensor {
    let end = start + shape.iter().product::<usize>();
    let [start, end] = [start, end].map(|at| (size_of::<f32>() * at) as u64);
    let handle = buffer.handle.clone();
    let after = handle.size_in_used() - end;
    CubeTensor::new_contiguous(
        buffer.client.clone(),
        buffer.device.clone(),
        Shape::new(shape),
        handle.offset_start(start).offset_end(after),
        DType::F32,
    )
}

/// Returns all of the buffer that a tensor is a view of.
fn backing_buffer(tensor: &CubeTensor) -> CubeTensor {
    let mut handle = tensor.handle.clone();
    (handle.offset_start, handle.offset_end) = (None, None);
    let size = handle.size_in_used() as usize / size_of::<f32>();
    CubeTensor::new_contiguous(
        tensor.client.clone(),
        tensor.device.clone(),
        Shape::new([size]),
        handle,
        DType::F32,
    )
}

/// Returns whether `tensor` is a view of `buffer`.
fn is_part(tensor: &CubeTensor, buffer: &CubeTensor) -> bool {
    let [a, b] = [tensor, buffer].map(|t| t.handle.clone().binding().memory.id());
    a == b
}

/// Returns where a tensor begins in its buffer, in numbers.
fn start(tensor: &CubeTensor) -> usize {
    tensor.handle.offset_start.unwrap_or_default() as usize / size_of::<f32>()
}

fn count(tensor: &CubeTensor) -> usize {
    tensor.meta.num_elements()
}

/// Adds every kernel of this file that an adapter may run.
#[cfg(test)]
pub(super) fn permutations(found: &mut super::permutations::Found) {
    for aligned in [false, true] {
        found.add(Copy { aligned });
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::{BackendTensor, DispatchTensorKind};
    use burn::tensor::Tensor;

    use super::*;

    /// A tensor on the GPU, if there is one.
    fn like() -> Option<CubeTensor> {
        let device = crate::needs::gpu()?;
        match Tensor::<1>::zeros([1], &device).into_dispatch().kind {
            DispatchTensorKind::Cube(BackendTensor::Float(like)) => Some(like),
            _ => unreachable!("a GPU's tensor"),
        }
    }

    #[test]
    fn alloc_makes_gradients_contiguous_while_the_arena_has_space() {
        let Some(like) = like() else { return };
        let starts = |tensors: &[CubeTensor]| {
            let (buffer, starts) = gather(tensors);
            assert!(count(&buffer) >= starts.iter().max().expect("some") + STRIDE);
            starts
        };
        let some = |counts: [usize; 3]| counts.map(|count| alloc(&like, count));

        // The arena has no size yet.
        let first = some([3, 300, 64]);
        assert!(!is_part(&first[0], &first[1]));
        assert_eq!(starts(&first), [0, 256, 768]);
        clear(&like.device, 1024);
        let second = some([3, 300, 64]);
        assert!(is_part(&second[0], &second[1]) && is_part(&second[0], &second[2]));
        assert_eq!(starts(&second), [0, 256, 768]);
        // While they live the arena is full; after them it has space for one from elsewhere.
        let [more, ..] = some([1, 1, 1]);
        assert!(!is_part(&second[0], &more));
        drop(second);
        let [third, ..] = some([600, 500, 1]);
        assert_eq!(starts(&[third, more]), [0, 768]);
        clear(&like.device, 1024);
        assert!(!is_part(&alloc(&like, 1), &first[0]));
    }

    #[test]
    fn clear_leaves_the_arenas_of_other_devices_alone() {
        let Some(like) = like() else { return };
        clear(&like.device, 1024);
        let first = alloc(&like, 3);
        let other = CubeDevice::Cpu(Default::default());
        assert_ne!(other, like.device);
        clear(&other, 0);
        assert!(is_part(&first, &alloc(&like, 3)));
    }
}
