//! Tensors as views of storages: checked, found in the file and put into row-major order.

use half::{bf16, f16};

use super::archive::Archive;
use super::file::ReadAt;
use super::pickle::{Pickle, Value};
use super::{MAX_ELEMENTS, MAX_NAME, wrong_tensor};
use crate::error::Result;

/// The most dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;

/// Bytes of a storage that are read at once.
const CHUNK: u64 = 1 << 20;

/// The type of a storage's numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    I64,
}

impl Kind {
    /// Bytes of a number.
    pub(super) fn size(self) -> u64 {
        match self {
            Kind::F16 | Kind::Bf16 => 2,
            Kind::F32 => 4,
            Kind::F64 | Kind::I64 => 8,
        }
    }

    fn decode(self, bytes: &[u8]) -> impl Iterator<Item = f32> {
        bytes.chunks_exact(self.size() as usize).map(move |bytes| {
            let mut number = [0; 8];
            number[..bytes.len()].copy_from_slice(bytes);
            let [a, b, c, d, ..] = number;
            match self {
                Kind::F16 => f16::from_le_bytes([a, b]).to_f32(),
                Kind::Bf16 => bf16::from_le_bytes([a, b]).to_f32(),
                Kind::F32 => f32::from_le_bytes([a, b, c, d]),
                Kind::F64 => f64::from_le_bytes(number) as f32,
                Kind::I64 => i64::from_le_bytes(number) as f32,
            }
        })
    }
}

/// A tensor as a view of a storage; all in elements.
pub(super) struct View<'a> {
    /// Number of the storage.
    storage: &'a str,
    pub(super) kind: Kind,
    start: u64,
    /// From its first element in the storage to behind its last.
    pub(super) span: u64,
    pub(super) axes: Vec<Axis>,
}

/// A dimension of a tensor.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub(super) size: u64,
    /// From one element to the next, in the storage.
    stride: u64,
    /// The same in the row-major result.
    step: u64,
}

impl View<'_> {
    /// The axes that have more than one element, widest stride first; a tensor that is row-major already is one axis.
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

/// Where the element `index` of a view's span belongs in the row-major result, if the view has it.
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
    /// Where a tensor's span begins in the file, bytes.
    pub(super) async fn locate(&self, name: &str, view: &View<'_>) -> Result<u64> {
        let entry = self
            .entry(&format!("data/{}", view.storage))
            .ok_or_else(|| wrong_tensor(name, "its values are missing"))?;
        let size = view.kind.size();
        match view
            .start
            .checked_add(view.span)
            .and_then(|end| end.checked_mul(size))
        {
            Some(end) if end <= entry.size => Ok(self.data(entry).await? + view.start * size),
            _ => Err(wrong_tensor(name, "it goes on beyond its values")),
        }
    }

    /// Reads the values of a tensor whose span begins at `offset`, row-major.
    pub(super) async fn values(&self, offset: u64, view: &View<'_>) -> Result<Vec<f32>> {
        let size = view.kind.size();
        let places = view.places();
        let mut values = vec![0.0; view.axes.iter().map(|axis| axis.size as usize).product()];
        let mut at = 0;
        while at < view.span {
            let count = (view.span - at).min(CHUNK / size);
            let bytes = self.bytes(offset + at * size, count * size).await?;
            for (index, value) in (at..).zip(view.kind.decode(&bytes)) {
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
    /// What a tensor says of itself, checked as far as that goes without its storage. What is wrong is half a sentence.
    pub(super) fn view(&self, tensor: Value<'a>) -> std::result::Result<View<'a>, &'static str> {
        const UNCLEAR: &str = "it is no tensor";
        let Value::Tensor(tensor) = tensor else {
            return Err(UNCLEAR);
        };
        let [
            Value::Storage(storage),
            Value::Int(start),
            Value::Tuple(sizes),
            Value::Tuple(strides),
            ..,
        ] = self.containers[tensor][..]
        else {
            return Err(UNCLEAR);
        };
        let [
            Value::Text("storage"),
            Value::Global(kind),
            Value::Text(storage),
            ..,
        ] = self.containers[storage][..]
        else {
            return Err(UNCLEAR);
        };
        let kind = match self.globals[kind] {
            ("torch", "HalfStorage") => Kind::F16,
            ("torch", "BFloat16Storage") => Kind::Bf16,
            ("torch", "FloatStorage") => Kind::F32,
            ("torch", "DoubleStorage") => Kind::F64,
            ("torch", "LongStorage") => Kind::I64,
            _ => return Err("its numbers are neither floating-point nor int64"),
        };
        let (sizes, strides) = (&self.containers[sizes], &self.containers[strides]);
        if storage.len() > MAX_NAME || sizes.len() != strides.len() || sizes.len() > MAX_DIMENSIONS
        {
            return Err(UNCLEAR);
        }
        let number = |value: &Value| match value {
            Value::Int(value) => u64::try_from(*value).map_err(|_| "it has a negative size"),
            _ => Err(UNCLEAR),
        };

        let mut axes = Vec::with_capacity(sizes.len());
        let mut step = 1_u64; // elements within one of this axis
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
                return Err("it overlaps with itself");
            }
            span = (axis.size - 1)
                .checked_mul(axis.stride)
                .and_then(|width| width.checked_add(span))
                .filter(|&span| span <= MAX_ELEMENTS)
                .ok_or("it is too large")?;
        }
        Ok(View {
            storage,
            kind,
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
    fn strides_and_types_are_followed() {
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
        for (kind, expected) in [
            ("HalfStorage", 1.0585938),
            ("BFloat16Storage", 0.011474609),
            ("FloatStorage", 0.01148897),
            ("DoubleStorage", 1.5306384e-18),
            ("LongStorage", 4.3404104e18),
        ] {
            assert_eq!(
                read(tensor(("1", kind), 1, &[1], &[1])),
                (vec![1], vec![expected]),
                "{kind}"
            );
        }
    }

    #[test]
    fn hostile_tensors_end_in_a_sentence() {
        let pickle = |value: &[u8]| file_of(&program(value));
        let state = |names: usize, tensor: &[u8]| {
            let mut state = [tensor, b"q\x010}("].concat();
            for name in 0..names {
                state.extend([string(&format!("encoder.{name}")), b"h\x01".to_vec()].concat());
            }
            pickle(&[&state[..], b"u"].concat())
        };
        let number = |shape: &[i32], strides: &[i32]| only(tensor(NUMBERS, 0, shape, strides));
        #[rustfmt::skip] // a line a case
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("no tensor", only(int(1)), "encoder.x: it is no tensor"),
            ("a tensor without arguments", only(call("torch._utils", "_rebuild_tensor_v2", &[])), "is no tensor"),
            ("a list as a shape", only([&b"ctorch._utils\n_rebuild_tensor_v2\n(]K\0]]t"[..], b"R"].concat()), "is no tensor"),
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
            ("one number a million times", number(&[1000, 1000], &[0, 0]), "overlaps with itself"),
            ("rows that overlap", number(&[3, 3], &[2, 1]), "overlaps with itself"),
            ("shape without strides", number(&[2, 2], &[1]), "is no tensor"),
            ("nine dimensions", number(&[1; 9], &[1; 9]), "is no tensor"),
            ("a storage often", state(900, &tensor(NUMBERS, 0, &[24], &[1])), "larger than the file"),
            ("many tensors", state(1001, &tensor(NUMBERS, 0, &[1], &[1])), "too many tensors"),
        ];
        for (what, bytes, expected) in cases {
            let message = quickly(&bytes).expect_err(what).to_string();
            assert!(message.contains(expected), "{what}: {message}");
        }
    }

    /// Numbers that a tensor may claim for itself.
    fn claims() -> impl Strategy<Value = Vec<i32>> {
        let number = prop_oneof![0..6_i32, -1..1_i32, Just(24), any::<i32>()];
        proptest::collection::vec(number, 0..5)
    }

    // PROPTEST_CASES=1000000 runs them for longer.
    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn random_tensors_do_no_harm(start in any::<i8>(), shape in claims(), strides in claims()) {
            if let Ok(read) = quickly(&only(tensor(NUMBERS, start.into(), &shape, &strides))) {
                let (shape, values) = &read.tensors["encoder.x"];
                prop_assert_eq!(shape.iter().product::<usize>(), values.len());
                prop_assert!(values.len() <= 24);
            }
        }
    }
}
