//! Tensors one behind the other in one buffer, so that one launch reaches them all: parameters, the optimiser's means of them, and
//! their gradients.

use std::cell::RefCell;

use askama::Template;
use burn::tensor::{DType, Shape};
use burn_cubecl::tensor::CubeTensor;

use super::{Shader, empty, grid, launch, number};

/// `shaders/copy.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "copy.wgsl", escape = "none")]
struct Copy {
    aligned: bool,
}

impl Shader for Copy {}

impl Copy {
    fn number(&self) -> &'static str {
        number(self.aligned)
    }
}

/// A multiple of so many numbers is where a tensor may begin on every adapter: 256 bytes.
pub const ALIGNED: usize = 64;

/// Numbers between the places at which tensors begin here: those of a workgroup of AdamW.
pub const STRIDE: usize = 4 * ALIGNED;

/// Where gradients by parameters are put.
#[derive(Default)]
struct GradArena {
    /// `[size + STRIDE]`, once one was asked for.
    buffer: Option<CubeTensor>,
    /// What the last step's gradients took, in numbers.
    size: usize,
    /// Where the next goes.
    next: usize,
}

thread_local! {
    /// Of the thread that trains.
    static GRAD_ARENA: RefCell<GradArena> = RefCell::default();
}

/// Memory for `count` numbers that are gradients by parameters: behind those before it, where there is room.
pub fn room(like: &CubeTensor, count: usize) -> CubeTensor {
    GRAD_ARENA.with_borrow_mut(|arena| {
        // Gradients of a part of the batch were added to others and are gone.
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
        if buffer.device == like.device {
            view(buffer, start, [count])
        } else {
            empty(like, [count])
        }
    })
}

/// The step's gradients have been read; those of the next will be of as many numbers.
pub fn clear(size: usize) {
    GRAD_ARENA.with_borrow_mut(|arena| {
        *arena = GradArena {
            size,
            ..GradArena::default()
        }
    });
}

/// The buffer of gradients, and where in it each begins, in numbers. Those from elsewhere are copied.
pub fn gradients(tensors: &[CubeTensor]) -> (CubeTensor, Vec<usize>) {
    let is_there = |tensor: &CubeTensor| {
        GRAD_ARENA
            .with_borrow(|arena| (arena.buffer.as_ref()).is_some_and(|all| is_part(tensor, all)))
    };
    let there: Vec<CubeTensor> = (tensors.iter())
        .map(|tensor| {
            if is_there(tensor) {
                return tensor.clone();
            }
            let copy = room(tensor, count(tensor));
            copy_to(tensor, &copy);
            copy
        })
        .collect();
    if there.iter().all(is_there) {
        (whole(&there[0]), there.iter().map(start).collect())
    } else {
        packed(&there)
    }
}

/// The buffer that has these tensors behind one another from its start on: the one that they are parts of, or else one that they
/// are copied to.
pub fn as_contiguous(tensors: &[CubeTensor]) -> CubeTensor {
    let (starts, size) = starts(tensors);
    let buffer = whole(&tensors[0]);
    let mut places = tensors.iter().zip(starts);
    if count(&buffer) >= size
        && places.all(|(tensor, at)| is_part(tensor, &buffer) && start(tensor) == at)
    {
        return buffer;
    }
    packed(tensors).0
}

/// Where tensors begin that lie behind one another, and the size of them all, in numbers.
pub fn starts(tensors: &[CubeTensor]) -> (Vec<usize>, usize) {
    let mut size = 0;
    let next = |tensor| {
        let start = size;
        size += count(tensor).next_multiple_of(STRIDE);
        start
    };
    let starts = tensors.iter().map(next).collect();
    (starts, size)
}

/// Copies of tensors, behind one another.
fn packed(tensors: &[CubeTensor]) -> (CubeTensor, Vec<usize>) {
    let (starts, size) = starts(tensors);
    let buffer = empty(&tensors[0], [size]);
    for (tensor, &start) in tensors.iter().zip(&starts) {
        copy_to(tensor, &view(&buffer, start, [count(tensor)]));
    }
    (buffer, starts)
}

/// Copies `more` numbers than there are: what must be noticed.
#[cfg(test)]
pub fn copy_too_many(x: &CubeTensor, more: usize) {
    let y = empty(x, [count(x)]);
    let shader = Copy { aligned: false };
    launch(shader, [1; 3], &[x, &y], &[count(x) + more, 1]);
}

fn copy_to(x: &CubeTensor, y: &CubeTensor) {
    let count = count(x);
    let aligned = count.is_multiple_of(4);
    let numbers = if aligned { count / 4 } else { count };
    let groups = grid(numbers.div_ceil(64));
    launch(Copy { aligned }, groups, &[x, y], &[numbers, groups[0]]);
}

/// A part of a buffer.
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

/// All of the buffer that a tensor is a part of.
fn whole(tensor: &CubeTensor) -> CubeTensor {
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

fn is_part(tensor: &CubeTensor, buffer: &CubeTensor) -> bool {
    let [of_tensor, of_buffer] = [tensor, buffer].map(|t| t.handle.clone().binding().memory.id());
    of_tensor == of_buffer
}

/// Where a tensor begins in its buffer, in numbers.
fn start(tensor: &CubeTensor) -> usize {
    tensor.handle.offset_start.unwrap_or_default() as usize / size_of::<f32>()
}

fn count(tensor: &CubeTensor) -> usize {
    tensor.meta.num_elements()
}

/// Every kernel of this file that an adapter may be given.
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

    #[test]
    fn gradients_lie_behind_one_another_where_there_is_room() {
        let Some(device) = crate::needs::gpu() else {
            return;
        };
        let zero = Tensor::<1>::zeros([1], &device).into_dispatch().kind;
        let DispatchTensorKind::Cube(BackendTensor::Float(like)) = zero else {
            unreachable!("a GPU's tensor");
        };
        let places = |tensors: &[CubeTensor]| {
            let (buffer, starts) = gradients(tensors);
            assert!(count(&buffer) >= starts.iter().max().expect("some") + STRIDE);
            starts
        };
        let some = |counts: [usize; 3]| counts.map(|count| room(&like, count));

        // Nobody knows yet how much is needed.
        let first = some([3, 300, 64]);
        assert!(!is_part(&first[0], &first[1]));
        assert_eq!(places(&first), [0, 256, 768]);
        clear(1024);
        let second = some([3, 300, 64]);
        assert!(is_part(&second[0], &second[1]) && is_part(&second[0], &second[2]));
        assert_eq!(places(&second), [0, 256, 768]);
        // While they live there is no more room, and behind them there is for one from elsewhere.
        let [more, ..] = some([1, 1, 1]);
        assert!(!is_part(&second[0], &more));
        drop(second);
        let [third, ..] = some([600, 500, 1]);
        assert_eq!(places(&[third, more]), [0, 768]);
        clear(1024);
        assert!(!is_part(&room(&like, 1), &first[0]));
    }
}
