//! `config diagnose`: with whom the trouble-shooter measures. Nobody is contacted that does not stand here, but for the
//! controller and what the provider itself offers.

use super::Error;
use super::value::Reader;
use glimpse_probe::methods::http::url::{Scheme, Url};
use glimpse_probe::resolve::Host;
use std::net::IpAddr;

/// References that are used.
const MOST_REFERENCES: usize = 4;
/// Longest known page, in bytes.
const LONGEST_ANSWER: usize = 1024;

/// Whom the household lets the trouble-shooter ask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnose {
    /// `reference`: list of names or addresses outside that answer pings, at most 4; the controller's host where there
    /// is none.
    pub references: Vec<String>,
    /// `page_url`: a page over HTTP, without TLS, that any login page on the way would replace.
    pub page_url: Option<String>,
    /// `page_answer`: its exact content, but for white space at the end; at most 1024 bytes.
    pub page_answer: Option<String>,
    /// `speed_url`: what is downloaded to fill the line.
    pub speed_url: Option<String>,
    /// `upload_url`: where is posted to, to fill it the other way.
    pub upload_url: Option<String>,
    /// `public_dns`: the address of a name server that may be asked besides the provider's.
    pub public_dns: Option<IpAddr>,
}

impl Diagnose {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let reference = |text: &str| Host::parse(text).is_ok().then(|| text.to_owned());
        let mut references = reader.list("reference", "a host name or address", reference)?;
        if references.len() > MOST_REFERENCES {
            let reason = format!("must be at most {MOST_REFERENCES}");
            return Err(reader.refuse("reference", &references.join(" "), &reason));
        }
        references.dedup();
        let url = |text: &str| Url::parse(text).ok().map(|_| text.to_owned());
        let plain = |text: &str| {
            let url = Url::parse(text).ok()?;
            (url.scheme == Scheme::Http).then(|| text.to_owned())
        };
        let wanted = "http://HOST/PATH or https://HOST/PATH";
        Ok(Self {
            references,
            page_url: reader.parsed("page_url", "http://HOST/PATH", plain)?,
            page_answer: reader.parsed(
                "page_answer",
                &format!("1 to {LONGEST_ANSWER} bytes"),
                |text| {
                    (1..=LONGEST_ANSWER)
                        .contains(&text.len())
                        .then(|| text.to_owned())
                },
            )?,
            speed_url: reader.parsed("speed_url", wanted, url)?,
            upload_url: reader.parsed("upload_url", wanted, url)?,
            public_dns: reader.parsed("public_dns", "an IP address", |text| text.parse().ok())?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::settings::parse;
    use super::*;

    #[test]
    fn the_section_is_read() {
        let text = "config diagnose 'diagnose'\n\tlist reference 192.0.2.1\n\tlist reference ping.example.net\n\
            \toption page_url http://page.example/known\n\toption page_answer 'all is well'\n\
            \toption speed_url https://speed.example/100M\n\toption upload_url http://speed.example/up\n\
            \toption public_dns 2001:db8::53\n";
        let (settings, warnings) = parse(text.as_bytes()).unwrap();
        assert_eq!(warnings, []);
        assert_eq!(
            settings.diagnose,
            Diagnose {
                references: vec!["192.0.2.1".to_owned(), "ping.example.net".to_owned()],
                page_url: Some("http://page.example/known".to_owned()),
                page_answer: Some("all is well".to_owned()),
                speed_url: Some("https://speed.example/100M".to_owned()),
                upload_url: Some("http://speed.example/up".to_owned()),
                public_dns: "2001:db8::53".parse().ok(),
            }
        );
        assert_eq!(parse(b"").unwrap().0.diagnose, Diagnose::default());
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_its_name() {
        for (option, words) in [
            (
                "list reference '-f'",
                "diagnose.reference '-f': must be a host name or address",
            ),
            (
                "list reference 'a b'",
                "diagnose.reference 'a b': must be a host name",
            ),
            (
                "option reference 'a b c d e'",
                "diagnose.reference 'a b c d e': must be at most 4",
            ),
            (
                "option page_url https://a/",
                "diagnose.page_url 'https://a/': must be http://HOST/PATH",
            ),
            (
                "option speed_url ftp://a/",
                "diagnose.speed_url 'ftp://a/': must be http://",
            ),
            (
                "option public_dns dns.example",
                "diagnose.public_dns 'dns.example': must be an IP",
            ),
        ] {
            let text = format!("config diagnose\n\t{option}\n");
            let refused = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(refused.starts_with(words), "{refused}");
        }
        let long = "x".repeat(LONGEST_ANSWER + 1);
        let text = format!("config diagnose\n\toption page_answer '{long}'\n");
        let refused = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains("must be 1 to 1024 bytes"), "{refused}");
    }
}
