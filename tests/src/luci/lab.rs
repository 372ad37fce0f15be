//! What is measured: a name server and a web server on loopback. The names and texts they give are hostile.

use super::http;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// Markup that runs if anybody takes it for such.
pub const HOSTILE: &str = "<img src=x onerror=\"window.__hit=1\">";

/// The same for names, whose text form escapes blanks and quotes.
pub const HOSTILE_NAME: &str = "<details/open/ontoggle=__hit=1>";

/// The line is as fast as so many bytes every so many milliseconds make it: about 100 Mbit/s for one connection.
const PORTION: usize = 64 << 10;
const EVERY: Duration = Duration::from_millis(5);

/// Where the servers are; they serve for as long as the process lives.
#[derive(Debug, Clone, Copy)]
pub struct Lab {
    /// The name server.
    pub dns: SocketAddr,
    /// The web server: `/down` gives without end, `/up` takes.
    pub web: SocketAddr,
}

impl Lab {
    /// Starts the servers.
    ///
    /// # Errors
    /// When loopback has no port left.
    pub fn start() -> io::Result<Self> {
        let names = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let web = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let lab = Self {
            dns: names.local_addr()?,
            web: web.local_addr()?,
        };
        std::thread::spawn(move || answer_names(&names));
        std::thread::spawn(move || {
            for stream in web.incoming().flatten() {
                std::thread::spawn(move || transfer(stream));
            }
        });
        Ok(lab)
    }
}

fn answer_names(socket: &UdpSocket) {
    let mut buffer = [0; 1500];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
        if let Some(message) = name_answer(&buffer[..length]) {
            // Nobody waits for an answer that cannot be sent.
            let _ = socket.send_to(&message, peer);
        }
    }
}

/// The answer to a question: addresses of loopback, and for names and texts markup.
fn name_answer(question: &[u8]) -> Option<Vec<u8>> {
    let mut at = 12;
    while *question.get(at)? != 0 {
        at += 1 + usize::from(question[at]);
    }
    let kind = question.get(at + 1..at + 3)?;
    let asked = question.get(12..at + 5)?;
    let mut data = Vec::new();
    match kind {
        [0, 1] => data.extend([127, 0, 0, 1]),
        [0, 28] => data.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        [0, 15] => {
            data.extend([0, 10]);
            label(&mut data, HOSTILE_NAME);
        }
        [0, 16] => {
            data.push(u8::try_from(HOSTILE.len()).ok()?);
            data.extend(HOSTILE.as_bytes());
        }
        _ => label(&mut data, HOSTILE_NAME),
    }
    let mut message = question.get(..2)?.to_vec();
    message.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    message.extend(asked);
    message.extend([0xc0, 12]);
    message.extend(kind);
    message.extend([0, 1, 0, 0, 0, 60]);
    message.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    message.extend(data);
    Some(message)
}

fn label(data: &mut Vec<u8>, text: &str) {
    for part in [text, "example"] {
        data.extend(u8::try_from(part.len()));
        data.extend(part.as_bytes());
    }
    data.push(0);
}

/// Gives or takes until the other end has enough.
fn transfer(stream: TcpStream) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let Some(request) = http::read(&mut reader)? else {
        return Ok(());
    };
    if request.method == "POST" {
        let mut taken = 0;
        let (mut buffer, mut end) = (vec![0; PORTION], Vec::new());
        while !end.ends_with(b"0\r\n\r\n") {
            let length = reader.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            taken += length;
            end.extend(&buffer[..length]);
            end.drain(..end.len().saturating_sub(5));
            crate::pause(EVERY);
        }
        let body = format!("{{\"received_bytes\":{taken}}}");
        return write!(
            writer,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }
    let zeros = vec![0; PORTION];
    write!(
        writer,
        "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n"
    )?;
    loop {
        writer.write_all(&zeros)?;
        crate::pause(EVERY);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn answers_hold_markup() {
        let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x10\0\x01";
        let answer = name_answer(question).unwrap();
        assert!(
            answer
                .windows(HOSTILE.len())
                .any(|part| part == HOSTILE.as_bytes())
        );
        assert!(name_answer(b"\x12\x34").is_none());
    }
}
