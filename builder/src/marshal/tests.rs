//! Golden bytes per type, and properties: nothing panics, every truncation is refused, what was written is read.

use super::*;
use crate::graph::{Int, Object, Str};
use proptest::prelude::*;

fn one(bytes: &[u8]) -> Object {
    let (graph, root) = read(bytes, 12).unwrap();
    graph.get(root).clone()
}

fn problem(bytes: &[u8]) -> Problem {
    read(bytes, 12).unwrap_err().problem
}

fn text(points: &[u32], interned: bool) -> Object {
    Object::Str(Str::from_code_points(points.iter().copied(), interned))
}

#[test]
fn numbers() {
    assert_eq!(one(b"i\xff\xff\xff\xff"), Object::Int(Int::from_i64(-1)));
    assert_eq!(one(b"I\0\0\0\0\0\0\0\x80"), Object::Int(Int::from_i64(i64::MIN)));
    assert_eq!(one(b"l\0\0\0\0"), Object::Int(Int::from_i64(0)));
    // Three digits of 15 bits, negative: 2**30 + 2**15 + 2
    assert_eq!(one(b"l\xfd\xff\xff\xff\x02\0\x01\0\x01\0"), Object::Int(Int::from_i64(-0x4000_8002)));
    assert_eq!(one(b"g\0\0\0\0\0\0\0\x80"), Object::Float((-0.0f64).to_bits()));
    assert_eq!(one(b"f\x04-1.5"), Object::Float((-1.5f64).to_bits()));
    assert_eq!(one(b"f\x04-nan"), Object::Float(0xfff8_0000_0000_0000));
    assert_eq!(one(b"x\x03inf\x011"), Object::Complex(f64::INFINITY.to_bits(), 1f64.to_bits()));
    assert_eq!(problem(b"f\x02 1"), Problem::FloatText);
    assert_eq!(problem(b"l\x02\0\0\0\x01\0\0\0"), Problem::UnnormalisedInt);
    assert_eq!(problem(b"l\x01\0\0\0\0\x80"), Problem::Digit(0x8000));
    assert_eq!(problem(b"l\0\0\0\x80"), Problem::Length(i32::MIN));
    assert_eq!(problem(b"l\xff\xff\xff\x7f\0\0"), Problem::Truncated { needed: 0xffff_fffe, left: 2 });
}

#[test]
fn strings() {
    assert_eq!(one(b"s\x02\0\0\0\0\xff"), Object::Bytes((*b"\0\xff").into()));
    assert_eq!(one(b"z\x02ab"), text(&[97, 98], false));
    assert_eq!(one(b"\xda\x01a"), text(&[97], true));
    assert_eq!(one(b"A\x01\0\0\0a"), text(&[97], true));
    assert_eq!(one(b"a\x01\0\0\0\xe9"), text(&[0xe9], false));
    assert_eq!(one(b"t\x02\0\0\0\xc3\xa9"), text(&[0xe9], true));
    // A pair of encoded surrogates stays two characters.
    assert_eq!(one(b"u\x07\0\0\0\xed\xa0\xbd\xed\xb8\x80!"), text(&[0xd83d, 0xde00, 0x21], false));
    assert_eq!(one(b"u\x04\0\0\0\xf0\x9f\x98\x80"), text(&[0x1f600], false));
    assert_eq!(problem(b"u\x03\0\0\0a\xed\xa0"), Problem::Utf8(1));
    assert_eq!(problem(b"u\x02\0\0\0\xc0\x80"), Problem::Utf8(0));
    assert_eq!(problem(b"s\xff\xff\xff\xff"), Problem::Length(-1));
}

#[test]
fn references() {
    // (x, x, None, None) with x = "a" numbered 1, after the tuple's own 0
    let (graph, root) = read(b"\xa9\x04\xfa\x01ar\x01\0\0\0N\xce", 12).unwrap();
    let Object::Tuple(items) = graph.get(root) else { panic!("not a tuple") };
    assert_eq!(items[0], items[1]);
    assert_eq!(items[2], items[3]);
    assert_eq!(problem(b"\xa9\x01r\0\0\0\0"), Problem::Recursive(0));
    assert_eq!(problem(b"\xbe\x01\0\0\0r\0\0\0\0"), Problem::Recursive(0));
    // None takes no number although it is flagged.
    assert_eq!(problem(b")\x02\xcer\0\0\0\0"), Problem::Reference(0));
    assert_eq!(problem(b"r\xff\xff\xff\xff"), Problem::Reference(-1));
}

#[test]
fn refused_types() {
    for (bytes, name) in [(b"[", "list"), (b"{", "dict"), (b"<", "set"), (b"S", "StopIteration"), (b":", "slice")] {
        assert_eq!(problem(bytes), Problem::UnsupportedType(name));
    }
    assert_eq!(problem(b"0"), Problem::Null);
    assert_eq!(problem(b"?"), Problem::UnknownType(b'?'));
    assert_eq!(read(b"N", 9).unwrap_err().problem, Problem::UnsupportedVersion(9));
    let error = read(b")\x02N[", 12).unwrap_err();
    assert_eq!(error.to_string(), "marshal data at byte 3: objects of type `list` are not supported");
}

#[test]
fn depth() {
    let nested = |levels: usize| [b")\x01".repeat(levels - 1), b"N".to_vec()].concat();
    assert!(read(&nested(2000), 12).is_ok());
    let error = read(&nested(2001), 12).unwrap_err();
    assert_eq!(error, MarshalError { offset: 4000, problem: Problem::TooDeep(2000) });
    assert!(read_with(&nested(1_000_000), 12, Limits { max_depth: usize::MAX }).is_ok());
}

#[test]
fn counts_that_the_data_cannot_hold() {
    let hungry = b"(\xff\xff\xff\x7f".repeat(1000);
    assert!(matches!(problem(&hungry), Problem::Truncated { .. }));
}

/// A code object with one argument; each field can be replaced.
fn code(replace: &[(usize, &[u8])]) -> Vec<u8> {
    let mut fields: [&[u8]; 17] = [
        b"c",
        &[1, 0, 0, 0],        // 1 argcount
        &[0; 4],              // 2 posonlyargcount
        &[0; 4],              // 3 kwonlyargcount
        &[1, 0, 0, 0],        // 4 stacksize
        &[3, 0, 0, 0],        // 5 flags
        b"s\x02\0\0\0\x97\0", // 6 code
        b")\x01N",            // 7 consts
        b")\0",               // 8 names
        b")\x01Z\x01x",       // 9 localsplusnames
        b"s\x01\0\0\0\x20",   // 10 localspluskinds
        b"z\x01f",            // 11 filename
        b"Z\x01g",            // 12 name
        b"Z\x01g",            // 13 qualname
        &[7, 0, 0, 0],        // 14 firstlineno
        b"s\0\0\0\0",         // 15 linetable
        b"s\0\0\0\0",         // 16 exceptiontable
    ];
    for (field, bytes) in replace {
        fields[*field] = bytes;
    }
    fields.concat()
}

#[test]
fn code_objects() {
    let (graph, root) = read(&code(&[]), 12).unwrap();
    let Object::Code(read) = graph.get(root) else { panic!("not a code object") };
    assert_eq!((read.argcount, read.stacksize, read.flags, read.firstlineno), (1, 1, 3, 7));
    assert_eq!(*graph.get(read.filename), text(&[0x66], false));
    assert_eq!(*graph.get(read.localspluskinds), Object::Bytes([0x20].into()));
}

#[test]
fn invalid_code_objects() {
    type Replace<'a> = &'a [(usize, &'a [u8])];
    let cases: [(&str, Replace<'_>); 16] = [
        ("argcount", &[(1, &[0xff; 4])]),
        ("posonlyargcount", &[(2, &[0xff; 4])]),
        ("argcount", &[(2, &[2, 0, 0, 0])]),
        ("kwonlyargcount", &[(3, &[0xff; 4])]),
        ("stacksize", &[(4, &[0xff; 4])]),
        ("flags", &[(5, &[0xff; 4])]),
        ("code", &[(6, b"s\x01\0\0\0\0")]),
        ("code", &[(6, b"z\x02ab")]),
        ("consts", &[(7, b"N")]),
        ("names", &[(8, b")\x01N")]),
        ("localsplusnames", &[(9, b")\x01s\0\0\0\0")]),
        ("localspluskinds", &[(10, b"s\0\0\0\0")]),
        // No local for the argument: a free variable, or `*args` in the flags.
        ("localspluskinds", &[(10, b"s\x01\0\0\0\x80")]),
        ("localspluskinds", &[(5, &[7, 0, 0, 0])]),
        ("filename", &[(11, b"N")]),
        ("exceptiontable", &[(16, b")\0")]),
    ];
    for (expected, replace) in cases {
        match problem(&code(replace)) {
            Problem::Code { field, .. } => assert_eq!(field, expected),
            other => panic!("{expected}: {other}"),
        }
    }
    // Large counts do not overflow.
    assert!(matches!(
        problem(&code(&[(1, &[0xff, 0xff, 0xff, 0x7f]), (3, &[0xff, 0xff, 0xff, 0x7f])])),
        Problem::Code { field: "localspluskinds", .. }
    ));
}

/// Valid data and, as a check, a rendering of the value that it encodes.
fn value() -> impl Strategy<Value = (Vec<u8>, String)> {
    let leaf = prop_oneof![
        Just((b"N".to_vec(), "None".to_owned())),
        Just((b"T".to_vec(), "Bool(true)".to_owned())),
        any::<i32>().prop_map(|v| ([b"i", &v.to_le_bytes()[..]].concat(), format!("{v}"))),
        any::<u64>().prop_map(|v| ([b"g", &v.to_le_bytes()[..]].concat(), format!("{v:#x}"))),
        any::<String>()
            .prop_map(|v| { ([b"t", &(v.len() as u32).to_le_bytes()[..], v.as_bytes()].concat(), format!("{v:?}")) }),
        "[ -~]{0,20}".prop_map(|v| ([b"z", &[v.len() as u8][..], v.as_bytes()].concat(), format!("{v:?}"))),
        Just((code(&[]), "code".to_owned())),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        (proptest::collection::vec(inner, 0..8), 0..3usize).prop_map(|(items, how)| {
            let count = items.len() as u8;
            let (head, open): (Vec<u8>, _) = match how {
                0 => (vec![b')', count], "("),
                1 => (vec![b'(' | FLAG_REF, count, 0, 0, 0], "("),
                _ => (vec![b'>', count, 0, 0, 0], "{"),
            };
            let body: Vec<u8> = items.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            let names: Vec<&str> = items.iter().map(|(_, text)| text.as_str()).collect();
            ([head, body].concat(), format!("{open}{}", names.join(",") + ")"))
        })
    })
}

const FLAG_REF: u8 = 0x80;

fn render(graph: &Graph, id: ObjId) -> String {
    let items = |items: &[ObjId]| items.iter().map(|&i| render(graph, i)).collect::<Vec<_>>().join(",");
    match graph.get(id) {
        Object::Int(v) => format!("{}", v.to_i64().unwrap()),
        Object::Float(bits) => format!("{bits:#x}"),
        Object::Str(v) => format!("{:?}", v.to_text()),
        Object::Tuple(v) => format!("({})", items(v)),
        Object::FrozenSet(v) => format!("{{{})", items(v)),
        Object::Code(_) => "code".to_owned(),
        other => format!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, 12);
    }

    /// Whatever is read of a named object can be split into leaves and a recipe that takes them all.
    #[test]
    fn any_type_codes_of_values(bytes in "[NFT.r()>{<\\[0cszZig\0\0\x01\x02]{0,60}") {
        if let Ok(object) = crate::named::from_marshal("x", bytes.as_bytes(), 12) {
            let Object::Tuple(leaves) = object.graph.get(object.leaves) else { panic!("the leaves are a tuple") };
            prop_assert_eq!(cds_layout::format::leaves_of(&object.recipe), Some(leaves.len() as u64));
        }
    }

    /// Bytes that are mostly type codes get deeper into the reader.
    #[test]
    fn any_type_codes(bytes in "[NFT.r()>csztZiglfxy\0\x01\x02\u{7f}]{0,200}") {
        let _ = read(bytes.as_bytes(), 12);
    }

    #[test]
    fn values((bytes, expected) in value()) {
        let (graph, root) = read(&bytes, 13).unwrap();
        prop_assert_eq!(render(&graph, root), expected);
        let with_rest = [&bytes[..], b"rest"].concat();
        prop_assert!(read(&with_rest, 13).is_ok());
    }

    #[test]
    fn truncated((bytes, _) in value(), at in any::<prop::sample::Index>()) {
        let error = read(&bytes[..at.index(bytes.len())], 13).unwrap_err();
        let truncated = matches!(error.problem, Problem::Truncated { .. });
        prop_assert!(truncated);
    }

    #[test]
    fn damaged((bytes, _) in value(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = bytes;
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read(&bytes, 13);
    }
}
