//! The named objects of an image, in a process of the target, beside the values of the files that they were made from.

use super::{RoundTrip, RoundTripError, run};
use crate::image::{Finding, Image};
use crate::named::ObjectSource;
use crate::target::Target;
use std::path::Path;

const SCRIPT: &str = concat!(include_str!("compare.py"), include_str!("values.py"));

/// Loads every named object of the image at `path` twice, and compares it with the value in its file where there is one.
pub fn named_objects(
    path: &Path,
    image: &Image<'_>,
    target: &Target,
    loader: &Path,
    files: &[ObjectSource],
) -> Result<RoundTrip, RoundTripError> {
    let mut findings = Vec::new();
    let mut finding = |message: String| findings.push(Finding { check: "objects", message });
    let names: Vec<&str> = image.named.iter().map(|object| image.text(object.name)).collect();
    for source in files.iter().filter(|source| !names.contains(&source.name.as_str())) {
        finding(format!("there is no object `{}`", source.name));
    }
    let mut expected = Vec::new();
    for (object, name) in image.named.iter().zip(names) {
        let file = files.iter().find(|source| source.name == name).map(|source| &source.file);
        expected.push(serde_json::json!([name, object.kind.name(), file]));
    }
    if expected.is_empty() {
        return Ok(RoundTrip { compared: 0, findings });
    }
    let request = serde_json::Value::Array(expected).to_string();
    let answer = run(SCRIPT, path, target, loader, image.header.optimize, request.as_bytes())?;
    if let Some(reason) = answer.rejected {
        finding(reason);
    }
    for (name, what) in answer.differences {
        finding(format!("`{name}`{what}"));
    }
    Ok(RoundTrip { compared: answer.compared, findings })
}
