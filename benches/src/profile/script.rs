//! What `perf script -F time,ip,sym,dso` prints: for each sample a line with its time, then a line for each frame.

use std::io::BufRead;

use anyhow::{Context, Result};

/// A function on the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The address.
    pub address: u64,
    /// The function's name, `[unknown]` where there is none.
    pub symbol: String,
    /// The file, or what stands for one: `[kernel.kallsyms]`, `[unknown]`.
    pub object: String,
}

/// Gives away every sample: its time in nanoseconds, and its stack from the inside out. Lines that are neither are
/// perf's own remarks, and left out.
pub fn read(input: impl BufRead, mut sample: impl FnMut(u64, &[Frame])) -> Result<()> {
    let mut at: Option<u64> = None;
    let mut stack = Vec::new();
    // Names of functions are whatever their compiler made of them.
    for line in input.split(b'\n') {
        let line = line.context("cannot read what perf prints")?;
        let line = String::from_utf8_lossy(&line);
        if let Some(time) = time(&line) {
            if let Some(before) = at.replace(time) {
                sample(before, &stack);
            }
            stack.clear();
        } else if let Some(frame) = frame(&line).filter(|_| at.is_some()) {
            stack.push(frame);
        }
    }
    if let Some(last) = at {
        sample(last, &stack);
    }
    Ok(())
}

/// `  76040.263603:` or, with `--ns`, `76040.263603117:`.
fn time(line: &str) -> Option<u64> {
    let (seconds, fraction) = line.trim().strip_suffix(':')?.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanoseconds: u64 = format!("{fraction:0<9}").parse().ok()?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

/// `  7f63c68f2ad7 name of a function (/path/of a file)`.
fn frame(line: &str) -> Option<Frame> {
    let (address, rest) = line.trim().split_once(' ')?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let rest = rest.strip_suffix(')')?;
    // Both may have parentheses in them: `f(int)`, and `/tmp/x.so (deleted)`.
    let from = rest.rfind(" (/").or_else(|| rest.rfind(" (["))?;
    let (symbol, object) = rest.split_at(from);
    Some(Frame { address, symbol: symbol.trim().to_owned(), object: object[" (".len()..].to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(u64, Vec<Frame>)> {
        let mut found = Vec::new();
        read(text, |time, stack| found.push((time, stack.to_vec()))).unwrap();
        found
    }

    fn frame(address: u64, symbol: &str, object: &str) -> Frame {
        Frame { address, symbol: symbol.to_owned(), object: object.to_owned() }
    }

    #[test]
    fn samples_with_their_stacks() {
        let text = b"  1.5: \n\tffffffff81000c82 asm_exc_page_fault ([kernel.kallsyms])\n\t    7f63c6 [unknown] ([unknown])\n\n\
                     76040.263603117:\n\t  14 cds_loader::fixup::copied::<impl u64>::at (/a b/cds_loader.abi3.so)\n";
        let first = vec![
            frame(0xffff_ffff_8100_0c82, "asm_exc_page_fault", "[kernel.kallsyms]"),
            frame(0x7f_63c6, "[unknown]", "[unknown]"),
        ];
        let second = vec![frame(0x14, "cds_loader::fixup::copied::<impl u64>::at", "/a b/cds_loader.abi3.so")];
        assert_eq!(all(text), [(1_500_000_000, first), (76_040_263_603_117, second)]);
    }

    #[test]
    fn odd_lines() {
        let text = b"Warning: 3 samples: lost.\n\t7f (a frame of nothing)\n\
                     2.000001:\n\t10 operator new(unsigned long) (/usr/lib/libstdc++.so.6 (deleted))\n\
                     \t11 f (int) ([vdso])\n\tno frame ([unknown])\n\t12\n\t13 cut (/usr/li\n\
                     2.000002: \n\n2.000003:\n\t15 \xff\xfe (//anon)\n2.5x:\n3:\n2.1234567890:\n";
        let stacks = [
            (
                2_000_001_000,
                vec![
                    frame(0x10, "operator new(unsigned long)", "/usr/lib/libstdc++.so.6 (deleted)"),
                    frame(0x11, "f (int)", "[vdso]"),
                ],
            ),
            (2_000_002_000, Vec::new()),
            (2_000_003_000, vec![frame(0x15, "\u{fffd}\u{fffd}", "//anon")]),
        ];
        assert_eq!(all(text), stacks);
        assert!(all(b"").is_empty());
    }
}
