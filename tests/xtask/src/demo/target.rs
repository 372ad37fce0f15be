//! A target for measurements: sends UDP datagrams back, accepts TCP connections and closes them, serves one endless file.

mod web;

use anyhow::{Context, Result};
pub(super) use web::DOWNLOAD;

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::thread;

/// The port that pings go to unless an instruction says otherwise.
pub(super) const PORT: u16 = 33434;

/// The port that is downloaded from.
pub(super) const HTTP_PORT: u16 = 33480;

/// What `cargo xtask echo` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Addresses to answer at
    #[arg(required = true)]
    addresses: Vec<Ipv4Addr>,
    /// Port for UDP and TCP
    #[arg(long, default_value_t = PORT)]
    port: u16,
}

/// Answers until it is ended.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut threads = Vec::new();
    for address in &arguments.addresses {
        let at = SocketAddrV4::new(*address, arguments.port);
        let datagrams = UdpSocket::bind(at).with_context(|| format!("UDP {at}"))?;
        let connections = TcpListener::bind(at).with_context(|| format!("TCP {at}"))?;
        let web = SocketAddrV4::new(*address, HTTP_PORT);
        let web = TcpListener::bind(web).with_context(|| format!("HTTP {web}"))?;
        println!("answering at {at}");
        threads.push(thread::spawn(move || send_back(&datagrams)));
        threads.push(thread::spawn(move || accept(&connections)));
        threads.push(thread::spawn(move || web::serve(&web)));
    }
    for thread in threads {
        // Neither loop returns; a panic in one has been printed by it.
        let _ = thread.join();
    }
    Ok(())
}

fn send_back(socket: &UdpSocket) {
    let mut datagram = [0; 2048];
    loop {
        // Errors are those of single datagrams, such as a sender that went away.
        if let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let _ = socket.send_to(&datagram[..length], from);
        }
    }
}

fn accept(listener: &TcpListener) {
    loop {
        drop(listener.accept());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::TcpStream;
    use std::time::Duration;

    #[test]
    fn datagrams_come_back_and_connections_are_taken() {
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let connections = TcpListener::bind("127.0.0.1:0").unwrap();
        let (udp, tcp) = (
            datagrams.local_addr().unwrap(),
            connections.local_addr().unwrap(),
        );
        thread::spawn(move || send_back(&datagrams));
        thread::spawn(move || accept(&connections));

        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        socket.send_to(b"glimpse", udp).unwrap();
        let mut answer = [0; 16];
        assert_eq!(socket.recv(&mut answer).unwrap(), 7);
        assert_eq!(&answer[..7], b"glimpse");
        TcpStream::connect(tcp).unwrap();
    }
}
