//! Replies of the kernel by netlink. Drivers write them; some write wrong lengths.

use glimpse_probe::methods::wifi::{
    Dump, attributes, messages, parse_family, parse_interface, parse_station, parse_survey,
};

/// The answer to one request in one datagram; the sequence number is that of its first message.
pub fn dump(bytes: &[u8]) {
    let sequence = bytes
        .get(8..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes));
    assert!(messages(bytes).count() <= bytes.len() / 16 + 1);
    let mut dump = Dump::new(sequence);
    let _ = dump.take(bytes);
    dump.into_bodies().iter().for_each(|body| nl80211(body));
}

/// The attributes of a message, as each kind of object.
pub fn nl80211(bytes: &[u8]) {
    assert!(attributes(bytes).count() <= bytes.len() / 4 + 1);
    let _ = parse_family(bytes);
    if let Ok(interface) = parse_interface(bytes) {
        let _ = (interface.mode(), interface.is_client());
    }
    let _ = parse_station(bytes);
    let _ = parse_survey(bytes);
}
