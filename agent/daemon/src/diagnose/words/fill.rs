//! Values in sentences, with their units.

use super::super::values::Values;
use serde_json::Value;

/// Fills the values into a sentence. `[…]` is left out if a value in it is missing; what begins the sentence then is no
/// comma or semicolon.
pub fn fill(sentence: &str, values: &Values) -> String {
    let mut text = String::new();
    let mut rest = sentence;
    while let Some(open) = rest.find('[') {
        let (before, group) = rest.split_at(open);
        let close = group.find(']').unwrap_or(group.len() - 1);
        text.push_str(&filled(before, values).unwrap_or_default());
        if let Some(group) = filled(&group[1..close], values) {
            let group = if text.is_empty() {
                group.trim_start_matches([',', ';', ' ', ':'])
            } else {
                &group
            };
            text.push_str(group);
        }
        rest = &group[close + 1..];
    }
    text.push_str(&filled(rest, values).unwrap_or_default());
    text
}

/// A part without groups; `None` if a value is missing.
fn filled(part: &str, values: &Values) -> Option<String> {
    let mut text = String::new();
    let mut rest = part;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}')?;
        text.push_str(before);
        text.push_str(&shown(name, values.0.get(name)?));
        rest = behind;
    }
    text.push_str(rest);
    Some(text)
}

/// A value in the unit that its name ends with.
fn shown(name: &str, value: &Value) -> String {
    let number = value.as_i64();
    let unit = name.rsplit('_').next().unwrap_or_default();
    match (value, number, unit) {
        (Value::Bool(true), ..) => "yes".to_owned(),
        (Value::Bool(false), ..) => "no".to_owned(),
        (_, Some(1..50), "us") => "< 0.1 ms".to_owned(),
        (_, Some(us), "us") => format!("{} ms", digits(us, 3)),
        (_, Some(kbps), "kbps") if kbps < 1000 => format!("{kbps} kbit/s"),
        (_, Some(kbps), "kbps") => format!("{} Mbit/s", digits(kbps, 3)),
        (_, Some(ppm), "ppm") => format!("{} %", digits(ppm, 4)),
        (_, Some(percent), "percent") => format!("{percent} %"),
        (_, Some(dbm), "dbm") => format!("{dbm} dBm"),
        (_, Some(bytes), "bytes") => format!("{bytes} bytes"),
        (Value::String(text), ..) if name == "direction" => format!("{text}load"),
        (Value::String(text), ..) => text.clone(),
        (other, ..) => other.to_string(),
    }
}

/// `number` thousandths (`places` 3) or so in two or three digits that count.
fn digits(number: i64, places: u32) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let number = number.unsigned_abs();
    let one = 10_u64.pow(places);
    if number >= one * 10 {
        return format!("{sign}{}", (number + one / 2) / one);
    }
    let tenths = (number * 10 + one / 2) / one;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{sign}{whole}"),
        (whole, tenth) => format!("{sign}{whole}.{tenth}"),
    }
}
