//! Lists of numbers in JSON as floats of 32 bits, rounded as Python does: first to 64 bits and then to 32.

/// The powers of ten up to 10^15, which a float of 64 bits has exactly.
const POWERS: [u64; 16] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
    1_000_000_000,
    10_000_000_000,
    100_000_000_000,
    1_000_000_000_000,
    10_000_000_000_000,
    100_000_000_000_000,
    1_000_000_000_000_000,
];

/// A float of 64 bits has every integer up to this one.
const EXACT: u64 = 1 << 53;

/// Read a list of at least one number.
///
/// Returns what follows its bracket; None if it is not such a list, or a number does not fit 32 bits. Then `floats` may have some
/// of the numbers.
///
/// - `list`: The text after the opening bracket.
/// - `floats`: Where the numbers go, little-endian.
pub fn read_list<'a>(list: &'a [u8], floats: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = after_space(list);
    loop {
        let (number, after) = short_number(rest).or_else(|| any_number(rest))?;
        let float = number as f32;
        if !float.is_finite() {
            return None;
        }
        floats.extend_from_slice(&float.to_le_bytes());
        rest = match after_space(after).split_first()? {
            (b',', after) => after_space(after),
            (b']', after) => return Some(after),
            _ => return None,
        };
    }
}

/// Return a text without the white space at its beginning.
pub fn after_space(mut text: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t' | b'\r' | b'\n', rest)) = text.split_first() {
        text = rest;
    }
    text
}

/// Read a number such as `-0.01234567`, with one digit before the point and 1 to 15 digits after it, and return what follows it.
///
/// It has no branch that depends on the sign or on the number of digits, because a processor can't predict them. The quotient of
/// two integers that a float has exactly is rounded once, so it is the nearest float.
#[inline]
fn short_number(text: &[u8]) -> Option<(f64, &[u8])> {
    let is_negative = text.first() == Some(&b'-');
    let ([first, b'.'], fraction) = text.get(usize::from(is_negative)..)?.split_first_chunk::<2>()? else { return None };
    let whole = first.wrapping_sub(b'0');
    let (digits, count) = digits(fraction.first_chunk()?);
    let rest = fraction.get(count..)?;
    let power = *POWERS.get(count)?;
    let number = u64::from(whole) * power + digits;
    if whole > 9 || count == 0 || number > EXACT || matches!(rest.first(), Some(b'e' | b'E')) {
        return None;
    }
    let quotient = number as f64 / power as f64;
    Some((if is_negative { -quotient } else { quotient }, rest))
}

/// Return the value of the digits at the beginning of 16 bytes, and how many there are.
#[inline]
fn digits(bytes: &[u8; 16]) -> (u64, usize) {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    let word = u128::from_le_bytes(*bytes);
    // In each byte up to the first that is not a digit, as no lower byte has a carry: the digit, and the highest bit if it is none.
    let values = word.wrapping_sub(ONES * 0x30);
    let others = (word.wrapping_add(ONES * 0x46) | values) & (ONES * 0x80);
    let count = others.trailing_zeros() / 8;
    let values = values.checked_shl(128 - 8 * count).unwrap_or(0);
    (eight_digits(values as u64) * 100_000_000 + eight_digits((values >> 64) as u64), count as usize)
}

/// Return the number of eight digits from 0 to 9, the first in the lowest byte: pairs, then fours, then all.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let outer = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(100 + (1_000_000 << 32));
    let inner = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(1 + (10_000 << 32));
    outer.wrapping_add(inner) >> 32
}

/// Read any number of JSON and return what follows it. `-0` is not read: Python makes an integer of it, which has no sign.
fn any_number(text: &[u8]) -> Option<(f64, &[u8])> {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let whole = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // The library also reads `1.` and `1.e5`, `.5`, `01`, `+1` and `inf`.
    let has_digits = match unsigned {
        [b'0', ..] => whole == 1,
        _ => whole > 0,
    };
    let is_json = has_digits
        && match unsigned.get(whole..)? {
            [b'.', next, ..] => next.is_ascii_digit(),
            rest => rest != b".",
        };
    if !is_json {
        return None;
    }
    let (number, length) = fast_float2::parse_partial::<f64, _>(text).ok()?;
    if length == 2 && text.starts_with(b"-0") { None } else { Some((number, text.get(length..)?)) }
}
