//! The user's name from a client certificate (RFC 7407 §4, `ietf-x509-cert-to-name`), on facts handed in: this crate reads no
//! certificates.

use glimpse_yang::view::View;
use std::net::IpAddr;

/// A hash of a certificate: the TLS number of the algorithm and the digest (`tls-fingerprint`, RFC 7407).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// 3 = SHA-224, 4 = SHA-256, 5 = SHA-384, 6 = SHA-512 (RFC 5246 §7.4.1.4.1).
    pub algorithm: u8,
    /// The digest of the DER form.
    pub digest: Vec<u8>,
}

impl Fingerprint {
    /// Reads `04:ab:cd:…`. `None` for what is none, for digests of the wrong length, and for MD5 and SHA-1, which prove nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Vec::new();
        for pair in text.split(':') {
            let plain = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !plain {
                return None;
            }
            bytes.push(u8::from_str_radix(pair, 16).ok()?);
        }
        let (algorithm, digest) = bytes.split_first()?;
        let length = match algorithm {
            3 => 28,
            4 => 32,
            5 => 48,
            6 => 64,
            _ => return None,
        };
        (digest.len() == length).then(|| Self {
            algorithm: *algorithm,
            digest: digest.to_vec(),
        })
    }
}

/// A subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// `rfc822Name`.
    Rfc822(String),
    /// `dNSName`.
    Dns(String),
    /// `iPAddress`.
    Ip(IpAddr),
}

/// What a verified client certificate says.
#[derive(Clone, Debug, Default)]
pub struct Certificate {
    /// Hashes of the certificate and of each trusted authority above it, by every algorithm that the list may use.
    pub fingerprints: Vec<Fingerprint>,
    /// Subject alternative names of the known kinds, in the certificate's order.
    pub alternative_names: Vec<AlternativeName>,
    /// The common name of the subject.
    pub common_name: Option<String>,
}

/// How a name is found (`map-type`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Map {
    /// The name said here.
    Specified(String),
    /// The first `rfc822Name`, its host in lower case.
    Rfc822,
    /// The first `dNSName`, in lower case.
    Dns,
    /// The first `iPAddress`; of IPv6, 32 hexadecimal digits.
    Ip,
    /// The first of any of these kinds.
    Any,
    /// The common name.
    CommonName,
}

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place: lower ones are tried first.
    pub id: u32,
    /// The certificate or authority that it is about; `None` takes any verified one.
    pub fingerprint: Option<Fingerprint>,
    /// How the name is found.
    pub map: Map,
}

impl Entry {
    /// An entry of a list `cert-to-name`. `None` when it can never give a name: an unusable fingerprint, `specified` without
    /// `name`.
    pub fn from_view(entry: &View<'_>) -> Option<Self> {
        let id = entry.leaf("id")?.parse().ok()?;
        let fingerprint = match entry.leaf("fingerprint") {
            Some(text) => Some(Fingerprint::parse(text)?),
            None => None,
        };
        Some(Self {
            id,
            fingerprint,
            map: Map::new(entry.leaf("map-type")?, entry.leaf("name"))?,
        })
    }
}

impl Map {
    /// What an identity (`module:name`) stands for. Those of other modules stand for nothing here, whatever they are called.
    fn new(identity: &str, name: Option<&str>) -> Option<Self> {
        Some(match identity.strip_prefix("ietf-x509-cert-to-name:")? {
            "specified" => Self::Specified(name?.to_owned()),
            "san-rfc822-name" => Self::Rfc822,
            "san-dns-name" => Self::Dns,
            "san-ip-address" => Self::Ip,
            "san-any" => Self::Any,
            "common-name" => Self::CommonName,
            _ => return None,
        })
    }
}

/// The user's name by the first entry that fits and gives one, tried by ascending `id`. `None`: not authenticated.
pub fn name(entries: &[Entry], certificate: &Certificate) -> Option<String> {
    let mut ordered: Vec<&Entry> = entries.iter().collect();
    ordered.sort_by_key(|entry| entry.id);
    ordered
        .into_iter()
        .filter(|entry| {
            entry
                .fingerprint
                .as_ref()
                .is_none_or(|wanted| certificate.fingerprints.contains(wanted))
        })
        .find_map(|entry| map(&entry.map, certificate).filter(|name| !name.is_empty()))
}

fn map(kind: &Map, certificate: &Certificate) -> Option<String> {
    match kind {
        Map::Specified(name) => Some(name.clone()),
        Map::CommonName => certificate.common_name.clone(),
        Map::Rfc822 | Map::Dns | Map::Ip | Map::Any => certificate
            .alternative_names
            .iter()
            .find(|name| {
                matches!(
                    (kind, name),
                    (Map::Any, _)
                        | (Map::Rfc822, AlternativeName::Rfc822(_))
                        | (Map::Dns, AlternativeName::Dns(_))
                        | (Map::Ip, AlternativeName::Ip(_))
                )
            })
            .map(text),
    }
}

fn text(name: &AlternativeName) -> String {
    match name {
        AlternativeName::Rfc822(address) => match address.rsplit_once('@') {
            Some((user, host)) => format!("{user}@{}", host.to_ascii_lowercase()),
            None => address.clone(),
        },
        AlternativeName::Dns(host) => host.to_ascii_lowercase(),
        AlternativeName::Ip(IpAddr::V4(address)) => address.to_string(),
        AlternativeName::Ip(IpAddr::V6(address)) => format!("{:032x}", address.to_bits()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use glimpse_yang::Encoding;
    use glimpse_yang::read::Reader;
    use glimpse_yang::table::AGENT;

    fn fingerprint(byte: u8) -> Fingerprint {
        Fingerprint {
            algorithm: 4,
            digest: vec![byte; 32],
        }
    }

    fn entry(id: u32, byte: u8, map: Map) -> Entry {
        Entry {
            id,
            fingerprint: Some(fingerprint(byte)),
            map,
        }
    }

    fn certificate() -> Certificate {
        Certificate {
            fingerprints: vec![fingerprint(1), fingerprint(9)],
            alternative_names: vec![
                AlternativeName::Dns("Agent.Example.NET".to_owned()),
                AlternativeName::Rfc822("Joe@Example.NET".to_owned()),
                AlternativeName::Ip("2001:db8::1".parse().unwrap()),
            ],
            common_name: Some("joe".to_owned()),
        }
    }

    #[test]
    fn the_lowest_id_that_fits_and_gives_a_name_wins() {
        let entries = [
            entry(9, 1, Map::CommonName),
            entry(3, 7, Map::Specified("stranger".to_owned())),
            entry(4, 9, Map::Rfc822),
        ];
        let name = name(&entries, &certificate());
        assert_eq!(name.as_deref(), Some("Joe@example.net"));
    }

    #[test]
    fn every_kind_of_name_has_its_form() {
        let kinds = [
            (Map::Rfc822, "Joe@example.net"),
            (Map::Dns, "agent.example.net"),
            (Map::Ip, "20010db8000000000000000000000001"),
            (Map::Any, "agent.example.net"),
            (Map::CommonName, "joe"),
        ];
        for (map, expected) in kinds {
            let found = name(&[entry(1, 1, map)], &certificate());
            assert_eq!(found.as_deref(), Some(expected));
        }
    }

    #[test]
    fn lmap_trap_33_identities_of_other_modules_are_no_maps() {
        let map = |identity: &str| Map::new(identity, Some("x"));
        assert_eq!(map("ietf-x509-cert-to-name:san-any"), Some(Map::Any));
        assert_eq!(
            map("ietf-x509-cert-to-name:specified"),
            Some(Map::Specified("x".to_owned()))
        );
        assert_eq!(Map::new("ietf-x509-cert-to-name:specified", None), None);
        for foreign in ["example:san-any", "san-any", ":san-any", "x509c2n:san-any"] {
            assert_eq!(map(foreign), None, "{foreign}");
        }
    }

    /// The identity is one and the same, however the encoding names its module.
    #[test]
    fn lmap_trap_33_prefixes_of_maps_are_resolved() {
        let digest = ["01"; 32].join(":");
        let json = format!(
            r#"{{"glimpse-agent:agent":{{"doors":{{"cert-to-name":[{{"id":7,"fingerprint":"04:{digest}","map-type":"ietf-x509-cert-to-name:common-name"}}]}}}}}}"#
        );
        let xml = |prefix: &str, namespace: &str| {
            format!(
                "<agent xmlns=\"{}\"><doors><cert-to-name><id>7</id><fingerprint>04:{digest}</fingerprint>\
                 <map-type xmlns:{prefix}=\"{namespace}\">{prefix}:common-name</map-type></cert-to-name></doors></agent>",
                AGENT.text(
                    AGENT
                        .module(AGENT.module_named("glimpse-agent").unwrap())
                        .namespace
                )
            )
        };
        let own = "urn:ietf:params:xml:ns:yang:ietf-x509-cert-to-name";
        for (encoding, body) in [
            (Encoding::Json, json.clone()),
            (Encoding::Xml, xml("x509c2n", own)),
            (Encoding::Xml, xml("ex", own)),
        ] {
            let reader = Reader::new(&AGENT, encoding).with_state();
            let tree = reader.data(body.as_bytes()).unwrap();
            let doors = tree.view("glimpse-agent:agent").unwrap();
            let doors = doors.container("doors").unwrap();
            let entry = doors.list("cert-to-name").next().unwrap();
            let entry = Entry::from_view(&entry).unwrap();
            assert_eq!((entry.id, entry.map), (7, Map::CommonName));
            assert_eq!(entry.fingerprint, Some(fingerprint(1)));
        }
        for (encoding, body) in [
            (
                Encoding::Json,
                json.replace("ietf-x509-cert-to-name:", "x509c2n:"),
            ),
            (Encoding::Xml, xml("x509c2n", "urn:example:foreign")),
        ] {
            let reader = Reader::new(&AGENT, encoding).with_state();
            assert!(reader.data(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn without_a_name_the_next_entry_is_tried_and_at_last_nobody_is_known() {
        let bare = Certificate {
            fingerprints: vec![fingerprint(1)],
            ..Certificate::default()
        };
        let entries = [
            entry(1, 1, Map::Dns),
            entry(2, 1, Map::Specified("x".to_owned())),
        ];
        assert_eq!(name(&entries, &bare).as_deref(), Some("x"));
        assert_eq!(name(&entries[..1], &bare), None);
        assert_eq!(name(&entries, &Certificate::default()), None);
    }

    #[test]
    fn weak_and_broken_fingerprints_are_refused() {
        let digest = ["ab"; 32].join(":");
        assert!(Fingerprint::parse(&format!("04:{digest}")).is_some());
        for text in [
            String::new(),
            "04".to_owned(),
            format!("03:{digest}"),
            format!("04:{digest}:00"),
            format!("01:{}", ["ab"; 16].join(":")),
            format!("02:{}", ["ab"; 20].join(":")),
            format!("4:{digest}"),
            format!("+4:{digest}"),
        ] {
            assert_eq!(Fingerprint::parse(&text), None, "{text}");
        }
    }
}
