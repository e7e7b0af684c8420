//! The text section: names and paths that records point into.

use cds_layout::format::TextRef;
use std::collections::{HashMap, HashSet};

/// Texts, each stored once.
#[derive(Debug)]
pub struct Text {
    /// The section.
    pub bytes: Vec<u8>,
    known: HashMap<String, TextRef>,
}

impl Text {
    /// Lays texts out, the first ones at the end of the section: what lies behind that is read together with them.
    pub fn ending_with<'a>(texts: impl Iterator<Item = &'a str>) -> Text {
        let mut seen = HashSet::new();
        let texts: Vec<&str> = texts.filter(|text| seen.insert(*text)).collect();
        let (mut bytes, mut known) = (Vec::new(), HashMap::new());
        for text in texts.into_iter().rev() {
            known.insert(text.to_owned(), TextRef { start: bytes.len() as u32, len: text.len() as u32 });
            bytes.extend_from_slice(text.as_bytes());
        }
        Text { bytes, known }
    }

    /// Where one of them is.
    ///
    /// # Panics
    ///
    /// If it is none of them.
    pub fn at(&self, text: &str) -> TextRef {
        self.known[text]
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn each_text_is_there_once_where_its_first_use_puts_it() {
        let texts = ["lib", "os", "os.py", "", "json", "__init__.py", "os", "email", "__init__.py"];
        let text = Text::ending_with(texts.into_iter());
        assert_eq!(text.bytes, b"email__init__.pyjsonos.pyoslib");
        for one in texts {
            assert_eq!(text.at(one).get(&text.bytes), Some(one));
        }
        assert!(Text::ending_with([].into_iter()).bytes.is_empty());
    }
}
