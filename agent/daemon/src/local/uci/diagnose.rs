//! `config diagnose`: with whom the trouble-shooter measures. Nobody is contacted that does not stand here, but for the
//! controller, whom it offers for that, and what the provider itself offers.

use super::Error;
use super::value::Reader;
use glimpse_model::configuration::Diagnose as Offer;
use glimpse_probe::methods::http::url::{Scheme, Url};
use glimpse_probe::resolve::Host;
use std::net::IpAddr;

/// Whom the household lets the trouble-shooter ask.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// `offered`: whether those may be asked whom the controller offers, where the household names nobody.
    pub offered: bool,
    /// Of the above, the texts that the controller gave: they may not lead into the household's network.
    strangers: Vec<String>,
}

impl Default for Diagnose {
    fn default() -> Self {
        Self {
            references: Vec::new(),
            page_url: None,
            page_answer: None,
            speed_url: None,
            upload_url: None,
            public_dns: None,
            offered: true,
            strangers: Vec::new(),
        }
    }
}

impl Diagnose {
    /// Takes what the controller offers for whatever the household leaves open. What could not stand in the settings is
    /// not taken.
    pub fn take(&mut self, offer: &Offer) {
        if !self.offered {
            return;
        }
        let strangers = &mut self.strangers;
        let mut fill = |own: &mut Option<String>, offered: &Option<String>, good: Parse| {
            if own.is_none()
                && let Some(text) = offered.as_deref().and_then(good)
            {
                strangers.push(text.clone());
                *own = Some(text);
            }
        };
        fill(&mut self.speed_url, &offer.speed_url, url);
        fill(&mut self.upload_url, &offer.upload_url, url);
        // A page without its content, or the content of another page, would tell nothing.
        if self.page_url.is_none()
            && self.page_answer.is_none()
            && let Some(answer) = offer.page_answer.as_deref().and_then(answer)
        {
            fill(&mut self.page_url, &offer.page_url, plain);
            self.page_answer = self.page_url.is_some().then_some(answer);
        }
        if self.references.is_empty() {
            let offered = offer.reference.iter().filter_map(|text| reference(text));
            self.references = offered.take(Offer::MOST_REFERENCES).collect();
            self.strangers.extend(self.references.iter().cloned());
        }
    }

    /// Whether the household did not name this host or URL itself.
    pub fn is_stranger(&self, text: &str) -> bool {
        self.strangers.iter().any(|stranger| stranger == text)
    }

    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, Error> {
        let mut references = reader.list("reference", "a host name or address", reference)?;
        if references.len() > Offer::MOST_REFERENCES {
            let reason = format!("must be at most {}", Offer::MOST_REFERENCES);
            return Err(reader.refuse("reference", &references.join(" "), &reason));
        }
        references.dedup();
        let wanted = "http://HOST/PATH or https://HOST/PATH";
        Ok(Self {
            references,
            page_url: reader.parsed("page_url", "http://HOST/PATH", plain)?,
            page_answer: reader.parsed(
                "page_answer",
                &format!("1 to {} bytes", Offer::LONGEST_ANSWER),
                answer,
            )?,
            speed_url: reader.parsed("speed_url", wanted, url)?,
            upload_url: reader.parsed("upload_url", wanted, url)?,
            public_dns: reader.parsed("public_dns", "an IP address", |text| text.parse().ok())?,
            offered: reader.flag("offered", true)?,
            strangers: Vec::new(),
        })
    }
}

/// Takes a text that may stand in an option.
type Parse = fn(&str) -> Option<String>;

fn reference(text: &str) -> Option<String> {
    Host::parse(text).is_ok().then(|| text.to_owned())
}

fn url(text: &str) -> Option<String> {
    Url::parse(text).ok().map(|_| text.to_owned())
}

fn plain(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    (url.scheme == Scheme::Http).then(|| text.to_owned())
}

fn answer(text: &str) -> Option<String> {
    (1..=Offer::LONGEST_ANSWER)
        .contains(&text.len())
        .then(|| text.to_owned())
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
                ..Diagnose::default()
            }
        );
        assert_eq!(parse(b"").unwrap().0.diagnose, Diagnose::default());
    }

    fn offer() -> Offer {
        Offer {
            reference: vec!["-f".to_owned(), "ping.isp.example".to_owned()],
            page_url: Some("http://isp.example/known".to_owned()),
            page_answer: Some("well".to_owned()),
            speed_url: Some("https://speed.isp.example/100M".to_owned()),
            upload_url: Some("gopher://isp.example/".to_owned()),
        }
    }

    #[test]
    fn the_controller_fills_what_the_household_leaves_open() {
        let mut own = Diagnose {
            speed_url: Some("https://speed.example/10M".to_owned()),
            ..Diagnose::default()
        };
        own.take(&offer());
        assert_eq!(
            own.references,
            ["ping.isp.example"],
            "what is no host is not asked"
        );
        assert_eq!(own.page_url.as_deref(), Some("http://isp.example/known"));
        assert_eq!(own.page_answer.as_deref(), Some("well"));
        assert_eq!(own.speed_url.as_deref(), Some("https://speed.example/10M"));
        assert_eq!(own.upload_url, None);
        assert!(own.is_stranger("ping.isp.example") && own.is_stranger("http://isp.example/known"));
        assert!(!own.is_stranger("https://speed.example/10M"));
    }

    #[test]
    fn the_household_may_decline_the_offer() {
        let text = "config diagnose\n\toption offered 0\n";
        let mut own = parse(text.as_bytes()).unwrap().0.diagnose;
        own.take(&offer());
        assert_eq!(
            own,
            Diagnose {
                offered: false,
                ..Diagnose::default()
            }
        );
    }

    #[test]
    fn a_page_of_the_household_keeps_its_own_content() {
        let mut own = Diagnose {
            page_url: Some("http://page.example/".to_owned()),
            ..Diagnose::default()
        };
        own.take(&offer());
        assert_eq!(own.page_answer, None);
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
        let long = "x".repeat(Offer::LONGEST_ANSWER + 1);
        let text = format!("config diagnose\n\toption page_answer '{long}'\n");
        let refused = parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refused.contains("must be 1 to 1024 bytes"), "{refused}");
    }
}
