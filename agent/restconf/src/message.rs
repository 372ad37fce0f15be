//! Requests and responses as values: what the HTTP server hands in and sends out.

use crate::access::Counters;
use crate::date;
use crate::error::Tag;

/// HTTP methods of RFC 8040 §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `OPTIONS`.
    Options,
    /// `HEAD`.
    Head,
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
    /// Any other.
    Other,
}

impl Method {
    /// Reads a method; they are case-sensitive.
    pub fn parse(name: &str) -> Self {
        match name {
            "OPTIONS" => Self::Options,
            "HEAD" => Self::Head,
            "GET" => Self::Get,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => Self::Other,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Options => "OPTIONS",
            Self::Head => "HEAD",
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Other => "OTHER",
        }
    }

    /// Whether it only reads.
    pub const fn reads(self) -> bool {
        matches!(self, Self::Get | Self::Head)
    }
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name by which NACM knows the user, such as [`crate::cert_to_name::name`] gives it.
    pub name: String,
    /// Groups that the transport knows of (RFC 8341 §3.4.1, `enable-external-groups`).
    pub groups: Vec<String>,
    /// A recovery session (RFC 8341 §3.4.2): access control does not apply.
    pub recovery: bool,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to do.
    pub method: Method,
    /// The path as it came, percent-encoded, with its leading slash.
    pub path: String,
    /// What follows the question mark, as it came.
    pub query: Option<String>,
    /// Header fields; names in any case.
    pub headers: Vec<(String, String)>,
    /// The body, without transfer and content encoding.
    pub body: Vec<u8>,
    /// Who asks; `None` when not authenticated.
    pub user: Option<User>,
    /// When, in microseconds since 1970, UTC.
    pub time: i64,
}

impl Request {
    /// The value of a header field; of several, joined by commas (RFC 9110 §5.3).
    pub fn header(&self, name: &str) -> Option<String> {
        let mut found: Option<String> = None;
        for (own, value) in &self.headers {
            if own.eq_ignore_ascii_case(name) {
                match &mut found {
                    None => found = Some(value.clone()),
                    Some(joined) => {
                        joined.push(',');
                        joined.push_str(value);
                    }
                }
            }
        }
        found
    }

    /// What `path` would be called from outside: absolute when the client said whom it called, else the path alone.
    pub(crate) fn location(&self, path: &str) -> String {
        let host = self.header("host").filter(|host| {
            !host.is_empty()
                && host.bytes().all(|byte| {
                    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&byte)
                })
        });
        // Never over clear text (RFC 8040 §2.1).
        host.map_or_else(|| path.to_owned(), |host| format!("https://{host}{path}"))
    }
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields, each once.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without body. `Cache-Control` (RFC 8040 §5.5, RFC 9111 §5.2.2.4) and `Date` (RFC 9110 §6.6.1) are on
    /// every one.
    pub fn new(status: u16, time: i64) -> Self {
        Self {
            status,
            headers: vec![
                ("Cache-Control", "no-cache".to_owned()),
                ("Date", date::http_date(time.div_euclid(1_000_000))),
            ],
            body: Vec::new(),
        }
    }

    /// The same with a header field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(own, _)| *own != name);
        self.headers.push((name, value.into()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.with("Content-Type", media_type)
            .with("Content-Length", length)
    }

    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// What the log has to say of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Who asked, if known.
    pub user: Option<String>,
    /// What for.
    pub method: Method,
    /// The path as it came; without the query.
    pub path: String,
    /// The status of the response.
    pub status: u16,
    /// Why it failed.
    pub tag: Option<Tag>,
    /// What access control refused: to be added to the counters of RFC 8341.
    pub denied: Counters,
}

/// A response and what the log has to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The response.
    pub response: Response,
    /// For the log.
    pub audit: Audit,
}
