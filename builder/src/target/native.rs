//! Names in native code: what an interpreter or an extension module may intern before an image can.
//!
//! Such names are C strings among a file's read-only data.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use goblin::container::{Container, Ctx};
use goblin::elf::section_header::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_PROGBITS};
use goblin::elf::{Elf, SectionHeader};

use super::{Role, SearchEntry};

/// Bytes of a file with names at most: a larger one has none. An extension module of the standard library has about a megabyte.
const LARGEST: u64 = 256 << 20;

/// Bytes of a name at most.
pub const LONGEST: usize = 255;

/// How the files of extension modules begin that only tests of the interpreter import.
const OF_TESTS: [&str; 4] = ["_test", "_ctypes_test", "_xxtest", "xx"];

/// Names in the interpreter's own file and in the extension modules of its standard library.
///
/// A hint: a file that is none, cannot be read, is damaged or larger than any of these has no names.
pub fn native_names(interpreter: &Path, search_path: &[SearchEntry], suffixes: &[String]) -> BTreeSet<String> {
    let directories = search_path.iter().filter(|entry| entry.role == Role::StdlibDynload);
    let extensions = directories.flat_map(|entry| extensions(Path::new(&entry.path), suffixes));
    let mut found = BTreeSet::new();
    for data in extensions.chain([interpreter.to_owned()]).filter_map(|path| read(&path)) {
        for name in names(&data) {
            if !found.contains(name) {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

/// Files in a directory that are extension modules by their names.
fn extensions(directory: &Path, suffixes: &[String]) -> Vec<PathBuf> {
    let is_extension = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        suffixes.iter().any(|end| name.ends_with(end)) && !OF_TESTS.iter().any(|start| name.starts_with(start))
    };
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(is_extension).collect()
}

/// The bytes of an ordinary file.
fn read(path: &Path) -> Option<Vec<u8>> {
    let is_file = fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() <= LARGEST);
    if is_file { fs::read(path).ok() } else { None }
}

/// Every name in a file's data, some more than once.
fn names(data: &[u8]) -> impl Iterator<Item = &str> {
    let sections = texts(data).unwrap_or_default();
    sections.into_iter().flat_map(|contents| contents.split(|&byte| byte == 0)).filter_map(name)
}

/// The text as a name, of more than one character: of those with one, every interpreter has its own. Types have their module
/// before their name: `_bz2.BZ2Compressor`.
fn name(text: &[u8]) -> Option<&str> {
    if text.len() > LONGEST {
        return None;
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_dotted = text.iter().all(|byte| is_part(byte) || *byte == b'.');
    let last = str::from_utf8(text).ok().filter(|_| is_dotted)?.rsplit('.').next()?;
    (last.len() > 1 && !last.starts_with(|first: char| first.is_ascii_digit())).then_some(last)
}

/// The sections of a 64-bit little-endian ELF file that C strings lie in. Those that have bytes in common are not all taken: they
/// have no more bytes than the file.
fn texts(data: &[u8]) -> Option<Vec<&[u8]>> {
    let header = Elf::parse_header(data).ok()?;
    let (container, order) = (header.container().ok()?, header.endianness().ok()?);
    if container != Container::Big || !order.is_little() {
        return None;
    }
    let offset = usize::try_from(header.e_shoff).ok()?;
    let headers = SectionHeader::parse(data, offset, header.e_shnum.into(), Ctx::new(container, order)).ok()?;
    let contents = |section: &SectionHeader| data.get(section.file_range()?);
    let names = contents(headers.get(usize::from(header.e_shstrndx))?)?;
    let is_text = |section: &&SectionHeader| {
        let has = |flag: u32| section.sh_flags & u64::from(flag) != 0;
        let is_data = section.sh_type == SHT_PROGBITS && has(SHF_ALLOC) && !has(SHF_WRITE | SHF_EXECINSTR);
        is_data && names.get(section.sh_name..).is_some_and(|name| name.starts_with(b".rodata"))
    };
    let mut left = data.len();
    let taken = headers.iter().filter(is_text).filter_map(contents).filter(|contents| {
        let rest = left.checked_sub(contents.len());
        left = rest.unwrap_or(left);
        rest.is_some()
    });
    Some(taken.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use goblin::elf::section_header::{SHT_NOTE, SHT_STRTAB};

    const READ: u32 = SHF_ALLOC;
    const WRITE: u32 = SHF_ALLOC | SHF_WRITE;
    const CODE: u32 = SHF_ALLOC | SHF_EXECINSTR;

    /// An ELF file of these sections: name, type, flags, contents.
    fn elf(sections: &[(&str, u32, u32, &[u8])]) -> Vec<u8> {
        let names: String = sections.iter().map(|section| format!("{}\0", section.0)).collect();
        let (mut file, mut headers, mut name) = (vec![0; 64], Vec::new(), 0u32);
        let strings = ("", SHT_STRTAB, 0, names.as_bytes());
        for (text, kind, flags, contents) in sections.iter().chain([&strings]) {
            let (offset, size) = (file.len() as u64, contents.len() as u64);
            headers.extend([name, *kind].iter().flat_map(|word| word.to_le_bytes()));
            headers.extend([u64::from(*flags), 0, offset, size].iter().flat_map(|word| word.to_le_bytes()));
            headers.extend([0; 24]);
            file.extend(*contents);
            name += text.len() as u32 + 1;
        }
        let count = sections.len() as u16 + 1;
        let start = file.len() as u64;
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        file[40..48].copy_from_slice(&start.to_le_bytes());
        file[58..60].copy_from_slice(&64u16.to_le_bytes());
        file[60..62].copy_from_slice(&count.to_le_bytes());
        file[62..64].copy_from_slice(&(count - 1).to_le_bytes());
        file.extend(headers);
        file
    }

    fn found(data: &[u8]) -> BTreeSet<String> {
        names(data).map(str::to_owned).collect()
    }

    fn example() -> Vec<u8> {
        let sections = [
            (".rodata.str1.1", SHT_PROGBITS, READ, &b"\0finalbody\0O|i:key\0_bz2.BZ2Compressor\0a\0plain\0unended"[..]),
            (".eh_frame", SHT_PROGBITS, READ, b"\0unwind\0"),
            (".rodata.code", SHT_PROGBITS, CODE, b"\0code\0"),
            (".rodata.data", SHT_PROGBITS, WRITE, b"\0data\0"),
            (".rodata.note", SHT_NOTE, READ, b"\0note\0"),
            (".rodata.debug", SHT_PROGBITS, 0, b"\0debug\0"),
        ];
        elf(&sections)
    }

    #[test]
    fn names_are_identifiers_of_more_than_one_character_behind_the_last_dot() {
        let texts: [&[u8]; 9] = [b"", b"a", b"ab", b"_1", b"1a", b"a b", b"a.bc", b"ab.c", "\u{e9}t\u{e9}".as_bytes()];
        assert_eq!(texts.map(name), [None, None, Some("ab"), Some("_1"), None, None, Some("bc"), None, None]);
        let [longest, longer] = [LONGEST, LONGEST + 1].map(|length| vec![b'n'; length]);
        assert!(name(&longest).is_some() && name(&longer).is_none());
    }

    #[test]
    fn a_file_has_the_names_among_its_read_only_data() {
        let names = ["BZ2Compressor", "finalbody", "plain", "unended"];
        assert_eq!(found(&example()), names.map(str::to_owned).into());
    }

    #[test]
    fn damaged_files_have_no_names_that_are_not_in_them() {
        let whole = example();
        for end in 0..whole.len() {
            assert!(found(&whole[..end]).is_empty(), "the section headers come last");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let is_there = |name: &String| damaged.windows(name.len()).any(|window| window == name.as_bytes());
                assert!(found(&damaged).iter().all(is_there), "byte {at}");
            }
        }
    }

    #[test]
    fn sections_over_the_same_bytes_count_once() {
        let contents = b"name\0".repeat(100);
        let mut file = elf(&[(".rodata", SHT_PROGBITS, READ, &contents[..]); 3]);
        let table = u64::from_le_bytes(file[40..48].try_into().unwrap()) as usize;
        assert_eq!(texts(&file).unwrap().len(), 3);
        // All of them are the whole file.
        for number in 0..3 {
            let size = file.len() as u64;
            file[table + 64 * number..][24..40].copy_from_slice(&[0, size].map(u64::to_le_bytes).concat());
        }
        assert_eq!(texts(&file).unwrap().len(), 1);
    }

    #[test]
    fn only_ordinary_files_of_extension_modules_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let named = |text: &str| elf(&[(".rodata", SHT_PROGBITS, READ, format!("\0{text}\0").as_bytes())]);
        for (file, text) in
            [("one.so", "one"), ("two.abi3.so", "two"), ("_testcapi.so", "tested"), ("three.py", "three")]
        {
            fs::write(path(file), named(text)).unwrap();
        }
        fs::write(path("interpreter"), named("interpreter")).unwrap();
        fs::write(path("text.so"), "no ELF file").unwrap();
        fs::create_dir(path("directory.so")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("dangling.so")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("endless.so")).unwrap();
        fs::File::create(path("large.so")).unwrap().set_len(LARGEST + 1).unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(path("fifo.so")).status().unwrap();
        assert!(fifo.success());
        let entry = |role| SearchEntry { path: directory.path().to_str().unwrap().to_owned(), role };
        let names = |role| native_names(&path("interpreter"), &[entry(role)], &[".so".to_owned()]);
        assert_eq!(Vec::from_iter(names(Role::StdlibDynload)), ["interpreter", "one", "two"]);
        assert_eq!(Vec::from_iter(names(Role::Site)), ["interpreter"]);
    }
}
