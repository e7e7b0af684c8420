//! The ELF objects mapped into this process, as the dynamic linker lists them.

use std::ffi::{CStr, c_int, c_void};

use libc::{Elf64_Phdr, PF_W, PT_LOAD, PT_NOTE, dl_phdr_info};

/// A mapped ELF object.
#[derive(Debug, Clone)]
pub struct MappedObject {
    /// Load bias: what is added to the file's virtual addresses.
    pub bias: usize,
    /// The program headers, byte for byte.
    pub headers: Vec<u8>,
    /// The loaded segments.
    pub segments: Vec<Segment>,
    notes: Vec<(usize, usize)>,
}

/// A loaded segment: addresses of this process.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// First address.
    pub start: usize,
    /// First address behind it.
    pub end: usize,
    /// Whether it is mapped for writing.
    pub writable: bool,
}

impl MappedObject {
    /// The object that `address` lies in.
    pub fn containing(address: usize) -> Option<MappedObject> {
        let mut search = Search { address, found: None };
        // SAFETY: the callback is called during this call only, with a pointer to `search`.
        unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
        search.found
    }

    /// Whether the range lies in one loaded segment; `writable` demands that it may be written to.
    pub fn covers(&self, start: usize, size: usize, writable: bool) -> bool {
        let Some(end) = start.checked_add(size) else { return false };
        self.segments.iter().any(|s| s.start <= start && end <= s.end && (s.writable || !writable))
    }

    /// `NT_GNU_BUILD_ID` of the object.
    pub fn build_id(&self) -> Option<Vec<u8>> {
        self.notes.iter().find_map(|&(start, size)| {
            if !self.covers(start, size, false) {
                return None;
            }
            // SAFETY: the range lies in a loaded segment of a mapped object: notes are read-only and stay.
            find_build_id(unsafe { std::slice::from_raw_parts(start as *const u8, size) })
        })
    }

    fn from_info(info: &dl_phdr_info) -> MappedObject {
        // SAFETY: the dynamic linker gives the address and number of the object's program headers.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let bias = info.dlpi_addr as usize;
        let address = |h: &Elf64_Phdr| bias.wrapping_add(h.p_vaddr as usize);
        let of_type = |kind| headers.iter().filter(move |h| h.p_type == kind);
        MappedObject {
            bias,
            // SAFETY: program headers are plain numbers without padding.
            headers: unsafe { std::slice::from_raw_parts(headers.as_ptr().cast::<u8>(), size_of_val(headers)) }
                .to_vec(),
            segments: of_type(PT_LOAD)
                .map(|h| Segment {
                    start: address(h),
                    end: address(h).wrapping_add(h.p_memsz as usize),
                    writable: h.p_flags & PF_W != 0,
                })
                .collect(),
            notes: of_type(PT_NOTE).map(|h| (address(h), h.p_memsz as usize)).collect(),
        }
    }
}

struct Search {
    address: usize,
    found: Option<MappedObject>,
}

unsafe extern "C" fn visit(info: *mut dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
    // SAFETY: `MappedObject::containing` passes a pointer to a `Search` that nobody else uses now; the
    // dynamic linker passes a pointer to the description of an object.
    let (search, info) = unsafe { (&mut *data.cast::<Search>(), &*info) };
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: as in `MappedObject::from_info`.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let offset = search.address.wrapping_sub(info.dlpi_addr as usize) as u64;
    if !headers.iter().any(|h| h.p_type == PT_LOAD && offset.wrapping_sub(h.p_vaddr) < h.p_memsz) {
        return 0;
    }
    search.found = Some(MappedObject::from_info(info));
    1
}

/// The build-id in a sequence of ELF notes with 4-byte alignment.
fn find_build_id(mut notes: &[u8]) -> Option<Vec<u8>> {
    const NT_GNU_BUILD_ID: u32 = 3;
    while notes.len() >= 12 {
        let word = |at: usize| u32::from_le_bytes([notes[at], notes[at + 1], notes[at + 2], notes[at + 3]]);
        let (name_size, size, kind) = (word(0) as usize, word(4) as usize, word(8));
        let start = 12 + name_size.next_multiple_of(4);
        let name = notes.get(12..12 + name_size)?;
        let contents = notes.get(start..start.checked_add(size)?)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return Some(contents.to_vec());
        }
        notes = notes.get(start + size.next_multiple_of(4)..)?;
    }
    None
}

/// Address of a symbol that the interpreter exports.
pub fn symbol(name: &CStr) -> Option<usize> {
    // SAFETY: a C string.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) } as usize;
    (address != 0).then_some(address)
}

/// As [`symbol`], for a name that is not a C string.
pub fn symbol_named(name: &str) -> Option<usize> {
    symbol(&std::ffi::CString::new(name).ok()?)
}

#[cfg(test)]
mod tests {
    use super::find_build_id;

    #[test]
    fn finds_the_build_id_behind_another_note() {
        let mut notes = Vec::new();
        for (kind, contents) in [(1u32, &b"abc"[..]), (3, &b"\x01\x02\x03\x04\x05"[..])] {
            notes.extend_from_slice(&4u32.to_le_bytes());
            notes.extend_from_slice(&(contents.len() as u32).to_le_bytes());
            notes.extend_from_slice(&kind.to_le_bytes());
            notes.extend_from_slice(b"GNU\0");
            notes.extend_from_slice(contents);
            notes.resize(notes.len().next_multiple_of(4), 0);
        }
        assert_eq!(find_build_id(&notes), Some(vec![1, 2, 3, 4, 5]));
        for end in 0..notes.len() - 3 {
            assert_eq!(find_build_id(&notes[..end]), None);
        }
    }
}
