//! The text section: paths and names of objects that records point into.

use cds_layout::format::TextRef;
use std::collections::HashMap;

/// Texts, each stored once.
#[derive(Debug)]
pub struct Text {
    /// The section.
    pub bytes: Vec<u8>,
    known: HashMap<String, TextRef>,
}

impl Text {
    /// Lays texts out in their order.
    pub fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Text {
        let (mut bytes, mut known) = (Vec::new(), HashMap::new());
        for text in texts {
            known.entry(text.to_owned()).or_insert_with(|| {
                let start = bytes.len() as u32;
                bytes.extend_from_slice(text.as_bytes());
                TextRef { start, len: text.len() as u32 }
            });
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
        let texts = ["lib", "json", "", "lib/python", "json", "email/mime", "lib"];
        let text = Text::new(texts.into_iter());
        assert_eq!(text.bytes, b"libjsonlib/pythonemail/mime");
        for one in texts {
            assert_eq!(text.at(one).get(&text.bytes), Some(one));
        }
        assert!(Text::new([].into_iter()).bytes.is_empty());
    }
}
