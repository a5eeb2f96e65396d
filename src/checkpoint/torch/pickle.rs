//! Interprets a pickle on a stack machine that builds plain values and refers to tensors, and calls nothing in Python.

use std::collections::HashMap;

use super::file::Cursor;
use super::{MAX_NAME, printable, wrong};
use crate::error::{Error, Result};

/// Maximum number of values that a pickle may make (24 bytes each, or 48 for an empty list). The authors' make about 20,000.
const MAX_VALUES: usize = 200_000;

/// A value of the stack machine. Containers are indices into a list of [`Pickle`], so values do not nest.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// None, bytes or an integer of more than 64 bits: the reader does not need them.
    Other,
    List(usize),
    Tuple(usize),
    /// Alternating keys and values.
    Dict(usize),
    /// An object with nothing but attributes, stored like a dict.
    Namespace(usize),
    /// Module and name of something in Python. It is harmless until it is called.
    Global(usize),
    /// Identity of a storage: the tuple ("storage", type, number, device, elements).
    Storage(usize),
    /// Arguments of a tensor for [`Pickle::view`]: the tuple (storage, start, shape, strides, ...).
    Tensor(usize),
}

/// A stack machine and its memory.
pub(super) struct Pickle<'a> {
    rest: Cursor<'a>,
    stack: Vec<Value<'a>>,
    /// Heights of the stack at each open MARK.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    pub(super) containers: Vec<Vec<Value<'a>>>,
    pub(super) globals: Vec<(&'a str, &'a str)>,
    /// Number of values, marks and memo entries so far.
    made: usize,
}

impl<'a> Pickle<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Pickle {
            rest: Cursor(bytes),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            containers: Vec::new(),
            globals: Vec::new(),
            made: 0,
        }
    }

    /// Runs the program. It knows the instructions of protocols 2 to 4 that plain values and tensors need.
    pub(super) fn run(&mut self) -> Result<Value<'a>> {
        loop {
            match self.rest.u8()? {
                // PROTO, FRAME, STOP
                0x80 => self.skip(1)?,
                0x95 => self.skip(8)?,
                b'.' => return self.pop(),

                // NONE, NEWTRUE, NEWFALSE
                b'N' => self.push(Value::Other)?,
                0x88 => self.push(Value::Bool(true))?,
                0x89 => self.push(Value::Bool(false))?,
                // BININT, BININT1, BININT2, LONG1, BINFLOAT
                b'J' => {
                    let number = i32::from_le_bytes(self.rest.array()?);
                    self.push(Value::Int(number.into()))?;
                }
                b'K' => {
                    let number = self.rest.u8()?;
                    self.push(Value::Int(number.into()))?;
                }
                b'M' => {
                    let number = self.rest.u16()?;
                    self.push(Value::Int(number.into()))?;
                }
                0x8a => {
                    let length = self.rest.u8()?;
                    let number = long(self.rest.take(length.into())?);
                    self.push(number)?;
                }
                b'G' => {
                    let number = f64::from_be_bytes(self.rest.array()?);
                    self.push(Value::Float(number))?;
                }
                // BINUNICODE, SHORT_BINUNICODE
                b'X' => {
                    let length = self.rest.u32()?;
                    let text = text(self.rest.take(length as usize)?)?;
                    self.push(Value::Text(text))?;
                }
                0x8c => {
                    let length = self.rest.u8()?;
                    let text = text(self.rest.take(length.into())?)?;
                    self.push(Value::Text(text))?;
                }
                // BINBYTES, SHORT_BINBYTES
                b'B' => {
                    let length = self.rest.u32()?;
                    self.skip(length as usize)?;
                    self.push(Value::Other)?;
                }
                b'C' => {
                    let length = self.rest.u8()?;
                    self.skip(length.into())?;
                    self.push(Value::Other)?;
                }

                // EMPTY_LIST, EMPTY_DICT
                b']' => {
                    let list = self.new_container(Vec::new());
                    self.push(Value::List(list))?;
                }
                b'}' => {
                    let dict = self.new_container(Vec::new());
                    self.push(Value::Dict(dict))?;
                }
                // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
                b')' => self.push_tuple(Vec::new())?,
                0x85 => {
                    let items = vec![self.pop()?];
                    self.push_tuple(items)?;
                }
                0x86 => {
                    let (second, first) = (self.pop()?, self.pop()?);
                    self.push_tuple(vec![first, second])?;
                }
                0x87 => {
                    let (third, second, first) = (self.pop()?, self.pop()?, self.pop()?);
                    self.push_tuple(vec![first, second, third])?;
                }
                b't' => {
                    let items = self.pop_marked()?;
                    self.push_tuple(items)?;
                }
                // APPEND, APPENDS
                b'a' => {
                    let item = self.pop()?;
                    self.append(&[item])?;
                }
                b'e' => {
                    let items = self.pop_marked()?;
                    self.append(&items)?;
                }
                // SETITEM, SETITEMS
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_marked()?;
                    self.set(&items)?;
                }

                // MARK, POP, POP_MARK
                b'(' => {
                    self.marks.push(self.stack.len());
                    self.count()?;
                }
                b'0' => _ = self.pop()?,
                b'1' => _ = self.pop_marked()?,
                // BINPUT, LONG_BINPUT, MEMOIZE
                b'q' => {
                    let place = self.rest.u8()?;
                    self.memoize(place.into())?;
                }
                b'r' => {
                    let place = self.rest.u32()?;
                    self.memoize(place)?;
                }
                0x94 => self.memoize(self.memo.len() as u32)?,
                // BINGET, LONG_BINGET
                b'h' => {
                    let place = self.rest.u8()?;
                    self.recall(place.into())?;
                }
                b'j' => {
                    let place = self.rest.u32()?;
                    self.recall(place)?;
                }

                // GLOBAL, STACK_GLOBAL
                b'c' => {
                    let (module, name) = (text(self.rest.line()?)?, text(self.rest.line()?)?);
                    self.push_global(module, name)?;
                }
                0x93 => {
                    let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?)
                    else {
                        return Err(malformed());
                    };
                    self.push_global(module, name)?;
                }
                // REDUCE and NEWOBJ: a call and a construction
                b'R' | 0x81 => {
                    let (Value::Tuple(arguments), Value::Global(callee)) =
                        (self.pop()?, self.pop()?)
                    else {
                        return Err(malformed());
                    };
                    let value = self.call(callee, arguments)?;
                    self.push(value)?;
                }
                // BUILD
                b'b' => {
                    let state = self.pop()?;
                    self.build(state)?;
                }
                // BINPERSID
                b'Q' => {
                    let Value::Tuple(id) = self.pop()? else {
                        return Err(malformed());
                    };
                    self.push(Value::Storage(id))?;
                }
                code => {
                    return Err(wrong(format!(
                        "it contains an instruction (0x{code:02x}) that a model does not need"
                    )));
                }
            }
        }
    }

    /// Carries out one of the allowed calls, each of which only makes a value, and rejects all others.
    fn call(&mut self, callee: usize, arguments: usize) -> Result<Value<'a>> {
        let (module, name) = self.globals[callee];
        match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Value::Tensor(arguments)),
            // (tensor, requires_grad, hooks), and (elements)
            ("torch._utils", "_rebuild_parameter") | ("torch", "Size") => {
                let first = self.containers[arguments].first();
                first.copied().ok_or_else(malformed)
            }
            (
                "pytorch_lightning.utilities.parsing"
                | "lightning.pytorch.utilities.parsing"
                | "lightning_fabric.utilities.data"
                | "lightning.fabric.utilities.data",
                "AttributeDict",
            )
            | ("collections", "OrderedDict")
                if self.containers[arguments].is_empty() =>
            {
                Ok(Value::Dict(self.new_container(Vec::new())))
            }
            ("argparse", "Namespace") if self.containers[arguments].is_empty() => {
                Ok(Value::Namespace(self.new_container(Vec::new())))
            }
            _ => Err(Error::Model(format!(
                "This checkpoint calls {}.{}, which a model does not need. Nothing was run.",
                printable(module),
                printable(name)
            ))),
        }
    }

    /// Sets the attributes of the value on top.
    fn build(&mut self, state: Value<'a>) -> Result<()> {
        match (self.stack.last(), state) {
            (Some(&Value::Namespace(object)), Value::Dict(state)) => {
                self.containers[object] = std::mem::take(&mut self.containers[state]);
                Ok(())
            }
            // A state_dict has an attribute `_metadata`, which the reader does not need.
            (Some(Value::Dict(_)), _) => Ok(()),
            _ => Err(malformed()),
        }
    }

    fn count(&mut self) -> Result<()> {
        self.made += 1;
        if self.made > MAX_VALUES {
            return Err(wrong("it contains too many values"));
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) -> Result<()> {
        self.rest.take(bytes).map(|_| ())
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        self.stack.push(value);
        self.count()
    }

    fn push_tuple(&mut self, items: Vec<Value<'a>>) -> Result<()> {
        let tuple = self.new_container(items);
        self.push(Value::Tuple(tuple))
    }

    fn push_global(&mut self, module: &'a str, name: &'a str) -> Result<()> {
        self.globals.push((module, name));
        self.push(Value::Global(self.globals.len() - 1))
    }

    fn new_container(&mut self, items: Vec<Value<'a>>) -> usize {
        self.containers.push(items);
        self.containers.len() - 1
    }

    /// Pops the value on top, which must be above the last mark.
    fn pop(&mut self) -> Result<Value<'a>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(malformed());
        }
        self.stack.pop().ok_or_else(malformed)
    }

    /// Pops all values above the last mark, and the mark.
    fn pop_marked(&mut self) -> Result<Vec<Value<'a>>> {
        let mark = self.marks.pop().ok_or_else(malformed)?;
        Ok(self.stack.drain(mark..).collect()) // without spare capacity, unlike `split_off(0)`
    }

    fn append(&mut self, items: &[Value<'a>]) -> Result<()> {
        let Some(&Value::List(list)) = self.stack.last() else {
            return Err(malformed());
        };
        self.containers[list].extend(items);
        Ok(())
    }

    fn set(&mut self, items: &[Value<'a>]) -> Result<()> {
        match self.stack.last() {
            Some(&Value::Dict(dict)) if items.len().is_multiple_of(2) => {
                self.containers[dict].extend(items);
                Ok(())
            }
            _ => Err(malformed()),
        }
    }

    fn memoize(&mut self, place: u32) -> Result<()> {
        let value = *self.stack.last().ok_or_else(malformed)?;
        self.memo.insert(place, value);
        self.count()
    }

    fn recall(&mut self, place: u32) -> Result<()> {
        let value = *self.memo.get(&place).ok_or_else(malformed)?;
        self.push(value)
    }

    /// Returns the entries of a dict whose keys are strings, in order, without those that are too long for a name.
    pub(super) fn named(&self, dict: Value<'a>) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let items: &[Value] = match dict {
            Value::Dict(items) | Value::Namespace(items) => &self.containers[items],
            _ => &[],
        };
        items.chunks_exact(2).filter_map(|pair| match *pair {
            [Value::Text(name), value] if name.len() <= MAX_NAME => Some((name, value)),
            _ => None,
        })
    }

    /// Returns the last entry of a dict under a key.
    pub(super) fn get(&self, dict: Value<'a>, key: &str) -> Option<Value<'a>> {
        self.named(dict)
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value)
            .last()
    }
}

/// Decodes an integer of any length, two's complement.
fn long<'a>(bytes: &[u8]) -> Value<'a> {
    if bytes.len() > 8 {
        return Value::Other;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut number = [if negative { 0xff } else { 0 }; 8];
    number[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(number))
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| malformed())
}

fn malformed() -> Error {
    wrong("its pickle (data.pkl) is malformed")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::samples::*;
    use super::*;

    #[test]
    fn run_rejects_other_calls_by_name() {
        let shell = [string("posix"), string("system"), b"\x93".to_vec()].concat();
        let class = global("torch._utils", "_rebuild_tensor_v3");
        for (value, name) in [
            (call("os", "system", &[string("true")]), "os.system"),
            ([&shell[..], b")R"].concat(), "posix.system"),
            (
                call("builtins", "getattr", &[string("a")]),
                "builtins.getattr",
            ),
            (
                [&class[..], b")\x81"].concat(),
                "torch._utils._rebuild_tensor_v3",
            ),
            (
                call("collections", "OrderedDict", &[int(1)]),
                "collections.OrderedDict",
            ),
            (
                call("torch\u{1b}[2J", &"x".repeat(999), &[]),
                "\\u{1b}[2J.xx",
            ),
        ] {
            // It is rejected anywhere in the file.
            let value = dict(&[("encoder.x", tensor(NUMBERS, 0, &[1], &[1])), ("b", value)]);
            let message = quickly(&file_of(&program(&value)))
                .expect_err(name)
                .to_string();
            let expected = "which a model does not need. Nothing was run.";
            assert!(
                message.contains(name) && message.ends_with(expected),
                "{message}"
            );
            assert!(message.len() < 300, "{message}");
        }
        // A name alone is harmless as long as it is not called.
        let name = dict(&[
            ("encoder.x", tensor(NUMBERS, 0, &[1], &[1])),
            ("b", global("os", "system")),
        ]);
        quickly(&file_of(&program(&name))).expect("reads");
    }

    #[test]
    fn run_rejects_hostile_pickles() {
        let pickle = |value: &[u8]| file_of(&program(value));
        let many = b"]".repeat(MAX_VALUES + 1);
        // Each list holds the previous one twice: walking it would visit 2^20000 elements.
        let doubling = [&b"]q\0"[..], &b"](h\0h\0eq\0".repeat(20_000)].concat();
        // The stack grows large once, and is then emptied from the bottom many times.
        let large_then_small = [
            &b"("[..],
            &b"K\0".repeat(90_000),
            b"1",
            &b"(t0".repeat(50_000),
        ]
        .concat();
        #[rustfmt::skip] // one line per case
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("a huge pickle", file_of(&vec![b'N'; (4 << 20) + 1]), "too long"),
            ("an empty pickle", file_of(b""), "ends unexpectedly"),
            ("nothing", pickle(b""), "is malformed"),
            ("no model", pickle(b"}"), "does not contain an AutoLink model"),
            ("a number", pickle(b"K\0"), "does not contain an AutoLink model"),
            ("deep lists", pickle(&[b"]".repeat(99_000), b"a".repeat(98_999)].concat()), "does not contain an AutoLink model"),
            ("deep tuples", pickle(&[&b")"[..], &b"\x85".repeat(190_000)].concat()), "does not contain an AutoLink model"),
            ("a list in itself", pickle(b"]q\0h\0a"), "does not contain an AutoLink model"),
            ("a dict in itself", pickle(b"}q\0X\x0a\0\0\0state_dicth\0s"), "does not contain an AutoLink model"),
            ("doubling", pickle(&doubling), "does not contain an AutoLink model"),
            ("large, then small", pickle(&large_then_small), "is malformed"),
            ("many values", pickle(&many), "too many values"),
            ("many marks", pickle(&b"(".repeat(4_000_000)), "too many values"),
            ("many memories", pickle(&[&b"N"[..], &b"q\0".repeat(MAX_VALUES)].concat()), "too many values"),
            ("the memo's end", pickle(b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff"), "does not contain an AutoLink model"),
            ("memories of nothing", pickle(b"h\x07"), "is malformed"),
            ("a long text", pickle(b"X\xff\xff\xff\xffabc"), "ends unexpectedly"),
            ("bytes", pickle(b"B\xff\xff\xff\xffabc"), "ends unexpectedly"),
            ("a name without end", file_of(b"cos"), "ends unexpectedly"),
            ("no text", pickle(b"X\x01\0\0\0\xff"), "is malformed"),
            ("an unknown instruction", pickle(b"ios\nsystem\n"), "0x69"),
            ("below the stack", pickle(b"0"), "is malformed"),
            ("below the mark", pickle(b"N(0"), "is malformed"),
            ("without a mark", pickle(b"Nt"), "is malformed"),
            ("a call of what was called", pickle(b"ccollections\nOrderedDict\n)R)R"), "is malformed"),
            ("a call without a tensor", pickle(b"ctorch._utils\n_rebuild_parameter\n)R"), "is malformed"),
            ("attributes for a tensor", pickle(&[tensor(NUMBERS, 0, &[1], &[1]), b"}b".to_vec()].concat()), "is malformed"),
            ("half an entry", pickle(b"}(Nu"), "is malformed"),
        ];
        for (what, bytes, expected) in cases {
            let message = quickly(&bytes).expect_err(what).to_string();
            assert!(message.contains(expected), "{what}: {message}");
        }
    }

    /// Pieces of pickles, so that many random programs run for a while.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let simple = b"N()]}t\x85\x86\x87aesu01R\x81bQ\x93\x94".map(|code| vec![code]);
        let others = [
            b"q\0".to_vec(),
            b"q\x01".to_vec(),
            b"h\0".to_vec(),
            b"h\x01".to_vec(),
            b"K\x03".to_vec(),
            int(-1),
            int(i32::MAX),
            b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(),
            string("storage"),
            string("0"),
            string("state_dict"),
            string("hyper_parameters"),
            string("encoder.x"),
            global("torch", "FloatStorage"),
            global("torch", "Size"),
            global("torch._utils", "_rebuild_tensor_v2"),
            global("torch._utils", "_rebuild_parameter"),
            global("collections", "OrderedDict"),
            global("argparse", "Namespace"),
            tensor(NUMBERS, 1, &[2, 3], &[3, 1]),
            dict(&[("encoder.x", tensor(NUMBERS, 1, &[2, 3], &[1, 2]))]),
        ];
        let pieces = [&simple[..], &others].concat();
        let pieces = proptest::sample::select(pieces);
        proptest::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
    }

    // PROPTEST_CASES=1000000 runs these for longer.
    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn run_survives_random_programs(pieces in pieces()) {
            let _ = quickly(&file_of(&program(&pieces)));
        }
    }
}
