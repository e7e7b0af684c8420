//! CPython 3.15: `Include/cpython/code.h` and friends.

use super::code::{CodeLayout, CodeSource::*, FastKind, Repr::*, field};
use super::find_and_load::{FIND_AND_LOAD_BELOW, UNLOCKED_LAZY};
use super::importlib::{EXEC_MODULE, FIND_SPEC_IN_COPY, ImportFunctions, LOAD_UNLOCKED, MODULE_FROM_SPEC};
use super::object::{Head, LongLayout, LongTag, Refcount, SliceLayout, StrLayout, StrState};
use super::opcode::{Cache, Opcodes, cache};
use super::{CodeField, Layout};

const CODE_FIELDS: &[CodeField] = &[
    field("co_consts", 24, Ptr, Consts),
    field("co_names", 32, Ptr, Names),
    field("co_exceptiontable", 40, Ptr, ExceptionTable),
    field("co_flags", 48, I32, Flags),
    field("co_argcount", 52, I32, ArgCount),
    field("co_posonlyargcount", 56, I32, PosOnlyArgCount),
    field("co_kwonlyargcount", 60, I32, KwOnlyArgCount),
    field("co_stacksize", 64, I32, StackSize),
    field("co_firstlineno", 68, I32, FirstLineNo),
    field("co_nlocalsplus", 72, I32, NLocalsPlus),
    field("co_framesize", 76, I32, FrameSize),
    field("co_nlocals", 80, I32, NLocals),
    field("co_ncellvars", 84, I32, NCellVars),
    field("co_nfreevars", 88, I32, NFreeVars),
    field("co_version", 92, I32, Version),
    field("co_localsplusnames", 96, Ptr, LocalsPlusNames),
    field("co_localspluskinds", 104, Ptr, LocalsPlusKinds),
    field("co_filename", 112, Ptr, Filename),
    field("co_name", 120, Ptr, Name),
    field("co_qualname", 128, Ptr, QualName),
    field("co_linetable", 136, Ptr, LineTable),
    field("co_weakreflist", 144, Ptr, Constant(0)),
    field("co_executors", 152, Ptr, Constant(0)),
    field("_co_cached", 160, Ptr, Constant(0)),
    field("_co_instrumentation_version", 168, U64, Constant(0)),
    field("_co_monitoring", 176, Ptr, Constant(0)),
    field("_co_unique_id", 184, U64, Unset),
    field("_co_firsttraceable", 192, I32, FirstTraceable),
    field("co_extra", 200, Ptr, Constant(0)),
];

/// `adaptive_counter_warmup()`: value 1, backoff 1. The backoff has three bits from this version on.
const WARM: u16 = 1 << 3 | 1;
/// `initial_jump_backoff_counter()`: value 4000, backoff 6.
const JUMP: u16 = 4000 << 3 | 6;
/// `initial_resume_backoff_counter()`: value 8190, backoff 6.
const RESUMED: u16 = 8190 << 3 | 6;
/// Branch history of alternating outcomes, set by `_PyCode_Quicken`.
const BRANCH: u16 = 0x5555;

const CACHES: &[Cache] = &[
    cache(4, 1, WARM),      // CALL_FUNCTION_EX
    cache(36, 1, WARM),     // STORE_SUBSCR
    cache(37, 3, WARM),     // TO_BOOL
    cache(42, 5, WARM),     // BINARY_OP
    cache(50, 3, WARM),     // CALL
    cache(53, 3, WARM),     // CALL_KW
    cache(54, 1, WARM),     // COMPARE_OP
    cache(55, 1, WARM),     // CONTAINS_OP
    cache(68, 1, WARM),     // FOR_ITER
    cache(70, 1, WARM),     // GET_ITER
    cache(74, 1, JUMP),     // JUMP_BACKWARD
    cache(79, 9, WARM),     // LOAD_ATTR
    cache(91, 4, WARM),     // LOAD_GLOBAL
    cache(95, 1, WARM),     // LOAD_SUPER_ATTR
    cache(99, 1, BRANCH),   // POP_JUMP_IF_FALSE
    cache(100, 1, BRANCH),  // POP_JUMP_IF_NONE
    cache(101, 1, BRANCH),  // POP_JUMP_IF_NOT_NONE
    cache(102, 1, BRANCH),  // POP_JUMP_IF_TRUE
    cache(105, 1, WARM),    // SEND
    cache(109, 4, WARM),    // STORE_ATTR
    cache(118, 1, WARM),    // UNPACK_SEQUENCE
    cache(128, 1, RESUMED), // RESUME
];

pub static LAYOUT: Layout = Layout {
    minor: 15,
    head: Head { refcnt: 0, type_: 8, size: 16, gc_head: 16, object_size: 16 },
    refcount: Refcount { initial: 0x0005_0000_c000_0000, immortal: true },
    str_: StrLayout {
        length: 16,
        hash: 24,
        state: 32,
        bits: StrState {
            interned_mask: 0x03,
            kind_shift: 2,
            compact: 0x20,
            ascii: 0x40,
            ready: 0,
            statically_allocated: 0x80,
        },
        ascii_data: 40,
        compact_data: 56,
        singletons_interned: true,
        marked_static: true,
        wstr: None,
    },
    long: LongLayout { tag: LongTag::SignBits, tag_offset: 16, digits: 24, digit_bits: 30, digit_size: 4 },
    tuple_items: 32,
    tuple_hash: Some(24),
    slice: Some(SliceLayout { start: 16, stop: 24, step: 32 }),
    bytes_hash: 24,
    bytes_data: 32,
    byte_singletons: true,
    float_value: 16,
    complex_value: 16,
    code: CodeLayout {
        fields: CODE_FIELDS,
        bytecode: 208,
        frame_specials: 10,
        min_stacksize: 1,
        fast_kind: FastKind { local: 0x20, cell: 0x40, free: 0x80 },
        interns_names: true,
        interns_filename: true,
        first_version: Some(0xf000_0000),
    },
    opcodes: Opcodes {
        resume: 128,
        import_name: 72,
        import_name_shift: 2,
        extended_arg: 67,
        untraceable_resume: Some(4),
        caches: CACHES,
        pairs: &[],
    },
    sets_cached: false,
    tracebacks_read_lines: false,
    import_functions: ImportFunctions {
        find_spec: &[FIND_SPEC_IN_COPY],
        load_unlocked: LOAD_UNLOCKED,
        exec_module: EXEC_MODULE,
        module_from_spec: MODULE_FROM_SPEC,
        find_and_load: &[FIND_AND_LOAD_BELOW],
        find_and_load_unlocked: &UNLOCKED_LAZY,
    },
    small_ints: (-5, 1024),
};
