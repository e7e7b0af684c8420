//! `_find_and_load` and what it calls (`Lib/importlib/_bootstrap.py`), by the names that the functions use.

/// A form of `_find_and_load`.
#[derive(Debug, Clone, Copy)]
pub struct FindAndLoad {
    /// `__code__.co_names`
    pub names: &'static [&'static str],
    /// Whether it takes the locks of the packages around a module as well, where these are not loaded yet (3.15+).
    pub locks_packages: bool,
}

/// A form of `_find_and_load_unlocked`.
#[derive(Debug, Clone, Copy)]
pub struct FindAndLoadUnlocked {
    /// `__code__.co_names`
    pub names: &'static [&'static str],
    /// Whether it raises the audit event `import`, beside the one of C's import (3.15+).
    pub audits: bool,
    /// Whether it asks for a package once more that another thread may be loading (3.14+).
    pub waits_for_parent: bool,
    /// Whether it ends with `_imp._set_lazy_attributes` (3.15+).
    pub sets_lazy_attributes: bool,
}

/// Until 3.11.
pub const FIND_AND_LOAD_FORMAT: FindAndLoad = FindAndLoad {
    names: &[
        "sys",
        "modules",
        "get",
        "_NEEDS_LOADING",
        "getattr",
        "_ModuleLockManager",
        "_find_and_load_unlocked",
        "_lock_unlock_module",
        "format",
        "ModuleNotFoundError",
    ],
    locks_packages: false,
};

/// With an f-string for its message.
pub const FIND_AND_LOAD: FindAndLoad = FindAndLoad {
    names: &[
        "sys",
        "modules",
        "get",
        "_NEEDS_LOADING",
        "getattr",
        "_ModuleLockManager",
        "_find_and_load_unlocked",
        "_lock_unlock_module",
        "ModuleNotFoundError",
    ],
    locks_packages: false,
};

/// Tries once more if the module has gone meanwhile (late 3.13 and 3.14).
pub const FIND_AND_LOAD_AGAIN: FindAndLoad = FindAndLoad {
    names: &[
        "sys",
        "modules",
        "get",
        "_NEEDS_LOADING",
        "getattr",
        "_ModuleLockManager",
        "_find_and_load_unlocked",
        "_lock_unlock_module",
        "_find_and_load",
        "ModuleNotFoundError",
    ],
    locks_packages: false,
};

/// Takes the locks of packages first (3.15).
pub const FIND_AND_LOAD_BELOW: FindAndLoad = FindAndLoad {
    names: &[
        "sys",
        "modules",
        "get",
        "_NEEDS_LOADING",
        "getattr",
        "_HierarchicalLockManager",
        "_ModuleLockManager",
        "_find_and_load_unlocked",
        "_lock_unlock_module",
        "_find_and_load",
        "ModuleNotFoundError",
    ],
    locks_packages: true,
};

/// Until 3.11.
pub const UNLOCKED_FORMAT: FindAndLoadUnlocked = FindAndLoadUnlocked {
    names: &[
        "rpartition",
        "sys",
        "modules",
        "_call_with_frames_removed",
        "__path__",
        "AttributeError",
        "_ERR_MSG",
        "format",
        "ModuleNotFoundError",
        "__spec__",
        "_find_spec",
        "_uninitialized_submodules",
        "append",
        "_load_unlocked",
        "pop",
        "setattr",
        "_warnings",
        "warn",
        "ImportWarning",
    ],
    audits: false,
    waits_for_parent: false,
    sets_lazy_attributes: false,
};

/// With f-strings for its messages.
pub const UNLOCKED: FindAndLoadUnlocked = FindAndLoadUnlocked {
    names: &[
        "rpartition",
        "sys",
        "modules",
        "_call_with_frames_removed",
        "__path__",
        "AttributeError",
        "_ERR_MSG_PREFIX",
        "ModuleNotFoundError",
        "__spec__",
        "_find_spec",
        "_uninitialized_submodules",
        "append",
        "_load_unlocked",
        "pop",
        "setattr",
        "_warnings",
        "warn",
        "ImportWarning",
    ],
    ..UNLOCKED_FORMAT
};

/// Waits for a package that another thread is loading (3.14).
pub const UNLOCKED_WAITING: FindAndLoadUnlocked = FindAndLoadUnlocked {
    names: &[
        "rpartition",
        "sys",
        "modules",
        "_call_with_frames_removed",
        "get",
        "__path__",
        "AttributeError",
        "_ERR_MSG_PREFIX",
        "ModuleNotFoundError",
        "__spec__",
        "getattr",
        "_find_spec",
        "_uninitialized_submodules",
        "append",
        "_load_unlocked",
        "pop",
        "setattr",
        "_warnings",
        "warn",
        "ImportWarning",
    ],
    waits_for_parent: true,
    ..UNLOCKED
};

/// Knows lazy imports (3.15).
pub const UNLOCKED_LAZY: FindAndLoadUnlocked = FindAndLoadUnlocked {
    names: &[
        "sys",
        "audit",
        "getattr",
        "rpartition",
        "modules",
        "_call_with_frames_removed",
        "get",
        "__path__",
        "AttributeError",
        "_ERR_MSG_PREFIX",
        "ModuleNotFoundError",
        "__spec__",
        "_find_spec",
        "_uninitialized_submodules",
        "append",
        "_load_unlocked",
        "pop",
        "setattr",
        "_warnings",
        "warn",
        "ImportWarning",
        "_imp",
        "_set_lazy_attributes",
        "Exception",
    ],
    audits: true,
    waits_for_parent: true,
    sets_lazy_attributes: true,
};

/// `_get_module_lock`, in all versions.
pub const GET_MODULE_LOCK: &[&str] = &[
    "_imp",
    "acquire_lock",
    "_module_locks",
    "KeyError",
    "_thread",
    "_DummyModuleLock",
    "_ModuleLock",
    "_weakref",
    "ref",
    "release_lock",
];

/// `_lock_unlock_module`, in all versions.
pub const LOCK_UNLOCK_MODULE: &[&str] = &["_get_module_lock", "acquire", "release", "_DeadlockError"];
