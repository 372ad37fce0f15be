//! What is measured: a name server and a web server on loopback, and, where this machine is in the home's network, a gateway
//! there. The names and texts they give are hostile.

use super::http;
use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// Markup that runs if anybody takes it for such.
pub const HOSTILE: &str = "<img src=x onerror=\"window.__hit=1\">";

/// The same for names, whose text form escapes blanks and quotes.
pub const HOSTILE_NAME: &str = "<details/open/ontoggle=__hit=1>";

/// This machine in the home's network, where a test makes one.
pub const HOME: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);

/// Where devices are searched for (`UPnP` Device Architecture 1.1 §1.2).
const SEARCHED_AT: (Ipv4Addr, u16) = (Ipv4Addr::new(239, 255, 255, 250), 1900);

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
    /// The gateway's description; `None` if there is no home's network.
    pub gateway: Option<SocketAddr>,
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
            gateway: match TcpListener::bind((HOME, 0)) {
                Ok(described) => Some(gateway(described)?),
                Err(_) => None,
            },
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

/// A gateway of the home that announces itself with markup.
fn gateway(described: TcpListener) -> io::Result<SocketAddr> {
    let at = described.local_addr()?;
    let (group, port) = SEARCHED_AT;
    let searches = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    searches.join_multicast_v4(&group, &HOME)?;
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = searches.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]);
            let Some(wanted) = text.lines().find_map(|line| line.strip_prefix("ST: ")) else {
                continue;
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nST: {wanted}\r\nUSN: uuid:1::{wanted}\r\nLOCATION: http://{at}/root.xml\r\nSERVER: lab\r\n\r\n"
            );
            // Nobody waits for an answer that cannot be sent.
            let _ = searches.send_to(answer.as_bytes(), peer);
        }
    });
    std::thread::spawn(move || {
        for stream in described.incoming().flatten() {
            // A device that is left in the middle of its answer has told what it could.
            let _ = describe(stream);
        }
    });
    Ok(at)
}

fn describe(stream: TcpStream) -> io::Result<()> {
    let mut writer = stream.try_clone()?;
    http::read(&mut BufReader::new(stream))?;
    let name = HOSTILE.replace('<', "&lt;").replace('>', "&gt;");
    let body = format!(
        "<root><device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>\
         <friendlyName>{name}</friendlyName><manufacturer>{name}</manufacturer><modelName>{name}</modelName></device></root>"
    );
    write!(
        writer,
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
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
