//! HTTP/1.1 on loopback, as much as a browser and the agent's own measurements need.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// Longest line of a head, in bytes.
const LINE: u64 = 16 << 10;
/// Longest body taken, in bytes.
const BODY: u64 = 4 << 20;
/// Most lines of a head.
const LINES: usize = 100;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path, percent signs as they came.
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header, empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// A cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.header("cookie")
            .split(';')
            .filter_map(|one| one.trim().split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    kind: &'static str,
    location: Option<String>,
    body: Vec<u8>,
}

impl Response {
    /// 200 with a body of the media type `kind`.
    pub fn ok(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            kind,
            location: None,
            body: body.into(),
        }
    }

    /// An error, in words.
    pub fn error(status: u16, words: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            ..Self::ok("text/plain; charset=utf-8", words)
        }
    }

    /// 302 to another page.
    pub fn redirect(to: &str) -> Self {
        Self {
            location: Some(to.to_owned()),
            status: 302,
            ..Self::ok("text/plain", "")
        }
    }

    fn head(&self) -> String {
        let location = match &self.location {
            Some(to) => format!("Location: {to}\r\n"),
            None => String::new(),
        };
        format!(
            "HTTP/1.1 {} .\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\n{location}\r\n",
            self.status,
            self.kind,
            self.body.len()
        )
    }
}

/// Answers every connection of `listener`, each in a thread of its own, for as long as the process lives.
pub fn serve(listener: TcpListener, answer: Arc<dyn Fn(&Request) -> Response + Send + Sync>) {
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || converse(stream, &*answer));
        }
    });
}

/// A browser that goes away ends the conversation; there is nobody left to tell.
fn converse(stream: TcpStream, answer: &dyn Fn(&Request) -> Response) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let response = answer(&request);
        writer.write_all(response.head().as_bytes())?;
        if request.method != "HEAD" {
            writer.write_all(&response.body)?;
        }
    }
    Ok(())
}

/// Reads one request; `None` at the end of the connection.
///
/// # Errors
/// What is no request, and what the connection says.
pub fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let Some(first) = line(reader)? else {
        return Ok(None);
    };
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(io::Error::other("no request line"));
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        ..Request::default()
    };
    for _ in 0..LINES {
        match line(reader)? {
            None => return Err(io::Error::other("the head has no end")),
            Some(line) if line.is_empty() => {
                let length = request.header("content-length").parse().unwrap_or(0);
                if length > BODY {
                    return Err(io::Error::other("the body is too long"));
                }
                reader.take(length).read_to_end(&mut request.body)?;
                return Ok(Some(request));
            }
            Some(line) => {
                if let Some((name, value)) = line.split_once(':') {
                    request
                        .headers
                        .insert(name.to_ascii_lowercase(), value.trim().to_owned());
                }
            }
        }
    }
    Err(io::Error::other("the head is too long"))
}

fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if reader.take(LINE).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_follow_one_another() {
        let bytes = b"POST /ubus/?1 HTTP/1.1\r\nCookie: a=1; host_rights=read\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n\r\n";
        let mut reader = &bytes[..];
        let first = read(&mut reader).unwrap().unwrap();
        assert_eq!((first.path.as_str(), first.query.as_str()), ("/ubus/", "1"));
        assert_eq!(first.body, b"{}");
        assert_eq!(first.cookie("host_rights"), Some("read"));
        assert_eq!(read(&mut reader).unwrap().unwrap().path, "/");
        assert!(read(&mut reader).unwrap().is_none());
    }
}
