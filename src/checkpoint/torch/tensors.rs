//! Checks tensors, which are views of storages, finds them in the file and reads them in row-major order.

use half::{bf16, f16};

use super::archive::Archive;
use super::file::ReadAt;
use super::pickle::{Pickle, Value};
use super::{MAX_ELEMENTS, MAX_NAME, wrong_tensor};
use crate::error::Result;

/// Maximum number of dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;

/// Maximum number of bytes of a storage that are read at once.
const CHUNK: u64 = 1 << 20;

/// Type of a storage's numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum NumberType {
    F16,
    Bf16,
    F32,
    F64,
    I64,
}

impl NumberType {
    /// Returns the size of a number, bytes.
    pub(super) fn size(self) -> u64 {
        match self {
            NumberType::F16 | NumberType::Bf16 => 2,
            NumberType::F32 => 4,
            NumberType::F64 | NumberType::I64 => 8,
        }
    }

    fn decode(self, bytes: &[u8]) -> impl Iterator<Item = f32> {
        bytes.chunks_exact(self.size() as usize).map(move |bytes| {
            let mut number = [0; 8];
            number[..bytes.len()].copy_from_slice(bytes);
            let [a, b, c, d, ..] = number;
            match self {
                NumberType::F16 => f16::from_le_bytes([a, b]).to_f32(),
                NumberType::Bf16 => bf16::from_le_bytes([a, b]).to_f32(),
                NumberType::F32 => f32::from_le_bytes([a, b, c, d]),
                NumberType::F64 => f64::from_le_bytes(number) as f32,
                NumberType::I64 => i64::from_le_bytes(number) as f32,
            }
        })
    }
}

/// A tensor as a view of a storage. Sizes and offsets are numbers of elements.
pub(super) struct View<'a> {
    /// Name of the storage, a number.
    storage: &'a str,
    pub(super) number_type: NumberType,
    start: u64,
    /// Distance in the storage from the first element to one past the last.
    pub(super) span: u64,
    pub(super) axes: Vec<Axis>,
}

/// A dimension of a tensor.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub(super) size: u64,
    /// Distance between neighbouring elements in the storage.
    stride: u64,
    /// Distance between neighbouring elements in the row-major result.
    step: u64,
}

impl View<'_> {
    /// Returns the axes with more than one element, widest stride first; a single axis if the tensor is row-major already.
    fn places(&self) -> Vec<Axis> {
        let mut places: Vec<Axis> = self
            .axes
            .iter()
            .copied()
            .filter(|axis| axis.size > 1)
            .collect();
        if places.iter().all(|axis| axis.stride == axis.step) {
            let (size, stride, step) = (self.span, 1, 1);
            return vec![Axis { size, stride, step }];
        }
        places.sort_by_key(|axis| std::cmp::Reverse(axis.stride));
        places
    }
}

/// Returns the place of element `index` of a view's span in the row-major result, or `None` if the view skips it.
fn place(places: &[Axis], index: u64) -> Option<u64> {
    let (mut rest, mut place) = (index, 0);
    for axis in places {
        let count = if axis.stride == 1 {
            rest
        } else {
            rest / axis.stride
        };
        if count >= axis.size {
            return None;
        }
        rest -= count * axis.stride;
        place += count * axis.step;
    }
    (rest == 0).then_some(place)
}

impl<F: ReadAt + ?Sized> Archive<'_, F> {
    /// Returns the start of a tensor's span in the file, bytes.
    pub(super) async fn locate(&self, name: &str, view: &View<'_>) -> Result<u64> {
        let entry = self
            .entry(&format!("data/{}", view.storage))
            .ok_or_else(|| wrong_tensor(name, "its values are missing"))?;
        let size = view.number_type.size();
        match view
            .start
            .checked_add(view.span)
            .and_then(|end| end.checked_mul(size))
        {
            Some(end) if end <= entry.size => Ok(self.data(entry).await? + view.start * size),
            _ => Err(wrong_tensor(name, "it extends beyond its values")),
        }
    }

    /// Reads the row-major values of a tensor whose span begins at `offset`.
    pub(super) async fn values(&self, offset: u64, view: &View<'_>) -> Result<Vec<f32>> {
        let size = view.number_type.size();
        let places = view.places();
        let mut values = vec![0.0; view.axes.iter().map(|axis| axis.size as usize).product()];
        let mut at = 0;
        while at < view.span {
            let count = (view.span - at).min(CHUNK / size);
            let bytes = self.bytes(offset + at * size, count * size).await?;
            for (index, value) in (at..).zip(view.number_type.decode(&bytes)) {
                if let Some(place) = place(&places, index) {
                    values[place as usize] = value;
                }
            }
            at += count;
        }
        Ok(values)
    }
}

impl<'a> Pickle<'a> {
    /// Returns a tensor's view of its storage, checked except for the storage's length. The error is half a sentence.
    pub(super) fn view(&self, tensor: Value<'a>) -> std::result::Result<View<'a>, &'static str> {
        const NOT_A_TENSOR: &str = "it is not a tensor";
        let Value::Tensor(tensor) = tensor else {
            return Err(NOT_A_TENSOR);
        };
        let [
            Value::Storage(storage),
            Value::Int(start),
            Value::Tuple(sizes),
            Value::Tuple(strides),
            ..,
        ] = self.containers[tensor][..]
        else {
            return Err(NOT_A_TENSOR);
        };
        let [
            Value::Text("storage"),
            Value::Global(number_type),
            Value::Text(storage),
            ..,
        ] = self.containers[storage][..]
        else {
            return Err(NOT_A_TENSOR);
        };
        let number_type = match self.globals[number_type] {
            ("torch", "HalfStorage") => NumberType::F16,
            ("torch", "BFloat16Storage") => NumberType::Bf16,
            ("torch", "FloatStorage") => NumberType::F32,
            ("torch", "DoubleStorage") => NumberType::F64,
            ("torch", "LongStorage") => NumberType::I64,
            _ => return Err("its numbers are neither floating-point nor int64"),
        };
        let (sizes, strides) = (&self.containers[sizes], &self.containers[strides]);
        if storage.len() > MAX_NAME || sizes.len() != strides.len() || sizes.len() > MAX_DIMENSIONS
        {
            return Err(NOT_A_TENSOR);
        }
        let number = |value: &Value| match value {
            Value::Int(value) => u64::try_from(*value).map_err(|_| "it has a negative size"),
            _ => Err(NOT_A_TENSOR),
        };

        let mut axes = Vec::with_capacity(sizes.len());
        let mut step = 1_u64; // elements per element of this axis
        for (size, stride) in sizes.iter().zip(strides).rev() {
            let (size, stride) = (number(size)?, number(stride)?);
            axes.push(Axis { size, stride, step });
            step = step
                .checked_mul(size)
                .filter(|elements| (1..=MAX_ELEMENTS).contains(elements))
                .ok_or("it is empty or too large")?;
        }
        axes.reverse();
        let mut span = 1;
        let mut narrow_first: Vec<Axis> =
            axes.iter().copied().filter(|axis| axis.size > 1).collect();
        narrow_first.sort_by_key(|axis| axis.stride);
        for axis in narrow_first {
            if axis.stride < span {
                return Err("it overlaps itself");
            }
            span = (axis.size - 1)
                .checked_mul(axis.stride)
                .and_then(|width| width.checked_add(span))
                .filter(|&span| span <= MAX_ELEMENTS)
                .ok_or("it is too large")?;
        }
        Ok(View {
            storage,
            number_type,
            start: number(&Value::Int(start))?,
            span,
            axes,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::*;

    #[test]
    fn read_follows_strides_and_types() {
        let read = |tensor| quickly(&only(tensor)).expect("reads").tensors["encoder.x"].clone();
        let transposed = (vec![3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(read(tensor(NUMBERS, 0, &[3, 2], &[1, 3])), transposed);
        let with_gaps = (vec![2, 1, 3], vec![1.0, 3.0, 5.0, 11.0, 13.0, 15.0]);
        assert_eq!(
            read(tensor(NUMBERS, 1, &[2, 1, 3], &[10, 99, 2])),
            with_gaps
        );
        let channels_last = (
            vec![1, 2, 2, 2],
            vec![0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0],
        );
        assert_eq!(
            read(tensor(NUMBERS, 0, &[1, 2, 2, 2], &[8, 1, 4, 2])),
            channels_last
        );
        // 0x3c3c..., as numpy and torch read it
        for (number_type, expected) in [
            ("HalfStorage", 1.0585938),
            ("BFloat16Storage", 0.011474609),
            ("FloatStorage", 0.01148897),
            ("DoubleStorage", 1.5306384e-18),
            ("LongStorage", 4.3404104e18),
        ] {
            assert_eq!(
                read(tensor(("1", number_type), 1, &[1], &[1])),
                (vec![1], vec![expected]),
                "{number_type}"
            );
        }
    }

    #[test]
    fn view_rejects_hostile_tensors() {
        let pickle = |value: &[u8]| file_of(&program(value));
        let state = |names: usize, tensor: &[u8]| {
            let mut state = [tensor, b"q\x010}("].concat();
            for name in 0..names {
                state.extend([string(&format!("encoder.{name}")), b"h\x01".to_vec()].concat());
            }
            pickle(&[&state[..], b"u"].concat())
        };
        let number = |shape: &[i32], strides: &[i32]| only(tensor(NUMBERS, 0, shape, strides));
        #[rustfmt::skip] // one line per case
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("no tensor", only(int(1)), "encoder.x: it is not a tensor"),
            ("a tensor without arguments", only(call("torch._utils", "_rebuild_tensor_v2", &[])), "is not a tensor"),
            ("a list as a shape", only([&b"ctorch._utils\n_rebuild_tensor_v2\n(]K\0]]t"[..], b"R"].concat()), "is not a tensor"),
            ("booleans", only(tensor(("1", "BoolStorage"), 0, &[1], &[1])), "neither floating-point"),
            ("no storage", only(tensor(("8", "FloatStorage"), 0, &[1], &[1])), "values are missing"),
            ("another file's storage", only(tensor(("../data.pkl", "FloatStorage"), 0, &[1], &[1])), "are missing"),
            ("beyond its storage", only(tensor(NUMBERS, 20, &[5], &[1])), "beyond its values"),
            ("far beyond", only(tensor(NUMBERS, i32::MAX, &[5], &[1])), "beyond its values"),
            ("a larger type", only(tensor(("0", "DoubleStorage"), 0, &[13], &[1])), "beyond its values"),
            ("a negative start", only(tensor(NUMBERS, -1, &[5], &[1])), "negative"),
            ("a negative size", number(&[-5], &[1]), "negative"),
            ("a negative stride", number(&[5], &[-1]), "negative"),
            ("nothing in it", number(&[0], &[1]), "empty"),
            ("huge", number(&[i32::MAX, i32::MAX, i32::MAX], &[1, 1, 1]), "too large"),
            ("huge strides", number(&[i32::MAX / 99, 2], &[i32::MAX, 1]), "too large"),
            ("one number a million times", number(&[1000, 1000], &[0, 0]), "overlaps itself"),
            ("rows that overlap", number(&[3, 3], &[2, 1]), "overlaps itself"),
            ("shape without strides", number(&[2, 2], &[1]), "is not a tensor"),
            ("nine dimensions", number(&[1; 9], &[1; 9]), "is not a tensor"),
            ("a storage often", state(900, &tensor(NUMBERS, 0, &[24], &[1])), "larger than the file"),
            ("many tensors", state(1001, &tensor(NUMBERS, 0, &[1], &[1])), "too many tensors"),
        ];
        for (what, bytes, expected) in cases {
            let message = quickly(&bytes).expect_err(what).to_string();
            assert!(message.contains(expected), "{what}: {message}");
        }
    }

    /// Shapes or strides that a file may give a tensor.
    fn dimensions() -> impl Strategy<Value = Vec<i32>> {
        let number = prop_oneof![0..6_i32, -1..1_i32, Just(24), any::<i32>()];
        proptest::collection::vec(number, 0..5)
    }

    // PROPTEST_CASES=1000000 runs these for longer.
    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn read_survives_random_tensors(start in any::<i8>(), shape in dimensions(), strides in dimensions()) {
            if let Ok(read) = quickly(&only(tensor(NUMBERS, start.into(), &shape, &strides))) {
                let (shape, values) = &read.tensors["encoder.x"];
                prop_assert_eq!(shape.iter().product::<usize>(), values.len());
                prop_assert!(values.len() <= 24);
            }
        }
    }
}
