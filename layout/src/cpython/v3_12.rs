//! CPython 3.12: `Include/cpython/code.h` and friends.

use super::code::{CodeLayout, CodeSource::*, FastKind, Repr::*, field};
use super::find_and_load::{FIND_AND_LOAD, UNLOCKED};
use super::importlib::{EXEC_MODULE, FIND_SPEC, ImportFunctions, LOAD_UNLOCKED_COMPATIBLE, MODULE_FROM_SPEC};
use super::object::{Head, LongLayout, LongTag, Refcount, StrLayout, StrState};
use super::opcode::{Cache, Opcodes, Pair, cache};
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
    field("_co_cached", 152, Ptr, Constant(0)),
    field("_co_instrumentation_version", 160, U64, Constant(0)),
    field("_co_monitoring", 168, Ptr, Constant(0)),
    field("_co_firsttraceable", 176, I32, FirstTraceable),
    field("co_extra", 184, Ptr, Constant(0)),
];

/// `adaptive_counter_warmup()`: value 1, backoff 1.
const WARM: u16 = 0x11;

const CACHES: &[Cache] = &[
    cache(25, 1, WARM),  // BINARY_SUBSCR
    cache(60, 1, WARM),  // STORE_SUBSCR
    cache(92, 1, WARM),  // UNPACK_SEQUENCE
    cache(93, 1, WARM),  // FOR_ITER
    cache(95, 4, WARM),  // STORE_ATTR
    cache(106, 9, WARM), // LOAD_ATTR
    cache(107, 1, WARM), // COMPARE_OP
    cache(116, 4, WARM), // LOAD_GLOBAL
    cache(122, 1, WARM), // BINARY_OP
    cache(123, 1, WARM), // SEND
    cache(141, 1, WARM), // LOAD_SUPER_ATTR
    cache(171, 3, WARM), // CALL
];

const LOAD_CONST: u8 = 100;
const LOAD_FAST: u8 = 124;
const STORE_FAST: u8 = 125;

const PAIRS: &[Pair] = &[
    Pair { first: LOAD_CONST, second: LOAD_FAST, combined: 84 }, // LOAD_CONST__LOAD_FAST
    Pair { first: LOAD_FAST, second: LOAD_CONST, combined: 86 }, // LOAD_FAST__LOAD_CONST
    Pair { first: LOAD_FAST, second: LOAD_FAST, combined: 88 },  // LOAD_FAST__LOAD_FAST
    Pair { first: STORE_FAST, second: LOAD_FAST, combined: 154 }, // STORE_FAST__LOAD_FAST
    Pair { first: STORE_FAST, second: STORE_FAST, combined: 158 }, // STORE_FAST__STORE_FAST
];

pub static LAYOUT: Layout = Layout {
    minor: 12,
    head: Head { refcnt: 0, type_: 8, size: 16, gc_head: 16, object_size: 16 },
    refcount: Refcount { initial: 0xffff_ffff, immortal: true },
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
        singletons_interned: false,
        marked_static: false,
        wstr: None,
    },
    long: LongLayout { tag: LongTag::SignBits, tag_offset: 16, digits: 24, digit_bits: 30, digit_size: 4 },
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
        bytecode: 192,
        frame_specials: 9,
        min_stacksize: 0,
        fast_kind: FastKind { local: 0x20, cell: 0x40, free: 0x80 },
        interns_names: false,
        interns_filename: false,
        first_version: Some(0xf000_0000),
    },
    opcodes: Opcodes {
        resume: 151,
        import_name: 108,
        import_name_shift: 0,
        extended_arg: 144,
        untraceable_resume: None,
        caches: CACHES,
        pairs: PAIRS,
    },
    sets_cached: true,
    tracebacks_read_lines: false,
    import_functions: ImportFunctions {
        find_spec: &[FIND_SPEC],
        load_unlocked: LOAD_UNLOCKED_COMPATIBLE,
        exec_module: EXEC_MODULE,
        module_from_spec: MODULE_FROM_SPEC,
        find_and_load: &[FIND_AND_LOAD],
        find_and_load_unlocked: &UNLOCKED,
    },
    small_ints: (-5, 256),
};
