//! Functions of `importlib` that the loader does the work of.

use super::find_and_load::{FindAndLoad, FindAndLoadUnlocked};

/// By the names that each function uses (`__code__.co_names`): a release in which one of them uses others is
/// noticed, and its own functions run. `Lib/importlib/_bootstrap.py` and `_bootstrap_external.py`.
#[derive(Debug, Clone, Copy)]
pub struct ImportFunctions {
    /// `_find_spec`: one list per form that was seen.
    pub find_spec: &'static [&'static [&'static str]],
    /// `_load_unlocked`
    pub load_unlocked: &'static [&'static str],
    /// `SourceFileLoader.exec_module`
    pub exec_module: &'static [&'static str],
    /// `module_from_spec`
    pub module_from_spec: &'static [&'static str],
    /// `_find_and_load`: one row per form that was seen.
    pub find_and_load: &'static [FindAndLoad],
    /// `_find_and_load_unlocked`
    pub find_and_load_unlocked: &'static FindAndLoadUnlocked,
}

/// Asks finders without `find_spec` in the old way (3.11).
pub const FIND_SPEC_LEGACY: &[&str] = &[
    "sys",
    "meta_path",
    "ImportError",
    "_warnings",
    "warn",
    "ImportWarning",
    "modules",
    "_ImportLockContext",
    "find_spec",
    "AttributeError",
    "_find_spec_legacy",
    "__spec__",
];

/// Skips finders without `find_spec`.
pub const FIND_SPEC: &[&str] = &[
    "sys",
    "meta_path",
    "ImportError",
    "_warnings",
    "warn",
    "ImportWarning",
    "modules",
    "_ImportLockContext",
    "find_spec",
    "AttributeError",
    "__spec__",
];

/// Walks over a copy of `sys.meta_path`.
pub const FIND_SPEC_IN_COPY: &[&str] = &[
    "sys",
    "meta_path",
    "ImportError",
    "list",
    "_warnings",
    "warn",
    "ImportWarning",
    "modules",
    "_ImportLockContext",
    "find_spec",
    "AttributeError",
    "__spec__",
];

/// Knows loaders without `exec_module` (until 3.14).
pub const LOAD_UNLOCKED_COMPATIBLE: &[&str] = &[
    "loader",
    "hasattr",
    "_object_name",
    "_warnings",
    "warn",
    "ImportWarning",
    "_load_backward_compatible",
    "module_from_spec",
    "_initializing",
    "sys",
    "modules",
    "name",
    "submodule_search_locations",
    "ImportError",
    "exec_module",
    "KeyError",
    "pop",
    "_verbose_message",
];

/// Knows no others than those with `exec_module`.
pub const LOAD_UNLOCKED: &[&str] = &[
    "module_from_spec",
    "_initializing",
    "sys",
    "modules",
    "name",
    "loader",
    "submodule_search_locations",
    "ImportError",
    "exec_module",
    "KeyError",
    "pop",
    "_verbose_message",
];

/// Until 3.11.
pub const EXEC_MODULE_FORMAT: &[&str] =
    &["get_code", "__name__", "ImportError", "format", "_bootstrap", "_call_with_frames_removed", "exec", "__dict__"];

/// With an f-string for its message.
pub const EXEC_MODULE: &[&str] =
    &["get_code", "__name__", "ImportError", "_bootstrap", "_call_with_frames_removed", "exec", "__dict__"];

/// In all versions.
pub const MODULE_FROM_SPEC: &[&str] =
    &["hasattr", "loader", "create_module", "ImportError", "_new_module", "name", "_init_module_attrs"];
