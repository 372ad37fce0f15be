//! Names of hosts, and addresses made of them.

/// `https://host[:port]`, an end slash dropped; nothing else, for nothing else would be used.
pub(super) fn controller_url(text: &str) -> Option<String> {
    let authority = text.strip_prefix("https://")?;
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (None, port)
        }
        None => authority
            .split_at_checked(authority.find(':').unwrap_or(authority.len()))
            .map(|(h, p)| (Some(h), p))?,
    };
    if !host.is_none_or(is_host_name) {
        return None;
    }
    if !port.is_empty() {
        let digits = port
            .strip_prefix(':')
            .filter(|port| port.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<u16>().ok().filter(|&port| port != 0)?;
    }
    Some(format!("https://{}", authority.to_ascii_lowercase()))
}

pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    text.len() <= 253 && text.split('.').all(label)
}
