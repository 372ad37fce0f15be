//! A web server with one file, which comes at an even pace: a line of 13 Mbit/s, whatever this machine can do.

use crate::clock;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Path of the file.
pub(crate) const DOWNLOAD: &str = "/down";
/// Who answers here wants to be measured; agents ask before they fill a line.
const CONSENT: &str = "/.well-known/glimpse-measurement";
/// Pace of the file: so many bytes each moment.
const CHUNK: usize = 16_500;
const MOMENT: Duration = Duration::from_millis(10);
/// Length of the file; nobody waits for its end.
const LENGTH: u64 = 1 << 30;
/// Longest head of a request, and how long is waited for it.
const HEAD: u64 = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once; more find the door closed.
const CONNECTIONS: usize = 64;

/// Serves for ever.
pub(super) fn serve(listener: &TcpListener) {
    let mut open: Vec<thread::JoinHandle<()>> = Vec::new();
    loop {
        // Errors are those of single connections, such as a client that went away.
        let Ok((stream, _)) = listener.accept() else {
            continue;
        };
        open.retain(|one| !one.is_finished());
        if open.len() < CONNECTIONS {
            open.push(thread::spawn(move || {
                // The client has what it wanted, or is gone.
                let _ = converse(&stream);
            }));
        }
    }
}

/// Answers requests of one connection until it ends.
fn converse(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    loop {
        let Some((method, path)) = request(stream)? else {
            return Ok(());
        };
        let path = path.split('?').next().unwrap_or_default();
        let (status, length) = match path {
            DOWNLOAD => ("200 OK", LENGTH),
            CONSENT => ("200 OK", ALLOW.len() as u64),
            _ => ("404 Not Found", 0),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
        );
        let mut out = stream;
        out.write_all(head.as_bytes())?;
        match (method.as_str(), path) {
            ("GET", CONSENT) => out.write_all(ALLOW)?,
            ("GET", DOWNLOAD) => return pour(stream),
            _ => {}
        }
    }
}

const ALLOW: &[u8] = b"allow\n";

/// Method and target of the next request; none when the client has closed or talks nonsense.
fn request(stream: &TcpStream) -> std::io::Result<Option<(String, String)>> {
    let mut lines = BufReader::new(stream.take(HEAD)).lines();
    let Some(first) = lines.next().transpose()? else {
        return Ok(None);
    };
    for line in lines {
        if line?.is_empty() {
            let mut words = first.split(' ').map(str::to_owned);
            return Ok(words.next().zip(words.next()));
        }
    }
    Ok(None)
}

fn pour(mut stream: &TcpStream) -> std::io::Result<()> {
    let chunk = vec![0; CHUNK];
    let started = clock::now();
    for n in 1_u32.. {
        stream.write_all(&chunk)?;
        // By the time since the start: a late moment is made up for.
        let due = MOMENT * n;
        clock::pause(due.saturating_sub(started.elapsed()));
        if u64::from(n) * CHUNK as u64 >= LENGTH {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ask(request: &str, length: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || serve(&listener));
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn agents_may_measure_and_are_told_so() {
        let answer = ask(&format!("GET {CONSENT} HTTP/1.1\r\nHost: x\r\n\r\n"), 84);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nallow\n"),
            "{answer}"
        );
        let answer = ask("HEAD /other HTTP/1.1\r\n\r\n", 22);
        assert_eq!(answer, "HTTP/1.1 404 Not Found");
    }

    #[test]
    fn the_file_comes_at_its_pace() {
        let started = clock::now();
        let moments = 20;
        ask(
            &format!("GET {DOWNLOAD}?x HTTP/1.1\r\n\r\n"),
            CHUNK * moments as usize,
        );
        // The last chunk comes as its moment begins, and the head lies before the first.
        assert!(started.elapsed() >= MOMENT * (moments - 2));
    }
}
