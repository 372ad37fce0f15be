//! Things with many members, one a line: `upnp` and `wifi`, and whatever this program has no words for.

use super::figures::{Figures, plain, text_of};
use super::layout::{Align, lines, row, table, wrap};
use super::quantity::{bytes, cell, count, rate};
use serde_json::{Map, Value};

/// Characters of nested members that are shown.
const NESTED_LIMIT: usize = 400;
/// Characters of a hash that tell two of them apart.
const HASH_SHOWN: usize = 12;

/// What a member is.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    /// Bits per second.
    Bits,
    Kilobits,
    Bytes,
    /// With its unit.
    Of(&'static str),
    /// Hundredths of dBm.
    Mbm,
    /// A name that was hashed.
    Hash,
}

/// A member, what people call it, what it is.
type Field = (&'static str, &'static str, Form);

const DEVICE: &[Field] = &[
    ("friendly_name", "name", Form::Plain),
    ("device_type", "type", Form::Plain),
    ("manufacturer", "manufacturer", Form::Plain),
    ("model_name", "model", Form::Plain),
    ("model_number", "model number", Form::Plain),
    ("model_description", "description", Form::Plain),
    ("serial_number", "serial number", Form::Hash),
    ("u_d_n", "unique name", Form::Hash),
    ("server", "server", Form::Plain),
    ("root_desc_url", "described at", Form::Plain),
    ("lan_ip_address", "seen from", Form::Plain),
    ("status", "connection", Form::Plain),
    ("connection_type", "connection type", Form::Plain),
    ("external_ip_address", "outer address", Form::Plain),
    ("uptime", "connected for", Form::Of("s")),
    ("last_connection_error", "last error", Form::Plain),
    ("link_layer_max_download", "line down", Form::Bits),
    ("link_layer_max_upload", "line up", Form::Bits),
    ("total_bytes_received", "received", Form::Bytes),
    ("total_bytes_sent", "sent", Form::Bytes),
    ("total_packets_received", "packets received", Form::Plain),
    ("total_packets_sent", "packets sent", Form::Plain),
    ("number_of_port_mappings", "port mappings", Form::Plain),
    ("firewall_enabled", "IPv6 firewall", Form::Plain),
    (
        "inbound_pinhole_allowed",
        "IPv6 pinholes allowed",
        Form::Plain,
    ),
    ("error", "missing because", Form::Plain),
];

const LINK: &[Field] = &[
    ("mode", "mode", Form::Plain),
    ("ssid", "network", Form::Hash),
    ("bssid", "access point", Form::Plain),
    ("channel", "channel", Form::Plain),
    ("frequency", "frequency", Form::Of("MHz")),
    ("width_mhz", "width", Form::Of("MHz")),
    ("tx_power_mbm", "transmit power", Form::Mbm),
    ("level", "signal", Form::Of("dBm")),
    ("level_average_dbm", "signal on average", Form::Of("dBm")),
    ("noise_dbm", "noise", Form::Of("dBm")),
    ("tx_bitrate_kbps", "sends at", Form::Kilobits),
    ("rx_bitrate_kbps", "receives at", Form::Kilobits),
    ("connected_s", "connected for", Form::Of("s")),
    ("inactive_ms", "silent for", Form::Of("ms")),
    ("tx_packets", "packets sent", Form::Plain),
    ("tx_retries", "sent again", Form::Plain),
    ("tx_failed", "given up", Form::Plain),
    ("active_ms", "channel watched for", Form::Of("ms")),
    ("busy_ms", "  of it busy", Form::Of("ms")),
    ("receive_ms", "  receiving", Form::Of("ms")),
    ("transmit_ms", "  sending", Form::Of("ms")),
];

/// A block for each device.
pub(super) fn upnp(figures: Figures<'_>) -> String {
    let devices: Vec<(&str, Figures<'_>)> = figures
        .iter()
        .filter_map(|(place, device)| Some((place, Figures::new(device.as_object()?))))
        .collect();
    if devices.is_empty() {
        return "upnp: no device answered\n".to_owned();
    }
    let mut text = format!("upnp: {}\n", count(devices.len() as u64, "device"));
    for (place, device) in devices {
        text.push('\n');
        text.push_str(&plain(place, NESTED_LIMIT));
        text.push('\n');
        block(&mut text, device, DEVICE, &[]);
    }
    text
}

/// A block for each interface.
pub(super) fn wifi(figures: Figures<'_>) -> String {
    let links: Vec<Figures<'_>> = figures.each("ap_list").collect();
    if links.is_empty() {
        return "wifi: this machine has no Wi-Fi interface\n".to_owned();
    }
    let mut text = format!("wifi: {}\n", count(links.len() as u64, "interface"));
    for link in links {
        text.push('\n');
        text.push_str(&link.text("interface").unwrap_or_else(|| "?".to_owned()));
        text.push('\n');
        block(&mut text, link, LINK, &["interface", "stations"]);
        if link.has("stations") {
            stations(&mut text, link);
        }
    }
    text
}

/// The clients of an access point.
fn stations(text: &mut String, link: Figures<'_>) {
    let mut rows = vec![row([
        "client",
        "signal",
        "sends at",
        "receives at",
        "silent for",
    ])];
    for (place, station) in link.each("stations").enumerate() {
        rows.push(vec![
            (place + 1).to_string(),
            cell(station.number("level"), |dbm| format!("{dbm} dBm")),
            // What we send it receives.
            cell(station.number("rx_bitrate_kbps"), kilobits),
            cell(station.number("tx_bitrate_kbps"), kilobits),
            cell(station.number("inactive_ms"), |ms| format!("{ms} ms")),
        ]);
    }
    if rows.len() == 1 {
        text.push_str("  no clients\n");
    } else {
        lines(text, &table(2, &[Align::Right], &rows));
    }
}

/// A method without words of its own, such as a plug-in: names and values as they are.
pub(super) fn unknown(head: &str, figures: Figures<'_>) -> String {
    let mut text = format!("{head}: ok\n");
    block(&mut text, figures, &[], &[]);
    text
}

/// The members, those of `fields` in their order first, but those `elsewhere`; null is left out.
fn block(text: &mut String, figures: Figures<'_>, fields: &[Field], elsewhere: &[&str]) {
    let known = fields.iter().filter_map(|&(name, label, form)| {
        Some((label.to_owned(), shown(figures.value(name)?, form)?))
    });
    let others = figures.iter().filter_map(|(name, value)| {
        let is_told = elsewhere.contains(&name) || fields.iter().any(|field| field.0 == name);
        let value = shown(value, Form::Plain).filter(|_| !is_told)?;
        Some((plain(name, NESTED_LIMIT), value))
    });
    let pairs: Vec<(String, String)> = known.chain(others).collect();
    let width = pairs
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    // A single long name must not push all values to the right.
    let width = width.min(32);
    for (name, value) in pairs {
        let colon = format!("{name}:");
        let colon_width = width + 1;
        wrap(
            text,
            &format!("  {colon:<colon_width$}  "),
            &value,
            width + 5,
        );
    }
}

/// The value in words; `None` where there is nothing to say.
fn shown(value: &Value, form: Form) -> Option<String> {
    let number = value.as_f64();
    match (form, number) {
        (Form::Bits, Some(bps)) => Some(rate(bps)),
        (Form::Kilobits, Some(kbps)) => Some(kilobits(kbps)),
        (Form::Bytes, Some(number)) => Some(bytes(number)),
        (Form::Of(unit), Some(number)) => Some(format!("{number} {unit}")),
        (Form::Mbm, Some(mbm)) => Some(format!("{:.0} dBm", mbm / 100.0)),
        (Form::Hash, None) => text_of(value).map(|hash| {
            let start: String = hash.chars().take(HASH_SHOWN).collect();
            format!("{start}… (hash)")
        }),
        _ => simple(value).or_else(|| nested(value)),
    }
}

fn kilobits(kbps: f64) -> String {
    rate(kbps * 1000.0)
}

fn simple(value: &Value) -> Option<String> {
    match value {
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) => text_of(value),
        _ => None,
    }
}

/// Lists of simple values with commas, other things as JSON.
fn nested(value: &Value) -> Option<String> {
    if let Value::Array(list) = value
        && let Some(words) = list.iter().map(simple).collect::<Option<Vec<_>>>()
    {
        return (!words.is_empty()).then(|| plain(&words.join(", "), NESTED_LIMIT));
    }
    let value = without_null(value)?;
    Some(plain(&value.to_string(), NESTED_LIMIT))
}

/// `None` where nothing is left. In lists null keeps its place, as a dash.
fn without_null(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(list) => {
            let items = list
                .iter()
                .map(|item| without_null(item).unwrap_or_else(|| "-".into()));
            let items: Vec<Value> = items.collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(members) => {
            let kept: Map<String, Value> = members
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), without_null(value)?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        other => Some(other.clone()),
    }
}

#[cfg(test)]
mod tests;
