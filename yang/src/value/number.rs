//! Integers and `decimal64` (RFC 7950 §9.2, §9.3).

use std::borrow::Cow;

use super::{Reject, shown};

/// Digits a number written with an exponent may grow to.
const LONGEST: usize = 40;

/// A JSON number without exponent, if that can be done; else as it was.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let expanded = || -> Option<String> {
        let (mantissa, exponent) = text.split_once(['e', 'E'])?;
        let exponent: i32 = exponent.parse().ok()?;
        let (sign, mantissa) = mantissa
            .strip_prefix('-')
            .map_or(("", mantissa), |rest| ("-", rest));
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
        let mut digits = format!("{whole}{part}");
        let point = usize::try_from(point).ok()?;
        if point > LONGEST || digits.len() > LONGEST {
            return None;
        }
        while digits.len() < point {
            digits.push('0');
        }
        let part = digits.split_off(point);
        let whole = if digits.is_empty() { "0" } else { &digits };
        if part.trim_end_matches('0').is_empty() {
            Some(format!("{sign}{whole}"))
        } else {
            Some(format!("{sign}{whole}.{part}"))
        }
    };
    expanded().map_or(Cow::Borrowed(text), Cow::Owned)
}

/// An integer of so many bits.
pub(super) fn integer(text: &str, bits: u8, signed: bool) -> Result<i128, Reject> {
    let trimmed = text.trim_ascii();
    let number: i128 = trimmed
        .parse()
        .map_err(|_| Reject::new(format!("'{}' is no integer", shown(text))))?;
    let bits = u32::from(bits.clamp(1, 64));
    let (low, high) = if signed {
        (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
    } else {
        (0, (1_i128 << bits) - 1)
    };
    if number < low || number > high {
        return Err(Reject::new(format!(
            "number {number} is not in {low}..{high}"
        )));
    }
    Ok(number)
}

/// A `decimal64`, times ten to the power of `digits`.
pub(super) fn decimal(text: &str, digits: u8) -> Result<i128, Reject> {
    let wrong = || {
        Reject::new(format!(
            "'{}' is no number with at most {digits} digits after the point",
            shown(text)
        ))
    };
    let trimmed = text.trim_ascii();
    let (negative, unsigned) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let (whole, part) = match unsigned.split_once('.') {
        Some((_, "")) => return Err(wrong()),
        Some(both) => both,
        None => (unsigned, ""),
    };
    let part = part.trim_end_matches('0');
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) || part.len() > usize::from(digits)
    {
        return Err(wrong());
    }
    let mut number: i128 = 0;
    for digit in whole
        .bytes()
        .chain(part.bytes())
        .chain(std::iter::repeat_n(b'0', usize::from(digits) - part.len()))
    {
        number = number * 10 + i128::from(digit - b'0');
        if number > 1 << 64 {
            return Err(wrong());
        }
    }
    let number = if negative { -number } else { number };
    i64::try_from(number).map(i128::from).map_err(|_| wrong())
}

/// The canonical text of a `decimal64`.
pub(super) fn print_decimal(number: i128, digits: u8) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let width = usize::from(digits) + 1;
    let all = format!("{:0width$}", number.unsigned_abs());
    let (whole, part) = all.split_at(all.len() - usize::from(digits));
    let part = part.trim_end_matches('0');
    let part = if part.is_empty() { "0" } else { part };
    format!("{sign}{whole}.{part}")
}
