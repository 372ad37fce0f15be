//! Numbers of foreign documents, as they are counted here.

use serde_json::Value;

/// The first number that is too large.
const LIMIT: u64 = 1 << 48;
/// The same as a float, which holds it exactly.
const LIMIT_F64: f64 = 281_474_976_710_656.0;
/// Longest text that is read as a number.
const MAX_TEXT: usize = 32;

/// A whole number.
pub(super) fn whole(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) if text.len() <= MAX_TEXT => text.trim().parse().ok(),
        _ => None,
    };
    if number.is_none() {
        return scaled(value, 1.0).filter(|_| fraction(value) == Some(0.0));
    }
    number.filter(|number| *number < LIMIT)
}

/// A number times the scale, rounded.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before the cast"
)]
pub(super) fn scaled(value: &Value, scale: f64) -> Option<u64> {
    let scaled = (float(value)? * scale).round();
    (0.0..LIMIT_F64).contains(&scaled).then_some(scaled as u64)
}

/// Bits per second as bytes per second, rounded half up.
pub(super) fn bytes_per_second(bits: &Value) -> Option<u64> {
    match bits {
        Value::Number(number) if number.is_u64() => {
            let bits = number.as_u64()?;
            Some(bits / 8 + u64::from(bits % 8 >= 4)).filter(|bytes| *bytes < LIMIT)
        }
        bits => scaled(bits, 0.125),
    }
}

/// Whether it says no.
pub(super) fn is_false(value: &Value) -> bool {
    value == &Value::Bool(false) || value.as_str() == Some("false")
}

/// A finite number.
pub(super) fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.len() <= MAX_TEXT => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

fn fraction(value: &Value) -> Option<f64> {
    Some(float(value)?.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_whole_number_is_below_the_limit_and_has_no_fraction() {
        for (value, number) in [
            (json!(0), Some(0)),
            (json!(LIMIT - 1), Some(LIMIT - 1)),
            (json!("281474976710655"), Some(LIMIT - 1)),
            (json!(7.0), Some(7)),
            (json!(" 7 "), Some(7)),
            (json!(LIMIT), None),
            (json!(u64::MAX), None),
            (json!(7.5), None),
            (json!(-1), None),
            (json!("-1"), None),
            (json!("1e300"), None),
            (json!("inf"), None),
            (json!("NaN"), None),
            (json!("0".repeat(33)), None),
            (json!(null), None),
            (json!(true), None),
            (json!([7]), None),
        ] {
            assert_eq!(whole(&value), number, "{value}");
        }
    }

    #[test]
    fn bits_become_bytes_exactly() {
        for (bits, bytes) in [
            (json!(13_200_000), Some(1_650_000)),
            (json!(12), Some(2)),
            (json!(11), Some(1)),
            (json!(8 * (LIMIT - 1)), Some(LIMIT - 1)),
            (json!(8 * LIMIT), None),
            (json!(u64::MAX), None),
            (json!("13200000"), Some(1_650_000)),
            (json!(100.5), Some(13)),
            (json!(-8), None),
            (json!("x"), None),
        ] {
            assert_eq!(bytes_per_second(&bits), bytes, "{bits}");
        }
    }
}
