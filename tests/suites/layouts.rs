//! Every layout row against the headers of every interpreter that has them: a C program prints what the compiler thinks.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result, bail, ensure};
use cds_layout::cpython::{CodeSource, Layout, LongTag, TYPE_VERSION_TAG, layout};
use cds_tests::interpreters::{Interpreter, Interpreters};
use cds_tests::process::{Run, which};
use cds_tests::{files, fixtures, suite};
use libtest_mimic::Trial;

pub fn trials(interpreters: &Interpreters) -> Vec<Trial> {
    let mut trials = Vec::new();
    for python in &interpreters.tested {
        let internal = python.headers.join("internal/pycore_code.h");
        let missing = if !internal.is_file() {
            Some("no internal headers")
        } else if which("cc").is_none() {
            Some("no C compiler")
        } else {
            None
        };
        if let Some(reason) = missing {
            suite::skipped(&format!("layouts::headers::{}", python.label), reason);
        }
        let (title, python) = (format!("layouts::headers::{}", python.label), python.clone());
        let trial = suite::trial(title, move || headers(&python));
        trials.push(trial.with_ignored_flag(missing.is_some()));
    }
    trials
}

/// One fact: its name in reports, the C expression, the value in the table.
struct Row {
    name: String,
    expression: String,
    expected: u64,
}

/// The rows of a layout, and the C statements that compute values which no expression has.
#[derive(Default)]
struct Rows {
    rows: Vec<Row>,
    statements: String,
}

impl Rows {
    fn add(&mut self, name: impl Into<String>, expression: impl Into<String>, expected: impl Into<u64>) {
        self.rows.push(Row { name: name.into(), expression: expression.into(), expected: expected.into() });
    }

    fn offset(&mut self, structure: &str, field: &str, expected: u32) {
        self.add(format!("{structure}.{field}"), format!("offsetof({structure}, {field})"), expected);
    }

    fn size(&mut self, what: &str, expected: u32) {
        self.add(format!("sizeof {what}"), format!("sizeof({what})"), expected);
    }

    /// The state word of a string in which only `field` is set, to `value`.
    fn state(&mut self, field: &str, value: u32, expected: u32) {
        let variable = format!("state_{field}_{value}");
        writeln!(self.statements, "    PROBE_STATE({variable}, {field}, {value});").expect("into a string");
        self.add(format!("state.{field} = {value}"), variable, expected);
    }
}

fn rows(layout: &Layout) -> Rows {
    let mut r = Rows::default();
    let head = &layout.head;
    r.offset("PyObject", "ob_refcnt", head.refcnt);
    r.offset("PyObject", "ob_type", head.type_);
    r.offset("PyVarObject", "ob_size", head.size);
    r.size("PyGC_Head", head.gc_head);
    r.size("PyObject", head.object_size);
    if layout.refcount.immortal {
        r.add("ob_refcnt of static objects", "STATIC_REFCNT", layout.refcount.initial);
    }

    let text = &layout.str_;
    r.offset("PyASCIIObject", "length", text.length);
    r.offset("PyASCIIObject", "hash", text.hash);
    r.offset("PyASCIIObject", "state", text.state);
    r.size("PyASCIIObject", text.ascii_data);
    r.size("PyCompactUnicodeObject", text.compact_data);
    if let Some((wstr, length)) = text.wstr {
        r.offset("PyASCIIObject", "wstr", wstr);
        r.offset("PyCompactUnicodeObject", "wstr_length", length);
    }
    let bits = &text.bits;
    r.state("interned", 3, bits.interned_mask);
    for kind in [1, 2, 4] {
        r.state("kind", kind, kind << bits.kind_shift);
    }
    r.state("compact", 1, bits.compact);
    r.state("ascii", 1, bits.ascii);
    if bits.ready != 0 {
        r.state("ready", 1, bits.ready);
    }
    if bits.statically_allocated != 0 {
        r.state("statically_allocated", 1, bits.statically_allocated);
    }

    let (tag, digits) = match layout.long.tag {
        LongTag::SignedSize => ("ob_base.ob_size", "ob_digit"),
        LongTag::SignBits => ("long_value.lv_tag", "long_value.ob_digit"),
    };
    r.offset("PyLongObject", tag, layout.long.tag_offset);
    r.offset("PyLongObject", digits, layout.long.digits);
    r.add("PyLong_SHIFT", "PyLong_SHIFT", layout.long.digit_bits);
    r.size("digit", layout.long.digit_size);
    if layout.long.tag == LongTag::SignBits {
        // digits << 3 | sign, sign 0 positive, 2 negative: `Include/internal/pycore_long.h`.
        r.add("NON_SIZE_BITS", "NON_SIZE_BITS", 3u64);
        r.add("SIGN_NEGATIVE", "SIGN_NEGATIVE", 2u64);
        r.add("SIGN_ZERO", "SIGN_ZERO", 1u64);
    }
    r.add("_PY_NSMALLNEGINTS", "_PY_NSMALLNEGINTS", layout.small_ints.0.unsigned_abs());
    r.add("_PY_NSMALLPOSINTS", "_PY_NSMALLPOSINTS", layout.small_ints.1.unsigned_abs() + 1);

    r.offset("PyTupleObject", "ob_item", layout.tuple_items);
    r.offset("PyTypeObject", "tp_version_tag", TYPE_VERSION_TAG);
    if let Some(hash) = layout.tuple_hash {
        r.offset("PyTupleObject", "ob_hash", hash);
    }
    if let Some(slice) = layout.slice {
        r.offset("PySliceObject", "start", slice.start);
        r.offset("PySliceObject", "stop", slice.stop);
        r.offset("PySliceObject", "step", slice.step);
        r.size("PySliceObject", slice.step + 8);
    }
    r.offset("PyBytesObject", "ob_shash", layout.bytes_hash);
    r.offset("PyBytesObject", "ob_sval", layout.bytes_data);
    r.offset("PyFloatObject", "ob_fval", layout.float_value);
    r.offset("PyComplexObject", "cval.real", layout.complex_value);
    r.offset("PyComplexObject", "cval.imag", layout.complex_value + 8);
    code_rows(layout, &mut r);
    r
}

fn code_rows(layout: &Layout, r: &mut Rows) {
    let code = &layout.code;
    for field in code.fields {
        r.offset("PyCodeObject", field.name, field.offset);
        let member = format!("((PyCodeObject *)0)->{}", field.name);
        r.add(format!("sizeof {}", field.name), format!("sizeof({member})"), field.repr.size());
    }
    r.offset("PyCodeObject", "co_code_adaptive", code.bytecode);
    r.size("_Py_CODEUNIT", 2);
    if code.fields.iter().any(|f| f.source == CodeSource::FrameSize) {
        r.add("FRAME_SPECIALS_SIZE", "FRAME_SPECIALS_SIZE", code.frame_specials);
    }
    r.add("CO_FAST_LOCAL", "CO_FAST_LOCAL", code.fast_kind.local);
    r.add("CO_FAST_CELL", "CO_FAST_CELL", code.fast_kind.cell);
    r.add("CO_FAST_FREE", "CO_FAST_FREE", code.fast_kind.free);
    for field in code.fields {
        if let (CodeSource::Constant(value), "co_warmup") = (field.source, field.name) {
            r.add("co_warmup", "(unsigned short)(short)QUICKENING_INITIAL_WARMUP_VALUE", value as i16 as u16);
        }
    }
}

/// Bytes of a structure that no row covers must be padding: otherwise the builder would leave a field zero unknowingly.
fn gaps(layout: &Layout) -> Result<()> {
    let mut at = layout.head.size + 8;
    for field in layout.code.fields {
        let padding = field.offset.checked_sub(at).with_context(|| format!("`{}` overlaps", field.name))?;
        ensure!(padding < field.repr.size(), "an unknown field of {} bytes lies before `{}`", padding, field.name);
        at = field.offset + field.repr.size();
    }
    ensure!(layout.code.bytecode == at, "an unknown field lies before `co_code_adaptive`");
    Ok(())
}

fn headers(python: &Interpreter) -> Result<()> {
    let layout = layout(python.minor).context("no layout")?;
    gaps(layout)?;
    let rows = rows(layout);
    let template = String::from_utf8(files::read(fixtures().join("probe/layout.c"))?)?;
    let mut prints = rows.statements;
    for row in &rows.rows {
        writeln!(prints, "    PROBE({:?}, {});", row.name, row.expression)?;
    }
    let directory = tempfile::tempdir()?;
    let source = directory.path().join("layout.c");
    files::write(&source, template.replace("    /* ROWS */\n", &prints))?;
    let program = directory.path().join("layout");
    let include = python.headers.as_os_str();
    let compile = Run::new("cc").args(["-std=c11", "-I"]).arg(include).arg("-I").arg(python.headers.join("internal"));
    compile.arg("-o").arg(&program).arg(&source).ok()?;
    let output = Run::new(&program).ok()?;

    let mut values = BTreeMap::new();
    for line in output.stdout.lines() {
        let (name, value) = line.split_once('\t').with_context(|| format!("odd line {line:?}"))?;
        values.insert(name.to_owned(), value.parse::<u64>()?);
    }
    let version = values.remove("PY_VERSION_HEX").context("the probe prints no version")?;
    ensure!(version >> 16 == 0x300 + u64::from(python.minor), "the headers are of version {version:#x}");
    let mut wrong = Vec::new();
    for row in &rows.rows {
        let actual = values.remove(&row.name).with_context(|| format!("the probe does not print `{}`", row.name))?;
        if actual != row.expected {
            wrong.push(format!("{}: the table says {:#x}, the headers {actual:#x}", row.name, row.expected));
        }
    }
    ensure!(rows.rows.len() > 60, "only {} rows", rows.rows.len());
    if !wrong.is_empty() {
        bail!("{} of {} rows are wrong:\n{}", wrong.len(), rows.rows.len(), wrong.join("\n"));
    }
    Ok(())
}
