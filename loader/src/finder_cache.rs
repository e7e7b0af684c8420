//! What a `FileFinder` (Lib/importlib/_bootstrap_external.py) has read of its directory, so that it need not be read again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use crate::directories::{Listing, mtime_ns};
use crate::importlib::Names;
use crate::py::{self, Object};

/// The names in the finder's directory, if it would use those that it knows: it has read them since the last change.
pub fn names(attributes: &Names, finder: &Object, metadata: &Metadata) -> Option<Listing> {
    known(attributes, finder, metadata).unwrap_or_else(|_| {
        py::clear();
        None
    })
}

fn known(attributes: &Names, finder: &Object, metadata: &Metadata) -> py::Result<Option<Listing>> {
    // As `os.stat` computes it (`fill_time`, Modules/posixmodule.c); another rounding is another time, and no harm is done.
    let modified = metadata.mtime() as f64 + 1e-9 * metadata.mtime_nsec() as f64;
    if finder.attr(&attributes.path_mtime)?.to_f64()? != modified {
        return Ok(None);
    }
    let names = finder.attr(&attributes.path_cache)?;
    if !names.is_set() {
        return Ok(None);
    }
    let mut listing = Listing::new(mtime_ns(metadata));
    let names = names.iter()?;
    while let Some(name) = names.next()? {
        // One that is not UTF-8 raises.
        if listing.push(name.text()?.as_bytes()).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(listing.sorted()))
}
