//! CPython 3.11: `Include/cpython/code.h` and friends.

use super::code::{CodeLayout, CodeSource::*, FastKind, Repr::*, field};
use super::find_and_load::{FIND_AND_LOAD_FORMAT, UNLOCKED_FORMAT};
use super::importlib::{
    EXEC_MODULE_FORMAT, FIND_SPEC_LEGACY, ImportFunctions, LOAD_UNLOCKED_COMPATIBLE, MODULE_FROM_SPEC,
};
use super::object::{Head, LongLayout, LongTag, Refcount, StrLayout, StrState};
use super::opcode::{Cache, Opcodes, cache};
use super::{CodeField, Layout};

const CODE_FIELDS: &[CodeField] = &[
    field("co_consts", 24, Ptr, Consts),
    field("co_names", 32, Ptr, Names),
    field("co_exceptiontable", 40, Ptr, ExceptionTable),
    field("co_flags", 48, I32, Flags),
    field("co_warmup", 52, I16, Constant(-8)),
    field("_co_linearray_entry_size", 54, I16, Constant(0)),
    field("co_argcount", 56, I32, ArgCount),
    field("co_posonlyargcount", 60, I32, PosOnlyArgCount),
    field("co_kwonlyargcount", 64, I32, KwOnlyArgCount),
    field("co_stacksize", 68, I32, StackSize),
    field("co_firstlineno", 72, I32, FirstLineNo),
    field("co_nlocalsplus", 76, I32, NLocalsPlus),
    field("co_nlocals", 80, I32, NLocals),
    field("co_nplaincellvars", 84, I32, NPlainCellVars),
    field("co_ncellvars", 88, I32, NCellVars),
    field("co_nfreevars", 92, I32, NFreeVars),
    field("co_localsplusnames", 96, Ptr, LocalsPlusNames),
    field("co_localspluskinds", 104, Ptr, LocalsPlusKinds),
    field("co_filename", 112, Ptr, Filename),
    field("co_name", 120, Ptr, Name),
    field("co_qualname", 128, Ptr, QualName),
    field("co_linetable", 136, Ptr, LineTable),
    field("co_weakreflist", 144, Ptr, Constant(0)),
    field("_co_code", 152, Ptr, Constant(0)),
    field("_co_linearray", 160, Ptr, Constant(0)),
    field("_co_firsttraceable", 168, I32, FirstTraceable),
    field("co_extra", 176, Ptr, Constant(0)),
];

const CACHES: &[Cache] = &[
    cache(25, 4, 0),   // BINARY_SUBSCR
    cache(60, 1, 0),   // STORE_SUBSCR
    cache(92, 1, 0),   // UNPACK_SEQUENCE
    cache(95, 4, 0),   // STORE_ATTR
    cache(106, 4, 0),  // LOAD_ATTR
    cache(107, 2, 0),  // COMPARE_OP
    cache(116, 5, 0),  // LOAD_GLOBAL
    cache(122, 1, 0),  // BINARY_OP
    cache(160, 10, 0), // LOAD_METHOD
    cache(166, 1, 0),  // PRECALL
    cache(171, 4, 0),  // CALL
];

pub static LAYOUT: Layout = Layout {
    minor: 11,
    head: Head { refcnt: 0, type_: 8, size: 16, gc_head: 16, object_size: 16 },
    refcount: Refcount { initial: 1 << 40, immortal: false },
    str_: StrLayout {
        length: 16,
        hash: 24,
        state: 32,
        bits: StrState {
            interned_mask: 0x03,
            kind_shift: 2,
            compact: 0x20,
            ascii: 0x40,
            ready: 0x80,
            statically_allocated: 0,
        },
        ascii_data: 48,
        compact_data: 72,
        singletons_interned: false,
        marked_static: false,
        wstr: Some((40, 64)),
    },
    long: LongLayout { tag: LongTag::SignedSize, tag_offset: 16, digits: 24, digit_bits: 30, digit_size: 4 },
    tuple_items: 24,
    tuple_hash: None,
    slice: None,
    bytes_hash: 24,
    bytes_data: 32,
    byte_singletons: false,
    float_value: 16,
    complex_value: 16,
    code: CodeLayout {
        fields: CODE_FIELDS,
        bytecode: 184,
        frame_specials: 0,
        min_stacksize: 0,
        fast_kind: FastKind { local: 0x20, cell: 0x40, free: 0x80 },
        interns_names: false,
        interns_filename: false,
        first_version: None,
    },
    opcodes: Opcodes {
        resume: 151,
        import_name: 108,
        import_name_shift: 0,
        extended_arg: 144,
        untraceable_resume: None,
        caches: CACHES,
        pairs: &[],
    },
    sets_cached: true,
    tracebacks_read_lines: true,
    import_functions: ImportFunctions {
        find_spec: &[FIND_SPEC_LEGACY],
        load_unlocked: LOAD_UNLOCKED_COMPATIBLE,
        exec_module: EXEC_MODULE_FORMAT,
        module_from_spec: MODULE_FROM_SPEC,
        find_and_load: &[FIND_AND_LOAD_FORMAT],
        find_and_load_unlocked: &UNLOCKED_FORMAT,
    },
    small_ints: (-5, 256),
};
