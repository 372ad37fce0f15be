//! Heads of HTTP/1 responses (RFC 9112), read with bounds. Pure; for servers that may say anything.

/// Longest head that is read, in bytes.
pub const HEAD_LIMIT: usize = 16 * 1024;
/// Header fields that a head may have.
const FIELD_LIMIT: usize = 64;

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// By the last chunk.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// What a response says before its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// How the end of the body is known; a response to `HEAD` has none whatever this says.
    pub framing: Framing,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// The `Location` field.
    pub location: Option<String>,
    /// Bytes of the head.
    pub length: usize,
}

/// Why bytes are no head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Not HTTP/1.
    #[error("the answer is not http: {0}")]
    Syntax(httparse::Error),
    /// No end in sight.
    #[error("the answer's head is longer than {HEAD_LIMIT} bytes")]
    Long,
    /// A length that is no number, or two that differ.
    #[error("the answer's content-length contradicts itself")]
    Length,
}

impl Head {
    /// Reads the head that `bytes` begin with; `None` when they end before it does.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, HeadError> {
        let mut fields = [httparse::EMPTY_HEADER; FIELD_LIMIT];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length <= HEAD_LIMIT => length,
            Ok(httparse::Status::Partial) if bytes.len() < HEAD_LIMIT => return Ok(None),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(HeadError::Long),
            Err(error) => return Err(HeadError::Syntax(error)),
        };
        let status = response.code.unwrap_or_default();
        let mut head = Self {
            status,
            framing: Framing::Close,
            keep_alive: response.version == Some(1),
            location: None,
            length,
        };
        let (mut announced, mut chunked) = (None, false);
        for field in response.headers.iter() {
            let value = field.value.trim_ascii();
            let holds = |word: &str| {
                value
                    .split(|&byte| byte == b',')
                    .any(|part| part.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
            };
            match field.name {
                name if name.eq_ignore_ascii_case("content-length") => {
                    let length = number(value).ok_or(HeadError::Length)?;
                    if announced
                        .replace(length)
                        .is_some_and(|other| other != length)
                    {
                        return Err(HeadError::Length);
                    }
                }
                name if name.eq_ignore_ascii_case("transfer-encoding") => {
                    chunked |= holds("chunked");
                }
                name if name.eq_ignore_ascii_case("connection") => {
                    if holds("close") {
                        head.keep_alive = false;
                    } else if holds("keep-alive") {
                        head.keep_alive = true;
                    }
                }
                name if name.eq_ignore_ascii_case("location") => {
                    head.location = std::str::from_utf8(value).ok().map(str::to_owned);
                }
                _ => {}
            }
        }
        head.framing = match (status, chunked, announced) {
            (100..=199 | 204 | 304, ..) => Framing::Length(0),
            (_, true, _) => Framing::Chunked,
            (_, false, Some(length)) => Framing::Length(length),
            (_, false, None) => Framing::Close,
        };
        Ok(Some(head))
    }

    /// Whether another head follows this one (RFC 9110 §15.2).
    pub const fn is_interim(&self) -> bool {
        matches!(self.status, 100..=199)
    }

    /// Whether it points elsewhere in a way that keeps the method.
    pub const fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 307 | 308)
    }
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    fn head(text: &str) -> Head {
        Head::parse(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn the_end_of_the_body_is_known_by_the_head() {
        for (fields, framing, keep_alive) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
                Framing::Length(12),
                true,
            ),
            (
                "HTTP/1.1 200\r\ntransfer-encoding: gzip, Chunked\r\n\r\n",
                Framing::Chunked,
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx",
                Framing::Close,
                false,
            ),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
                Framing::Length(1),
                false,
            ),
            (
                "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\n",
                Framing::Length(1),
                true,
            ),
            (
                "HTTP/1.1 204 No\r\nContent-Length: 7\r\n\r\n",
                Framing::Length(0),
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n",
                Framing::Chunked,
                true,
            ),
        ] {
            let head = head(fields);
            assert_eq!(
                (head.framing, head.keep_alive),
                (framing, keep_alive),
                "{fields}"
            );
        }
        let moved = head("HTTP/1.1 302 Found\r\nLocation:  /x \r\nContent-Length: 0\r\n\r\n");
        assert_eq!(moved.location.as_deref(), Some("/x"));
        assert!(moved.is_redirect() && !moved.is_interim());
    }

    #[test]
    fn a_head_in_parts_is_waited_for_but_not_for_ever() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        let whole = Head::parse(text).unwrap().unwrap().length;
        for end in 0..whole {
            assert_eq!(Head::parse(&text[..end]), Ok(None), "{end}");
        }
        assert_eq!(whole, text.len() - 3);
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(HEAD_LIMIT));
        assert_eq!(Head::parse(endless.as_bytes()), Err(HeadError::Long));
        let many = format!(
            "HTTP/1.1 200 OK\r\n{}\r\n",
            "a: b\r\n".repeat(FIELD_LIMIT + 1)
        );
        assert_eq!(Head::parse(many.as_bytes()), Err(HeadError::Long));
    }

    #[test]
    fn garbage_is_refused() {
        for text in [
            "SSH-2.0-x\r\n",
            "\u{0}\u{1}",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 2x0 OK\r\n\r\n",
        ] {
            assert!(
                matches!(Head::parse(text.as_bytes()), Err(HeadError::Syntax(_))),
                "{text:?}"
            );
        }
        for lengths in [
            "-1",
            "1x",
            "",
            "99999999999999999999",
            "1\r\nContent-Length: 2",
        ] {
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {lengths}\r\n\r\n");
            assert_eq!(
                Head::parse(text.as_bytes()),
                Err(HeadError::Length),
                "{lengths}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400), http: bool) {
            let mut text = if http { b"HTTP/1.1 200 OK\r\n".to_vec() } else { Vec::new() };
            text.extend(bytes);
            if let Ok(Some(head)) = Head::parse(&text) {
                prop_assert!(head.length <= text.len());
            }
        }
    }
}
