//! Record data as text: the presentation format of common types, `\# length hex` of all others (RFC 3597 §5).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};

use super::kinds;

/// Class IN; records of other classes are shown by their bytes alone.
const CLASS_IN: u16 = 1;

/// Reads the name at `at` of a message and says where it ends. Compression pointers lead strictly backwards, so that none
/// can loop.
///
/// # Errors
/// What is wrong with it; also when `at` lies behind the message.
pub fn read_name(message: &[u8], at: usize) -> Result<(Name, usize), DecodeError> {
    let start = u16::try_from(at).map_err(|_| DecodeError::InsufficientBytes)?;
    if at > message.len() {
        return Err(DecodeError::InsufficientBytes);
    }
    let mut decoder = BinDecoder::new(message).clone(start);
    let name = Name::read(&mut decoder)?;
    Ok((name, decoder.index()))
}

/// A name as text: without the last dot, `.` for the root, escaped by RFC 1035 §5.1 (and RFC 4343 §2.1), ASCII alone.
pub fn name_text(name: &Name) -> String {
    let mut text = String::new();
    for label in name {
        if !text.is_empty() {
            text.push('.');
        }
        for &byte in label {
            escape(byte, b".\\\"();@$ ", &mut text);
        }
    }
    if text.is_empty() {
        text.push('.');
    }
    text
}

/// The data of a record, at `from..to` of its message, as text.
pub fn text(kind: u16, class: u16, message: &[u8], from: usize, to: usize) -> String {
    let data = message.get(from..to).unwrap_or_default();
    let mut part = Part {
        message,
        at: from,
        end: from + data.len(),
    };
    if class == CLASS_IN
        && let Some(text) = part.presentation(kind)
        // Bytes left over mean that this is not what it seems.
        && part.at == part.end
    {
        return text;
    }
    let mut text = format!("\\# {}", data.len());
    if !data.is_empty() {
        text.push(' ');
        hexadecimal(data, &mut text);
    }
    text
}

/// Lower-case hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
}

fn escape(byte: u8, special: &[u8], text: &mut String) {
    match byte {
        b if special.contains(&b) && b != b' ' => {
            text.push('\\');
            text.push(char::from(b));
        }
        b if b.is_ascii_graphic() || (b == b' ' && !special.contains(&b)) => {
            text.push(char::from(b));
        }
        b => {
            let _ = write!(text, "\\{b:03}");
        }
    }
}

/// What is left of a record's data, within its message for the sake of compressed names.
struct Part<'a> {
    message: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Part<'a> {
    fn presentation(&mut self, kind: u16) -> Option<String> {
        Some(match kind {
            1 => Ipv4Addr::from(*self.take(4)?.first_chunk::<4>()?).to_string(),
            28 => Ipv6Addr::from(*self.take(16)?.first_chunk::<16>()?).to_string(),
            // NS, CNAME, MB, MG, MR, PTR, DNAME
            2 | 5 | 7 | 8 | 9 | 12 | 39 => self.name()?,
            6 => {
                let (primary, mailbox) = (self.name()?, self.name()?);
                let mut text = format!("{primary} {mailbox}");
                for _ in 0..5 {
                    let _ = write!(text, " {}", self.number32()?);
                }
                text
            }
            // MX, AFSDB, RT, KX
            15 | 18 | 21 | 36 => format!("{} {}", self.number16()?, self.name()?),
            // HINFO, TXT, SPF
            13 | 16 | 99 => self.strings()?,
            33 => {
                let (priority, weight, port) =
                    (self.number16()?, self.number16()?, self.number16()?);
                format!("{priority} {weight} {port} {}", self.name()?)
            }
            35 => {
                let (order, preference) = (self.number16()?, self.number16()?);
                let (flags, services, rule) = (self.string()?, self.string()?, self.string()?);
                format!(
                    "{order} {preference} {flags} {services} {rule} {}",
                    self.name()?
                )
            }
            // DS, CDS, DLV
            43 | 59 | 32769 => {
                let (tag, algorithm, digest) = (self.number16()?, self.number8()?, self.number8()?);
                format!("{tag} {algorithm} {digest} {}", self.rest_hexadecimal())
            }
            44 => format!(
                "{} {} {}",
                self.number8()?,
                self.number8()?,
                self.rest_hexadecimal()
            ),
            46 => self.signature()?,
            47 => {
                let next = self.name()?;
                format!("{next}{}", self.bitmap()?)
            }
            // DNSKEY, CDNSKEY
            48 | 60 => {
                let (flags, protocol, algorithm) =
                    (self.number16()?, self.number8()?, self.number8()?);
                format!("{flags} {protocol} {algorithm} {}", self.rest_base64())
            }
            // TLSA, SMIMEA
            52 | 53 => {
                let (usage, selector, matching) =
                    (self.number8()?, self.number8()?, self.number8()?);
                format!("{usage} {selector} {matching} {}", self.rest_hexadecimal())
            }
            // SVCB, HTTPS
            64 | 65 => self.service()?,
            256 => {
                let (priority, weight) = (self.number16()?, self.number16()?);
                format!("{priority} {weight} {}", self.rest_quoted())
            }
            257 => {
                let flags = self.number8()?;
                let length = usize::from(self.number8()?);
                let tag = self.take(length)?;
                if tag.is_empty() || !tag.iter().all(u8::is_ascii_alphanumeric) {
                    return None;
                }
                let tag = String::from_utf8_lossy(tag).into_owned();
                format!("{flags} {tag} {}", self.rest_quoted())
            }
            _ => return None,
        })
    }

    /// RFC 4034 §3.2; times in seconds since 1970, which it allows.
    fn signature(&mut self) -> Option<String> {
        let covered = kinds::name(self.number16()?);
        let (algorithm, labels) = (self.number8()?, self.number8()?);
        let (ttl, expires, begins) = (self.number32()?, self.number32()?, self.number32()?);
        let (tag, signer) = (self.number16()?, self.name()?);
        let signature = self.rest_base64();
        Some(format!(
            "{covered} {algorithm} {labels} {ttl} {expires} {begins} {tag} {signer} {signature}"
        ))
    }

    /// The types of an NSEC record, each with a space before it (RFC 4034 §4.1.2).
    fn bitmap(&mut self) -> Option<String> {
        let mut text = String::new();
        while self.at < self.end {
            let window = u16::from(self.number8()?);
            let length = usize::from(self.number8()?);
            for (place, byte) in (0_u16..).zip(self.take(length).filter(|_| length <= 32)?) {
                for bit in (0..8_u16).filter(|bit| byte & (0x80 >> bit) != 0) {
                    text.push(' ');
                    text.push_str(&kinds::name(window * 256 + place * 8 + bit));
                }
            }
        }
        Some(text)
    }

    /// RFC 9460 §2.1.
    fn service(&mut self) -> Option<String> {
        let (priority, target) = (self.number16()?, self.name()?);
        let mut text = format!("{priority} {target}");
        while self.at < self.end {
            let (key, length) = (self.number16()?, usize::from(self.number16()?));
            let value = self.take(length)?;
            text.push(' ');
            parameter(key, value, &mut text)?;
        }
        Some(text)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let next = self
            .at
            .checked_add(length)
            .filter(|&next| next <= self.end)?;
        let bytes = self.message.get(self.at..next)?;
        self.at = next;
        Some(bytes)
    }

    fn rest(&mut self) -> &'a [u8] {
        self.take(self.end - self.at).unwrap_or_default()
    }

    fn number8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().copied().map(u16::from_be_bytes)
    }

    fn number32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().copied().map(u32::from_be_bytes)
    }

    fn name(&mut self) -> Option<String> {
        let (name, next) = read_name(self.message, self.at).ok()?;
        (next <= self.end).then(|| {
            self.at = next;
            name_text(&name)
        })
    }

    fn string(&mut self) -> Option<String> {
        let length = usize::from(self.number8()?);
        Some(quoted(self.take(length)?))
    }

    fn strings(&mut self) -> Option<String> {
        let mut text = self.string()?;
        while self.at < self.end {
            text.push(' ');
            text.push_str(&self.string()?);
        }
        Some(text)
    }

    fn rest_quoted(&mut self) -> String {
        quoted(self.rest())
    }

    fn rest_hexadecimal(&mut self) -> String {
        let mut text = String::new();
        hexadecimal(self.rest(), &mut text);
        text
    }

    fn rest_base64(&mut self) -> String {
        STANDARD.encode(self.rest())
    }
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in bytes {
        escape(byte, b"\"\\", &mut text);
    }
    text.push('"');
    text
}

/// The name of a service parameter (RFC 9460 §14.3.2), `keyN` of those that are not shown by theirs.
fn parameter_name(key: u16) -> String {
    let name = match key {
        0 => "mandatory",
        1 => "alpn",
        2 => "no-default-alpn",
        3 => "port",
        4 => "ipv4hint",
        5 => "ech",
        6 => "ipv6hint",
        _ => return format!("key{key}"),
    };
    name.to_owned()
}

/// One parameter of a service binding (RFC 9460 §7, §14.3.2).
fn parameter(key: u16, value: &[u8], text: &mut String) -> Option<()> {
    let list = |items: Vec<String>| items.join(",");
    let (name, shown) = match key {
        0 if !value.is_empty() && value.len().is_multiple_of(2) => {
            let keys = value.as_chunks::<2>().0.iter();
            let keys = keys.map(|&key| parameter_name(u16::from_be_bytes(key)));
            ("mandatory", list(keys.collect()))
        }
        1 => {
            let (mut rest, mut protocols) = (value, Vec::new());
            while let Some((&length, more)) = rest.split_first() {
                let (protocol, more) = more.split_at_checked(usize::from(length))?;
                let mut item = String::new();
                for &byte in protocol {
                    // Escaped as an item of a list, then as a character string (RFC 9460 §A.1).
                    match byte {
                        b',' => item.push_str("\\\\,"),
                        b'\\' => item.push_str("\\\\\\\\"),
                        other => escape(other, b"\"(); ", &mut item),
                    }
                }
                protocols.push(item);
                rest = more;
            }
            ("alpn", list(protocols))
        }
        2 if value.is_empty() => {
            text.push_str("no-default-alpn");
            return Some(());
        }
        3 => {
            let port = u16::from_be_bytes(value.try_into().ok()?);
            ("port", port.to_string())
        }
        4 if value.len().is_multiple_of(4) => {
            let hints = value.as_chunks::<4>().0.iter();
            (
                "ipv4hint",
                list(
                    hints
                        .map(|&hint| Ipv4Addr::from(hint).to_string())
                        .collect(),
                ),
            )
        }
        5 => ("ech", STANDARD.encode(value)),
        6 if value.len().is_multiple_of(16) => {
            let hints = value.as_chunks::<16>().0.iter();
            (
                "ipv6hint",
                list(
                    hints
                        .map(|&hint| Ipv6Addr::from(hint).to_string())
                        .collect(),
                ),
            )
        }
        _ => {
            let _ = write!(text, "key{key}={}", quoted(value));
            return Some(());
        }
    };
    let _ = write!(text, "{name}={shown}");
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn shown(kind: u16, data: &[u8]) -> String {
        text(kind, 1, data, 0, data.len())
    }

    #[test]
    fn common_types_have_their_presentation_format() {
        let name = b"\x03www\x07example\x00";
        let with = |head: &[u8], tail: &[u8]| [head, name, tail].concat();
        let soa: Vec<u8> = (1..=5_u32).flat_map(u32::to_be_bytes).collect();
        for (kind, data, value) in [
            (1, vec![192, 0, 2, 1], "192.0.2.1"),
            (28, [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1]].concat(), "2001:db8::1"),
            (5, name.to_vec(), "www.example"),
            (2, vec![0], "."),
            (6, with(&[0], &soa), ". www.example 1 2 3 4 5"),
            (15, with(&[0, 10], &[]), "10 www.example"),
            (16, b"\x05a\"b\\c\x00\x02\xff ".to_vec(), "\"a\\\"b\\\\c\" \"\" \"\\255 \""),
            (33, with(&[0, 1, 0, 2, 0x1f, 0x90], &[]), "1 2 8080 www.example"),
            (35, b"\0\x01\0\x02\x01u\x03sip\x00\x00".to_vec(), "1 2 \"u\" \"sip\" \"\" ."),
            (43, vec![0, 5, 13, 2, 0xab, 0xcd], "5 13 2 abcd"),
            (44, vec![4, 2, 0x01], "4 2 01"),
            (47, with(&[], &[0, 4, 0x40, 1, 0, 8]), "www.example A MX AAAA"),
            (48, vec![1, 1, 3, 13, 0xfb, 0xff, 0xfe, 0x00], "257 3 13 +//+AA=="),
            (52, vec![3, 1, 1, 0xaa], "3 1 1 aa"),
            (256, b"\0\x0a\0\x01http://x/".to_vec(), "10 1 \"http://x/\""),
            (257, b"\x00\x05issueca.example".to_vec(), "0 issue \"ca.example\""),
            (
                65,
                b"\0\x01\0\0\x01\0\x06\x02h2\x02h3\0\x03\0\x02\x01\xbb\0\x04\0\x04\xc0\0\x02\x01\x02\x9a\0\x01x".to_vec(),
                "1 . alpn=h2,h3 port=443 ipv4hint=192.0.2.1 key666=\"x\"",
            ),
            // The test vectors of RFC 9460 §D.2.
            (
                64,
                b"\0\x10\x03foo\x07example\x03org\0\0\x01\0\x0c\x08f\\oo,bar\x02h2".to_vec(),
                "16 foo.example.org alpn=f\\\\\\\\oo\\\\,bar,h2",
            ),
            (
                64,
                b"\0\x10\0\0\0\0\x04\0\x01\0\x04\0\x01\0\x03\x02h2\0\x04\0\x04\xc0\0\x02\x01".to_vec(),
                "16 . mandatory=alpn,ipv4hint alpn=h2 ipv4hint=192.0.2.1",
            ),
            (
                46,
                [&[0, 1, 13, 2, 0, 0, 1, 0x2c, 0, 0, 0, 9, 0, 0, 0, 8, 0, 7][..], name, b"sig"].concat(),
                "A 13 2 300 9 8 7 www.example c2ln",
            ),
        ] {
            assert_eq!(shown(kind, &data), value, "{kind}");
        }
    }

    #[test]
    fn what_is_unknown_or_misshapen_is_shown_by_its_bytes() {
        for (kind, data, value) in [
            (731, &b"\xab\x01"[..], "\\# 2 ab01"),
            (1, &[192, 0, 2], "\\# 3 c00002"),
            (1, &[192, 0, 2, 1, 9], "\\# 5 c000020109"),
            (16, b"\x05ab", "\\# 3 056162"),
            (5, b"\xc0\x00", "\\# 2 c000"),
            (5, b"\x03ab", "\\# 3 036162"),
            (65, b"\0\x01\0\0\x03\0\x01\x05", "\\# 8 0001000003000105"),
            (47, b"\0\0\x21\0", "\\# 4 00002100"),
            (257, b"\0\x02\x07\x07", "\\# 4 00020707"),
            (10, b"", "\\# 0"),
        ] {
            assert_eq!(shown(kind, data), value, "{kind}");
        }
        assert_eq!(
            text(1, 3, &[192, 0, 2, 1], 0, 4),
            "\\# 4 c0000201",
            "class CH"
        );
        assert_eq!(text(1, 1, &[1], 5, 9), "\\# 0", "behind the message");
    }

    #[test]
    fn names_are_escaped_into_ascii() {
        let message = b"\x06a.b\\\xe4 \x02xy\x00";
        let (name, end) = read_name(message, 0).unwrap();
        assert_eq!(
            (name_text(&name).as_str(), end),
            ("a\\.b\\\\\\228\\032.xy", message.len())
        );
        assert!(read_name(message, 40).is_err());
    }
}
