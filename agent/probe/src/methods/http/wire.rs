//! What a connection is made of: TCP, with or without TLS above it.

use std::io;
use std::pin::Pin;
use std::task::{Context as Wakes, Poll};

use glimpse_net::stream::CountedStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

/// TCP, with or without TLS above it.
pub enum Wire {
    /// Without.
    Plain(CountedStream),
    /// With.
    Tls(Box<TlsStream<CountedStream>>),
}

impl Wire {
    pub(super) fn counted(&self) -> &CountedStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// The version of TLS in the words of RFC 8446 and its kin; `None` without TLS.
    pub(super) fn tls_version(&self) -> Option<&'static str> {
        let Self::Tls(stream) = self else {
            return None;
        };
        Some(match stream.get_ref().1.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_3 => "1.3",
            rustls::ProtocolVersion::TLSv1_2 => "1.2",
            _ => "unknown",
        })
    }

    /// Reads into nowhere; over TLS, into `room`, since it has to be decrypted.
    pub(super) fn poll_discard(
        &mut self,
        wakes: &mut Wakes<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => stream.poll_discard(wakes, room),
            Self::Tls(stream) => {
                let mut room = ReadBuf::new(room);
                let read = Pin::new(stream).poll_read(wakes, &mut room);
                read.map_ok(|()| room.filled().len())
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        wakes: &mut Wakes<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(wakes, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(wakes, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        wakes: &mut Wakes<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(wakes, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(wakes, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, wakes: &mut Wakes<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(wakes),
            Self::Tls(stream) => Pin::new(stream).poll_flush(wakes),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, wakes: &mut Wakes<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(wakes),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(wakes),
        }
    }
}
