//! Random values, written as marshal data by hand: what an image gives back is what `marshal.load` gives.
//!
//! `CDS_TESTS_SEED` repeats a run; failures print it, and the smallest values that fail.

use std::fs;

use anyhow::{Context, Result, anyhow, ensure};
use cds_layout::cpython::layout;
use cds_tests::environments::Environment;
use cds_tests::files::write;
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::suite::on_each;
use cds_tests::tools::tools;
use cds_tests::{comparison, fixtures};
use libtest_mimic::Trial;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    on_each(interpreters, "properties", &[("named_objects", named_objects)])
}

/// Images per interpreter, and values per image.
const IMAGES: u32 = 8;
const VALUES: usize = 40;

/// A value, or something about how it is written.
#[derive(Debug, Clone)]
enum Value {
    Singleton(u8),
    /// Sign and 15-bit digits, the lowest first.
    Int(bool, Vec<u16>),
    Float(u64),
    Complex(u64, u64),
    Bytes(Vec<u8>),
    /// Code points, and whether they are marked as interned.
    Str(Vec<u32>, bool),
    Tuple(Vec<Value>),
    /// Start, stop and step; marshal data of CPython 3.14+ can hold it.
    Slice(Box<[Value; 3]>),
    FrozenSet(Vec<Value>),
    List(Vec<Value>),
    Set(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// A value inside so many tuples (or lists) of one item.
    Deep(bool, u16, Box<Value>),
    /// One of the objects that were written so far, once more.
    Again(usize),
}

/// A number as sign and digits.
fn int(value: i128) -> Value {
    let mut rest = value.unsigned_abs();
    let mut digits = Vec::new();
    while rest != 0 {
        digits.push((rest & 0x7fff) as u16);
        rest >>= 15;
    }
    Value::Int(value < 0, digits)
}

fn ints() -> impl Strategy<Value = Value> {
    let boundary = (0u32..4, -2i128..=2, any::<bool>()).prop_map(|(digits, off, negative)| {
        let magnitude = (1i128 << (30 * digits)) + off;
        int(if negative { -magnitude } else { magnitude })
    });
    let huge = (any::<bool>(), vec(0u16..0x8000, 3..60), 1u16..0x8000).prop_map(|(negative, mut digits, last)| {
        digits.push(last);
        Value::Int(negative, digits)
    });
    prop_oneof![(-300i128..300).prop_map(int), any::<i32>().prop_map(|v| int(v.into())), boundary, huge]
}

/// Bits of floats; NaNs only where nothing is hashed, because they hash by address.
fn floats(nan: bool) -> impl Strategy<Value = u64> {
    let known = [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, f64::MAX, 256.0];
    let quiet = |bits: u64| if f64::from_bits(bits).is_nan() { 0x3ff8_0000_0000_0000 } else { bits };
    let nans = any::<u64>().prop_map(|bits| bits | 0x7ff8_0000_0000_0000);
    let other = any::<u64>().prop_map(quiet);
    prop_oneof![
        3 => proptest::sample::select(known.map(f64::to_bits).to_vec()),
        2 => other,
        u32::from(nan) => nans,
    ]
}

fn strings() -> impl Strategy<Value = Value> {
    let point = prop_oneof![
        4 => 0x20u32..0x7f,
        1 => Just(0),
        1 => 0x80u32..0x100,
        1 => 0x100u32..0xd800,
        1 => 0xd800u32..0xe000,
        1 => 0x10000u32..0x11_0000,
    ];
    let text = prop_oneof![
        3 => vec(point, 0..6),
        2 => vec(0x20u32..0x7f, 0..4),
        1 => vec(0x61u32..0x7b, 250..300),
        1 => proptest::sample::select(vec!["", "a", "é", "ab", "self", "__name__", "a b"])
            .prop_map(|text| text.chars().map(u32::from).collect()),
    ];
    (text, any::<bool>()).prop_map(|(points, interned)| Value::Str(points, interned))
}

fn leaves(nan: bool) -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => (0u8..4).prop_map(Value::Singleton),
        3 => ints(),
        2 => floats(nan).prop_map(Value::Float),
        1 => (floats(nan), floats(nan)).prop_map(|(re, im)| Value::Complex(re, im)),
        2 => vec(any::<u8>(), 0..5).prop_map(Value::Bytes),
        4 => strings(),
        3 => any::<usize>().prop_map(Value::Again),
    ]
}

/// What can be an item of a set.
fn hashable(slices: bool) -> BoxedStrategy<Value> {
    let nest = move |inner: BoxedStrategy<Value>| {
        prop_oneof![
            1 => vec(inner.clone(), 0..5).prop_map(Value::Tuple),
            u32::from(slices) => slice(inner.clone()),
            1 => vec(inner.clone(), 0..5).prop_map(Value::FrozenSet),
            1 => (1u16..40, inner).prop_map(|(levels, inner)| Value::Deep(false, levels, Box::new(inner))),
        ]
    };
    leaves(false).prop_recursive(3, 16, 5, nest).boxed()
}

fn slice(parts: BoxedStrategy<Value>) -> impl Strategy<Value = Value> {
    [parts.clone(), parts.clone(), parts].prop_map(|parts| Value::Slice(Box::new(parts)))
}

/// Anything that marshal data holds, with slices or without.
fn values(slices: bool) -> BoxedStrategy<Value> {
    let nest = move |inner: BoxedStrategy<Value>| {
        prop_oneof![
            3 => vec(inner.clone(), 0..6).prop_map(Value::Tuple),
            u32::from(slices) => slice(inner.clone()),
            3 => vec(inner.clone(), 0..6).prop_map(Value::List),
            1 => vec(hashable(slices), 0..6).prop_map(Value::Set),
            2 => vec((hashable(slices), inner.clone()), 0..5).prop_map(Value::Dict),
            1 => (any::<bool>(), 1u16..300, inner).prop_map(|(list, n, inner)| Value::Deep(list, n, Box::new(inner))),
            1 => vec(leaves(true), 100..400).prop_map(Value::Tuple),
        ]
    };
    prop_oneof![1 => hashable(slices), 1 => leaves(true), 4 => leaves(true).prop_recursive(4, 48, 6, nest)].boxed()
}

/// What marshal data was written, and the objects in it that have numbers.
#[derive(Default)]
struct Marshal {
    bytes: Vec<u8>,
    objects: usize,
    /// By number: whether the object is complete and can be hashed, without NaNs in it.
    numbered: Vec<Option<bool>>,
}

impl Marshal {
    /// A type code; most objects get a number. Returns it.
    fn code(&mut self, code: u8) -> Option<usize> {
        self.objects += 1;
        let flagged = !self.objects.is_multiple_of(3);
        self.bytes.push(if flagged { code | 0x80 } else { code });
        flagged.then(|| {
            self.numbered.push(None);
            self.numbered.len() - 1
        })
    }

    fn size(&mut self, size: usize) {
        self.bytes.extend_from_slice(&(size as i32).to_le_bytes());
    }

    /// A container with its items; whether it can be hashed.
    fn container(&mut self, code: u8, items: &[Value], hashed: bool) -> bool {
        let number = if code == b'(' && items.len() < 256 && items.len().is_multiple_of(2) {
            let number = self.code(b')');
            self.bytes.push(items.len() as u8);
            number
        } else {
            let number = self.code(code);
            self.size(items.len());
            number
        };
        let items_hashed = hashed || matches!(code, b'<' | b'>');
        let hashable = items.iter().fold(true, |all, item| self.value(item, items_hashed) & all);
        self.done(number, hashable && matches!(code, b'(' | b'>'))
    }

    fn done(&mut self, number: Option<usize>, hashable: bool) -> bool {
        if let Some(number) = number {
            self.numbered[number] = Some(hashable);
        }
        hashable
    }

    /// Writes a value; whether it can be hashed. If it is going to be hashed it must be.
    fn value(&mut self, value: &Value, hashed: bool) -> bool {
        match value {
            Value::Singleton(which) => {
                self.bytes.push(b"NTF."[usize::from(*which)]);
                true
            }
            Value::Int(negative, digits) => {
                let magnitude = digits.iter().rev().take(4).fold(0i64, |all, &digit| all << 15 | i64::from(digit));
                let value = if *negative { -magnitude } else { magnitude };
                let number = match i32::try_from(value) {
                    Ok(small) if digits.len() < 4 => {
                        let number = self.code(b'i');
                        self.size(small as usize);
                        number
                    }
                    _ => {
                        let number = self.code(b'l');
                        let count = digits.len() as i32;
                        self.bytes.extend_from_slice(&(if *negative { -count } else { count }).to_le_bytes());
                        digits.iter().for_each(|digit| self.bytes.extend_from_slice(&digit.to_le_bytes()));
                        number
                    }
                };
                self.done(number, true)
            }
            Value::Float(bits) => {
                let number = self.code(b'g');
                self.bytes.extend_from_slice(&bits.to_le_bytes());
                self.done(number, !f64::from_bits(*bits).is_nan())
            }
            Value::Complex(re, im) => {
                let number = self.code(b'y');
                self.bytes.extend_from_slice(&re.to_le_bytes());
                self.bytes.extend_from_slice(&im.to_le_bytes());
                self.done(number, !f64::from_bits(*re).is_nan() && !f64::from_bits(*im).is_nan())
            }
            Value::Bytes(bytes) => {
                let number = self.code(b's');
                self.size(bytes.len());
                self.bytes.extend_from_slice(bytes);
                self.done(number, true)
            }
            Value::Str(points, interned) => {
                let text: Vec<u8> = points.iter().flat_map(|&point| utf8(point)).collect();
                let number = if points.iter().any(|&point| point >= 0x80) {
                    let number = self.code(if *interned { b't' } else { b'u' });
                    self.size(text.len());
                    number
                } else if text.len() < 256 {
                    let number = self.code(if *interned { b'Z' } else { b'z' });
                    self.bytes.push(text.len() as u8);
                    number
                } else {
                    let number = self.code(if *interned { b'A' } else { b'a' });
                    self.size(text.len());
                    number
                };
                self.bytes.extend_from_slice(&text);
                self.done(number, true)
            }
            Value::Tuple(items) => self.container(b'(', items, hashed),
            Value::Slice(parts) => {
                let number = self.code(b':');
                let hashable = parts.iter().fold(true, |all, part| self.value(part, hashed) & all);
                self.done(number, hashable)
            }
            Value::FrozenSet(items) => self.container(b'>', items, hashed),
            Value::List(items) => self.container(b'[', items, false),
            Value::Set(items) => self.container(b'<', items, true),
            Value::Dict(pairs) => {
                let number = self.code(b'{');
                for (key, value) in pairs {
                    self.value(key, true);
                    self.value(value, false);
                }
                self.bytes.push(b'0');
                self.done(number, false)
            }
            Value::Deep(list, levels, inner) => {
                let mut numbers = Vec::new();
                for _ in 0..*levels {
                    numbers.push(self.code(if *list { b'[' } else { b'(' }));
                    self.size(1);
                }
                let hashable = self.value(inner, hashed) && !list;
                numbers.into_iter().rev().fold(hashable, |hashable, number| self.done(number, hashable))
            }
            Value::Again(which) => {
                let usable = |number: &usize| match self.numbered[*number] {
                    Some(hashable) => hashable || !hashed,
                    None => false,
                };
                let usable: Vec<usize> = (0..self.numbered.len()).filter(usable).collect();
                if usable.is_empty() {
                    self.bytes.push(b'N');
                    return true;
                }
                let number = usable[which % usable.len()];
                self.bytes.push(b'r');
                self.size(number);
                self.numbered[number] == Some(true)
            }
        }
    }
}

/// A code point as UTF-8, surrogates included.
fn utf8(point: u32) -> Vec<u8> {
    let tail = |shift: u32| 0x80 | (point >> shift & 0x3f) as u8;
    match point {
        0..0x80 => vec![point as u8],
        0x80..0x800 => vec![0xc0 | (point >> 6) as u8, tail(0)],
        0x800..0x1_0000 => vec![0xe0 | (point >> 12) as u8, tail(6), tail(0)],
        _ => vec![0xf0 | (point >> 18) as u8, tail(12), tail(6), tail(0)],
    }
}

fn seed() -> Result<u64> {
    match std::env::var("CDS_TESTS_SEED") {
        Ok(text) => text.parse().context("`CDS_TESTS_SEED` is not a number"),
        Err(_) => Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos() as u64),
    }
}

fn named_objects(python: &Interpreter) -> Result<()> {
    let environment = Environment::small(python)?;
    let profile = environment.scratch.join("profile.json");
    let first = environment.scratch.join("first.marshal");
    write(&first, "N")?;
    let probe = environment.build(&environment.scratch.join("first.so"))?.arg("--save-target-profile").arg(&profile);
    probe.arg("--object").arg(format!("first={}", first.display())).ok()?;

    let slices = layout(python.minor).context("no layout")?.slice.is_some();
    let seed = seed()?;
    let bytes: Vec<u8> = seed.to_le_bytes().repeat(4);
    let config = Config { cases: IMAGES, failure_persistence: None, max_shrink_iters: 150, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let compared = std::cell::Cell::new(0);
    let result = runner.run(&vec(values(slices), 1..=VALUES), |values| {
        let difference = compare(&environment, &values).map_err(|e| TestCaseError::fail(format!("{e:#}")))?;
        compared.set(compared.get() + values.len());
        difference.map_or(Ok(()), |difference| Err(TestCaseError::fail(difference)))
    });
    result.map_err(|e| anyhow!("CDS_TESTS_SEED={seed}: {e}"))?;
    ensure!(compared.get() >= IMAGES as usize, "CDS_TESTS_SEED={seed}: only {} values compared", compared.get());
    Ok(())
}

/// Builds an image of the values and compares it; the differences, if there are any.
fn compare(environment: &Environment, values: &[Value]) -> Result<Option<String>> {
    let directory = environment.scratch.join("random");
    let image = environment.scratch.join("random.so");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory)?;
    let profile = environment.scratch.join("profile.json");
    let mut build = tools()?.cds_build().arg("--out").arg(&image).arg("--target-profile").arg(profile);
    for (number, value) in values.iter().enumerate() {
        let mut data = Marshal::default();
        data.value(value, false);
        let file = directory.join(format!("{number}.marshal"));
        write(&file, &data.bytes)?;
        build = build.arg("--object").arg(format!("{number}={}", file.display()));
    }
    build.ok()?;
    let run = environment.python().env("PYCDSMODE", "OFF").args(["-W", "error"]);
    let run = run.arg(fixtures().join("objects/compare.py")).arg(&image).arg(&directory).arg(comparison());
    let output = run.ok()?.silent()?;
    let good = format!("{} objects, 0 differences\n", values.len());
    Ok((output.stdout != good).then_some(output.stdout))
}
