//! What a process must show to be the target.

use cds_layout::format::IdentityKind;
use serde::{Deserialize, Serialize};

/// Longest identity that an image's header holds.
pub const MAX_IDENTITY: usize = 32;

/// The build-id of the interpreter, or its substitute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Text", try_from = "Text")]
pub struct Identity {
    /// What `bytes` are.
    pub kind: IdentityKind,
    /// 1 to 32 bytes.
    pub bytes: Vec<u8>,
}

impl Identity {
    /// The bytes as lower-case hexadecimal, as `file` and `readelf -n` print a build-id.
    pub fn hex(&self) -> String {
        self.bytes.iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// An identity as a profile has it.
#[derive(Serialize, Deserialize)]
struct Text {
    kind: Kind,
    bytes: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    BuildId,
    Substitute,
}

impl From<Identity> for Text {
    fn from(identity: Identity) -> Text {
        let kind = match identity.kind {
            IdentityKind::BuildId => Kind::BuildId,
            IdentityKind::Substitute => Kind::Substitute,
        };
        Text { kind, bytes: identity.hex() }
    }
}

impl TryFrom<Text> for Identity {
    type Error = String;

    fn try_from(text: Text) -> Result<Identity, String> {
        let kind = match text.kind {
            Kind::BuildId => IdentityKind::BuildId,
            Kind::Substitute => IdentityKind::Substitute,
        };
        let bytes = from_hex(&text.bytes).ok_or_else(|| format!("`{}` is not hexadecimal", text.bytes))?;
        if bytes.is_empty() || bytes.len() > MAX_IDENTITY {
            return Err(format!("an identity has 1 to {MAX_IDENTITY} bytes, not {}", bytes.len()));
        }
        Ok(Identity { kind, bytes })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let pairs = digits.chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(high << 4 | low) } else { None }).collect()
}
