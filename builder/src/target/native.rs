//! Names in native code: what an interpreter or an extension module may intern before an image can.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use goblin::elf::Elf;
use goblin::elf::section_header::{SHF_ALLOC, SHF_EXECINSTR, SHT_PROGBITS};

use super::{Role, SearchEntry};

/// Names in the interpreter's own file and in the extension modules of its standard library, sorted.
///
/// A hint: a file that cannot be read has none.
pub fn native_names(interpreter: &Path, search_path: &[SearchEntry], suffixes: &[String]) -> BTreeSet<String> {
    let directories = search_path.iter().filter(|entry| entry.role == Role::StdlibDynload);
    let extensions = directories.flat_map(|entry| extensions(Path::new(&entry.path), suffixes));
    let files = extensions.chain([interpreter.to_owned()]);
    files.filter_map(|file| fs::read(file).ok()).flat_map(|data| names(&data)).collect()
}

fn extensions(directory: &Path, suffixes: &[String]) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let is_extension = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| suffixes.iter().any(|end| name.ends_with(end)))
    };
    entries.map(|entry| entry.path()).filter(is_extension).collect()
}

/// C strings in a file's data that could be names.
fn names(data: &[u8]) -> BTreeSet<String> {
    let Ok(elf) = Elf::parse(data) else { return BTreeSet::new() };
    let is_data = |flags: u64| flags & u64::from(SHF_ALLOC) != 0 && flags & u64::from(SHF_EXECINSTR) == 0;
    let sections = elf.section_headers.iter().filter(|s| s.sh_type == SHT_PROGBITS && is_data(s.sh_flags));
    let contents = sections.filter_map(|section| data.get(section.file_range()?));
    contents.flat_map(|contents| contents.split(|&byte| byte == 0)).filter_map(name).map(str::to_owned).collect()
}

/// The text as an ASCII identifier of more than one character: of those with one, every interpreter has its own.
fn name(text: &[u8]) -> Option<&str> {
    let (first, rest) = text.split_first()?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let is_name = !rest.is_empty() && !first.is_ascii_digit() && text.iter().all(is_part);
    str::from_utf8(text).ok().filter(|_| is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_of_more_than_one_character() {
        let texts: [&[u8]; 8] = [b"", b"a", b"ab", b"_1", b"1a", b"a b", b"a.b", "\u{e9}t\u{e9}".as_bytes()];
        assert_eq!(texts.map(name), [None, None, Some("ab"), Some("_1"), None, None, None, None]);
    }

    #[test]
    fn a_file_has_the_names_of_its_data_and_other_files_have_none() {
        // A literal that nothing else in this program's file ends in.
        let literal = std::hint::black_box(c"cds_a_name_in_data");
        let own = std::env::current_exe().unwrap();
        let found = native_names(&own, &[], &[]);
        assert!(found.contains(literal.to_str().unwrap()), "{} names", found.len());

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::copy(&own, path.join("one.abi3.so")).unwrap();
        fs::write(path.join("two.abi3.so"), b"no ELF file").unwrap();
        fs::write(path.join("three.py"), b"").unwrap();
        let entry = |role| SearchEntry { path: path.to_str().unwrap().to_owned(), role };
        let names = |role| native_names(&path.join("none"), &[entry(role)], &[".abi3.so".to_owned()]);
        assert_eq!(names(Role::StdlibDynload), found);
        assert_eq!(names(Role::Site), BTreeSet::new());
    }
}
