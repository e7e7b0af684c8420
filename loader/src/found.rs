//! What the search leaves for the loader.

use cds_layout::format::ModuleRecord;

use crate::py::Object;

/// A module that was just found, on the way from `_find_spec` to the loader's `get_code`.
#[derive(Debug)]
pub struct Found {
    /// The `ImageLoader` of its spec.
    pub loader: Object,
    /// Its name.
    pub fullname: Object,
    /// Number of its record.
    pub number: u32,
    /// Its record.
    pub module: ModuleRecord<'static>,
    /// Path of the file, a `str`.
    pub path: Object,
}
