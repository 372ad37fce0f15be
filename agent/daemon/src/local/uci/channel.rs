//! `config channel 'NAME'`: a collector that the household knows by a name, and by what it proves who it is.

use super::Error;
use super::value::Reader;
use std::path::PathBuf;

/// Most channels.
pub(super) const MOST: usize = 16;
/// Longest name, in bytes.
const LONGEST_NAME: usize = 64;

/// By what a collector proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// A certificate for the host of its URL, below one of the authorities in this PEM file.
    Authorities(PathBuf),
    /// Its certificate: the SHA-256 of it in DER form.
    Fingerprint([u8; 32]),
}

/// A collector to which reports may go beside the controller. The household may list one of its own network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The section's name, by which the option `channel` of a reporting task names it.
    pub name: String,
    /// `url`: the root of its RESTCONF, `https://HOST[:PORT]/PATH`, without a slash at the end.
    pub url: String,
    /// `trust`: the absolute path of a PEM bundle, or `sha256:` and the fingerprint of its certificate.
    pub trust: Trust,
}

impl Channel {
    /// Reads the section.
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let name = reader.name().unwrap_or_default();
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Err(reader.refuse("name", name, "must be there: config channel 'NAME'"));
        }
        let url = reader.parsed("url", "https://HOST[:PORT]/PATH", url)?;
        let trust = reader.parsed(
            "trust",
            "the absolute path of a PEM bundle, or sha256:FINGERPRINT",
            trust,
        )?;
        Ok(Self {
            name: name.to_owned(),
            url: url.ok_or_else(|| reader.refuse("url", "", "must be given"))?,
            trust: trust.ok_or_else(|| reader.refuse("trust", "", "must be given"))?,
        })
    }
}

fn url(text: &str) -> Option<String> {
    let url = text.trim().trim_end_matches('/');
    let usable = url.starts_with("https://") && crate::uplink::http::is_base(url);
    usable.then(|| url.to_owned())
}

fn trust(text: &str) -> Option<Trust> {
    if text.starts_with('/') {
        return Some(Trust::Authorities(text.into()));
    }
    let digest = text.strip_prefix("sha256:")?;
    super::restconf::sha256(digest).map(Trust::Fingerprint)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::settings::parse;
    use super::*;

    #[test]
    fn channels_have_a_name_an_address_and_a_trust_of_their_own() {
        let digest = "0a:".repeat(31) + "0a";
        let text = format!(
            "config channel lab\n\toption url https://192.168.1.9:8440/restconf/\n\toption trust sha256:{digest}\n\
             config channel 'isp'\n\toption url https://collector.example\n\toption trust /etc/ssl/isp.pem\n"
        );
        let (settings, warnings) = parse(text.as_bytes()).unwrap();
        assert_eq!(warnings, []);
        let [lab, isp] = &settings.channels[..] else {
            panic!("{:?}", settings.channels)
        };
        assert_eq!(
            (lab.name.as_str(), lab.url.as_str(), &lab.trust),
            (
                "lab",
                "https://192.168.1.9:8440/restconf",
                &Trust::Fingerprint([10; 32])
            )
        );
        assert_eq!(isp.trust, Trust::Authorities("/etc/ssl/isp.pem".into()));
    }

    #[test]
    fn a_channel_without_proof_is_none() {
        for text in [
            "config channel\n\toption url https://a\n\toption trust /x\n",
            "config channel a\n\toption url https://a\n",
            "config channel a\n\toption trust /x\n",
            "config channel a\n\toption url http://a\n\toption trust /x\n",
            "config channel a\n\toption url https://a\n\toption trust x.pem\n",
            "config channel a\n\toption url https://a\n\toption trust sha256:ab\n",
        ] {
            let refused = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(refused.starts_with("channel."), "{text}: {refused}");
        }
        let many: Vec<String> = (0..=MOST)
            .map(|n| format!("config channel c{n}\n\toption url https://a\n\toption trust /x\n"))
            .collect();
        assert_eq!(
            parse(many.concat().as_bytes()).unwrap().0.channels.len(),
            MOST
        );
    }
}
