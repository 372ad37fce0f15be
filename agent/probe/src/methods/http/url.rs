//! The URLs that are measured: `http` and `https`, a host that [`Host::parse`] takes, a port, a path with its query. Strict,
//! because what is not understood would be another resource: no user names, no characters that need quoting.

use std::fmt;

use crate::resolve::{Host, HostError};

/// Longest URL, in bytes.
pub const URL_LIMIT: usize = 2048;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP over TCP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The word in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why a text is no URL that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Too long to be sent to any server.
    #[error("is longer than {URL_LIMIT} bytes")]
    Length,
    /// Another scheme, or none.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// A name or password before the host.
    #[error("must not hold a user name")]
    User,
    /// The host; of names, of addresses in brackets.
    #[error("host {0}")]
    Host(#[from] HostError),
    /// Not a number from 1 to 65535.
    #[error("port must be 1 to 65535")]
    Port,
    /// A blank, a control character or one beyond ASCII behind the host.
    #[error("must hold printable ASCII only: write other characters as %XX")]
    Character,
}

/// A resource to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// What is spoken.
    pub scheme: Scheme,
    /// Where it is.
    pub host: Host,
    /// TCP port, not 0.
    pub port: u16,
    /// Path and query, beginning with `/`; the fragment is dropped.
    pub target: String,
}

impl Url {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// [`UrlError`], as a fragment to follow the name of what was read.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_LIMIT {
            return Err(UrlError::Length);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = [Scheme::Http, Scheme::Https]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known.as_str()))
            .ok_or(UrlError::Scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
            let (address, port) = bracketed.split_once(']').ok_or(HostError::Character)?;
            let address = address
                .parse::<std::net::Ipv6Addr>()
                .map_err(|_| HostError::Character)?;
            (Host::Address(address.into()), port)
        } else {
            let end = authority.find(':').unwrap_or(authority.len());
            let (name, port) = authority.split_at(end);
            (Host::parse(&name.to_ascii_lowercase())?, port)
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => scheme.port(),
            None => return Err(HostError::Character.into()),
            Some("") => scheme.port(),
            Some(digits) => Some(digits)
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|digits| digits.parse().ok())
                .filter(|&port| port != 0)
                .ok_or(UrlError::Port)?,
        };
        Ok(Self {
            scheme,
            host,
            port,
            target: target(rest)?,
        })
    }

    /// What a `Location` header means here (RFC 9110 §10.2.2, RFC 3986 §5.2).
    ///
    /// # Errors
    /// [`UrlError`] of the resulting URL.
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        let before = |end: &[char]| location.find(end).unwrap_or(location.len());
        let colon = before(&[':']);
        if colon < before(&['/', '?', '#']) {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.scheme.as_str()));
        }
        let path_end = self.target.find('?').unwrap_or(self.target.len());
        let path = &self.target[..path_end];
        let joined = match location.as_bytes().first() {
            None | Some(b'#') => self.target.clone(),
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{path}{location}"),
            Some(_) => {
                let folder = path.rfind('/').map_or(0, |slash| slash + 1);
                format!("{}{location}", &path[..folder])
            }
        };
        if joined.len() > URL_LIMIT {
            return Err(UrlError::Length);
        }
        let target = target(&joined)?;
        Ok(Self {
            target: without_dots(&target),
            ..self.clone()
        })
    }

    /// The same origin (scheme, host, port), another resource; `target` begins with `/`.
    #[must_use]
    pub fn at(&self, target: &str) -> Self {
        Self {
            target: target.to_owned(),
            ..self.clone()
        }
    }

    /// The host in the words of the household's list: a name in lower case, an address without brackets.
    pub fn host_text(&self) -> String {
        match &self.host {
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.clone(),
        }
    }

    /// The `Host` header: the port stands there unless it is the scheme's own.
    pub fn authority(&self) -> String {
        let host = match &self.host {
            Host::Address(std::net::IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host_text(),
        };
        if self.port == self.scheme.port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Path and query with a parameter that no cache has seen. The original writes the time of day there; a random figure
    /// serves as well and tells nobody whose clock is off.
    pub fn uncached_target(&self, unique: u64) -> String {
        let mark = if self.target.contains('?') { '&' } else { '?' };
        format!("{}{mark}timestamp={unique:016x}", self.target)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.as_str();
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

/// Path and query of what follows the host.
fn target(rest: &str) -> Result<String, UrlError> {
    let rest = rest.split('#').next().unwrap_or_default();
    if !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(UrlError::Character);
    }
    let slash = if rest.starts_with('/') { "" } else { "/" };
    Ok(format!("{slash}{rest}"))
}

/// RFC 3986 §5.2.4.
fn without_dots(target: &str) -> String {
    let end = target.find('?').unwrap_or(target.len());
    let (path, query) = target.split_at(end);
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_read_with_their_port_path_and_query() {
        for (text, shown, port) in [
            ("http://example.net", "http://example.net/", 80),
            (
                "HTTPS://Example.NET?a=b&c",
                "https://example.net/?a=b&c",
                443,
            ),
            (
                "http://example.net:8080/x?y=/z#top",
                "http://example.net:8080/x?y=/z",
                8080,
            ),
            (
                "https://[2001:db8::1]/big",
                "https://[2001:db8::1]/big",
                443,
            ),
            ("http://192.0.2.1:80/", "http://192.0.2.1/", 80),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.to_string().as_str(), url.port),
                (shown, port),
                "{text}"
            );
        }
        assert_eq!(Url::parse("http://[::1]:81").unwrap().host_text(), "::1");
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_reason() {
        for (text, error) in [
            ("", "must begin with http:// or https://"),
            ("ftp://example.net/", "must begin with http:// or https://"),
            ("example.net/", "must begin with http:// or https://"),
            ("http://", "host must name a host"),
            ("http://-x/", "host must not begin with a hyphen"),
            ("http://u:p@example.net/", "must not hold a user name"),
            ("http://example.net:0/", "port must be 1 to 65535"),
            ("http://example.net:65536/", "port must be 1 to 65535"),
            ("http://example.net:+80/", "port must be 1 to 65535"),
            (
                "http://example.net/a b",
                "must hold printable ASCII only: write other characters as %XX",
            ),
            (
                "http://example.net/ü",
                "must hold printable ASCII only: write other characters as %XX",
            ),
            (
                "http://münchen.example/",
                "host is no host name: letters, digits, hyphens and dots only (internationalised names in their xn-- form)",
            ),
            (
                &format!("http://{}/", "a".repeat(300)),
                "host is no host name: names have up to 253 characters, their parts 1 to 63",
            ),
            (
                &format!("http://h/{}", "a".repeat(URL_LIMIT)),
                "is longer than 2048 bytes",
            ),
        ] {
            assert_eq!(Url::parse(text).unwrap_err().to_string(), error, "{text}");
        }
        assert!(matches!(Url::parse("http://[::1/"), Err(UrlError::Host(_))));
        assert!(matches!(
            Url::parse("http://[::1]x/"),
            Err(UrlError::Host(_))
        ));
    }

    #[test]
    fn locations_are_joined_as_rfc_3986_has_it() {
        let base = Url::parse("http://a.example:81/b/c/d?q").unwrap();
        for (location, joined) in [
            ("https://other.example/x", "https://other.example/x"),
            ("//other.example/x?y", "http://other.example/x?y"),
            ("/x", "http://a.example:81/x"),
            ("?y", "http://a.example:81/b/c/d?y"),
            ("g", "http://a.example:81/b/c/g"),
            ("../g?x=../y", "http://a.example:81/b/g?x=../y"),
            ("../../../../g/.", "http://a.example:81/g/"),
            ("./", "http://a.example:81/b/c/"),
            ("", "http://a.example:81/b/c/d?q"),
            ("#s", "http://a.example:81/b/c/d?q"),
        ] {
            assert_eq!(
                base.join(location).unwrap().to_string(),
                joined,
                "{location}"
            );
        }
        assert_eq!(base.join("mailto:x"), Err(UrlError::Scheme));
        assert_eq!(
            base.join("http://-x/"),
            Err(UrlError::Host(HostError::Hyphen))
        );
    }

    #[test]
    fn the_query_is_kept_when_caches_are_avoided() {
        let url = Url::parse("http://a.example/b?c=d").unwrap();
        assert_eq!(url.uncached_target(10), "/b?c=d&timestamp=000000000000000a");
        assert_eq!(
            url.at("/b").uncached_target(1),
            "/b?timestamp=0000000000000001"
        );
    }

    proptest! {
        #[test]
        fn what_is_read_is_shown_and_read_again(text in "(http|https)://[a-z0-9.:\\[\\]-]{0,20}[/?#]?.{0,40}", location in ".{0,60}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(&url.to_string()), Ok(url.clone()));
                if let Ok(joined) = url.join(&location) {
                    prop_assert!(joined.target.starts_with('/') && joined.target.is_ascii());
                }
            }
        }
    }
}
