//! Numbers: `int` in 15-bit digits, `float` as bits or as text.

use super::cursor::Cursor;
use super::error::{MarshalError, Problem};
use crate::graph::Int;

/// `TYPE_LONG`: a signed count of 15-bit digits, least significant first (`r_PyLong`).
pub(super) fn long(cursor: &mut Cursor<'_>) -> Result<Int, MarshalError> {
    let at = cursor.offset();
    let fail = |problem| MarshalError { offset: at, problem };
    let count = cursor.i32()?;
    if count == i32::MIN {
        return Err(fail(Problem::Length(count)));
    }
    let shorts: Vec<u16> = cursor
        .take(2 * count.unsigned_abs() as usize)?
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    if let Some(&digit) = shorts.iter().find(|&&digit| digit >= 1 << 15) {
        return Err(fail(Problem::Digit(digit)));
    }
    if shorts.last() == Some(&0) {
        return Err(fail(Problem::UnnormalisedInt));
    }
    let digits = shorts.chunks(2).map(|pair| match *pair {
        [low, high] => u32::from(low) | u32::from(high) << 15,
        [low] => u32::from(low),
        _ => unreachable!("chunks of two have one or two items"),
    });
    Ok(Int { negative: count < 0, digits: digits.collect() })
}

/// The bits of a binary float.
pub(super) fn float_bits(cursor: &mut Cursor<'_>) -> Result<u64, MarshalError> {
    Ok(u64::from_le_bytes(cursor.array()?))
}

/// The bits of a float written as text with a one-byte length, which only old marshal versions write.
pub(super) fn float_text(cursor: &mut Cursor<'_>) -> Result<u64, MarshalError> {
    let at = cursor.offset();
    let length = cursor.byte()?;
    let bytes = cursor.take(usize::from(length))?;
    // `r_float_str` hands the text on as a C string.
    let bytes = bytes.split(|&b| b == 0).next().unwrap_or_default();
    let value = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok());
    match value {
        // Rust leaves the sign and payload of a NaN open; `_Py_parse_inf_or_nan` (`Python/pystrtod.c`) does not.
        Some(value) if value.is_nan() => {
            Ok(0x7ff8_0000_0000_0000 | if bytes.first() == Some(&b'-') { 1 << 63 } else { 0 })
        }
        Some(value) => Ok(value.to_bits()),
        None => Err(MarshalError { offset: at, problem: Problem::FloatText }),
    }
}
