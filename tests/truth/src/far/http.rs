//! An HTTP server with content without end, and room for as much.

use super::Server;
use anyhow::Result;
use glimpse_net::tcp::set_congestion_control;
use glimpse_tests::namespace::Namespace;
use std::net::Ipv4Addr;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Bytes of content handed to the kernel at a time.
const BLOCK: usize = 256 << 10;
/// By what it avoids congestion: as most servers.
const CONGESTION_CONTROL: &str = "cubic";
/// What follows the data of a chunked body.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
/// Content that is announced: nobody waits for its end.
const ANNOUNCED: u64 = 1 << 50;

/// Serves in `namespace`.
pub(crate) fn serve(namespace: &Namespace) -> Result<Server> {
    Server::start(namespace, async || {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        set_congestion_control(&listener, CONGESTION_CONTROL)?;
        let port = listener.local_addr()?.port();
        Ok((port, accept(listener)))
    })
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    // Clients go when they have what they want.
                    connections.spawn(async { drop(answer(stream).await) });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::with_capacity(BLOCK, stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let posts = line.starts_with("POST");
    while line.trim_end() != "" {
        line.clear();
        stream.read_line(&mut line).await?;
    }
    if posts {
        return take(stream).await;
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ANNOUNCED}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let block = vec![b'.'; BLOCK];
    loop {
        stream.write_all(&block).await?;
    }
}

/// Reads a chunked body to its end; its content is random, so that what ends it does not occur in it.
async fn take(mut stream: BufReader<TcpStream>) -> std::io::Result<()> {
    let mut block = vec![0; BLOCK];
    let mut tail = Vec::new();
    while !tail.ends_with(LAST_CHUNK) {
        let read = stream.read(&mut block).await?;
        if read == 0 {
            return Ok(());
        }
        tail.extend_from_slice(&block[read.saturating_sub(LAST_CHUNK.len())..read]);
        tail.drain(..tail.len().saturating_sub(LAST_CHUNK.len()));
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await
}
