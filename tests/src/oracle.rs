//! The memory oracle: runs `fixtures/memory_oracle.py` with the rows of `cds_layout`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cds_layout::cpython::{CodeField, CodeSource, Layout, Repr, layout};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::environments::Environment;
use crate::interpreters::Interpreter;
use crate::process::Output;
use crate::tools::tools;
use crate::{files, fixtures};

/// What the oracle found.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// Number of modules.
    pub compared: usize,
    /// Number of objects that were looked at, by type.
    pub counts: std::collections::BTreeMap<String, u64>,
    /// Where the image and marshal disagree; not more than 50.
    pub differences: Vec<String>,
    /// The loader's status at the end.
    pub status: Value,
}

/// An image to compare with what marshal makes of the same modules.
#[derive(Debug)]
pub struct Comparison {
    /// The image.
    pub image: PathBuf,
    /// Its modules with code, and their sources.
    pub modules: Vec<(String, String)>,
    /// Where the image wants to lie.
    pub preferred_base: u64,
    /// Whether something else lies there already.
    pub occupied: bool,
}

impl Comparison {
    /// All modules of an image.
    pub fn of(image: &Path) -> Result<Comparison> {
        let report = tools()?.cds_build().args(["inspect", "--json"]).arg(image).ok()?.json()?;
        let all = report["modules"].as_array().context("`inspect` lists no modules")?;
        let text = |m: &Value, key: &str| Ok::<_, anyhow::Error>(m[key].as_str().context("no text")?.to_owned());
        let sources = all.iter().filter(|m| m["kind"] == "source");
        let modules = sources.map(|m| Ok((text(m, "name")?, text(m, "path")?))).collect::<Result<_>>()?;
        let preferred_base = report["preferred_base"].as_u64().context("no base")?;
        Ok(Comparison { image: image.to_owned(), modules, preferred_base, occupied: false })
    }

    /// Compares in one process of the environment, which must end well and silently.
    pub fn run(&self, python: &Interpreter, environment: &Environment) -> Result<Report> {
        let output = self.output(python, environment)?.silent()?;
        serde_json::from_str(&output.stdout).with_context(|| format!("no report: {output}"))
    }

    fn output(&self, python: &Interpreter, environment: &Environment) -> Result<Output> {
        let rows = layout(python.minor).context("no layout")?;
        let request = json!({
            "image": self.image,
            "loader": installed_loader(environment)?,
            "layout": layout_json(rows),
            "modules": self.modules,
            "occupied": self.occupied.then_some(self.preferred_base),
        });
        let file = environment.scratch.join("oracle.json");
        files::write(&file, request.to_string())?;
        let run =
            environment.python().env("PYCDSMODE", "OFF").env("PYTHONHASHSEED", "0").args(["-P", "-B", "-W", "ignore"]);
        run.arg(fixtures().join("memory_oracle.py")).stdin(&file)?.ok()
    }
}

/// The loader in an environment: an interpreter has one, and the start file has loaded this one already.
fn installed_loader(environment: &Environment) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&environment.site)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("cds_loader.") && name.ends_with(".so") {
            found.push(path);
        }
    }
    ensure!(found.len() == 1, "loaders in `{}`: {found:?}", environment.site.display());
    Ok(found.remove(0))
}

/// The rows that the oracle reads.
fn layout_json(rows: &Layout) -> Value {
    // A pointer is that to an object, or one that every fresh code object has as null.
    let kind = |field: &CodeField| match (field.source, field.repr) {
        (CodeSource::Version, _) => "Version",
        (CodeSource::Constant(_), _) => "Bytes",
        (CodeSource::Unset, _) => "Unset",
        (_, Repr::Ptr) => "Object",
        _ => "Bytes",
    };
    let fields = rows.code.fields.iter().map(|f| json!([f.name, f.offset, f.repr.size(), kind(f)]));
    let (text, bits) = (&rows.str_, &rows.str_.bits);
    json!({
        "size": rows.head.size,
        "gc_head": rows.head.gc_head,
        "code_fields": fields.collect::<Vec<_>>(),
        "bytecode": rows.code.bytecode,
        "bytes_data": rows.bytes_data,
        "slice": rows.slice.map(|s| json!({ "start": s.start, "stop": s.stop, "step": s.step })),
        "float": rows.float_value,
        "complex": rows.complex_value,
        "long": { "tag": rows.long.tag_offset, "digits": rows.long.digits, "bits": rows.long.digit_bits },
        "str": {
            "length": text.length,
            "state": text.state,
            "mask": (7 << bits.kind_shift) | bits.compact | bits.ascii | bits.ready,
            "interned": bits.interned_mask,
            "kind_shift": bits.kind_shift,
            "ascii": bits.ascii,
            "ascii_data": text.ascii_data,
            "compact_data": text.compact_data,
            "wstr": text.wstr,
        },
    })
}
