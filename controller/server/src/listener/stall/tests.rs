// The clock of the runtime stands still but for its timers.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use super::*;
use std::future::poll_fn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, advance, timeout};

const PATIENCE: Duration = Duration::from_mins(1);
/// More than a peer that reads nothing takes.
const MUCH: [u8; 64] = [7; 64];

/// One end that takes eight bytes ahead, and the peer's.
fn pair() -> (Stall<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(8);
    (Stall::new(near, PATIENCE), far)
}

/// A peer whose system takes nothing, not even an end; there is nothing to flush.
struct Deaf;

impl AsyncRead for Deaf {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(b"x");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Deaf {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// How long it takes until a write fails, and how.
async fn failure(write: impl Future<Output = io::Result<()>>) -> (Duration, io::ErrorKind) {
    let began = Instant::now();
    let error = timeout(PATIENCE * 100, write).await.unwrap().unwrap_err();
    // Timers are right to a millisecond.
    (Duration::from_secs(began.elapsed().as_secs()), error.kind())
}

const TIMED_OUT: (Duration, io::ErrorKind) = (PATIENCE, io::ErrorKind::TimedOut);

#[tokio::test(start_paused = true)]
async fn a_write_of_which_nothing_is_taken_fails_after_a_while() {
    let (mut near, _far) = pair();
    assert_eq!(failure(near.write_all(&MUCH)).await, TIMED_OUT);
    let mut deaf = Stall::new(Deaf, PATIENCE);
    assert_eq!(failure(deaf.write_all(&MUCH)).await, TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn so_do_writes_of_several_parts_and_the_end() {
    let mut deaf = Stall::new(Deaf, PATIENCE);
    let parts = [IoSlice::new(&MUCH), IoSlice::new(&MUCH)];
    let several = poll_fn(|context| Pin::new(&mut deaf).poll_write_vectored(context, &parts));
    assert_eq!(failure(async { several.await.map(drop) }).await, TIMED_OUT);
    let mut deaf = Stall::new(Deaf, PATIENCE);
    assert_eq!(failure(deaf.shutdown()).await, TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn who_takes_a_byte_in_time_may_take_as_long_as_it_likes() {
    let (mut near, mut far) = pair();
    let writing = tokio::spawn(async move { near.write_all(&MUCH).await });
    for _ in 0..MUCH.len() {
        sleep(PATIENCE.checked_sub(Duration::from_secs(1)).unwrap()).await;
        assert_eq!(far.read_u8().await.unwrap(), 7);
    }
    writing.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_byte_gives_the_peer_the_whole_time_again() {
    let (mut near, mut far) = pair();
    let writing = tokio::spawn(async move { failure(near.write_all(&MUCH)).await });
    sleep(PATIENCE / 2).await;
    far.read_u8().await.unwrap();
    let (took, kind) = writing.await.unwrap();
    assert_eq!((took, kind), (PATIENCE + PATIENCE / 2, TIMED_OUT.1));
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nothing_is_written_does_not_count() {
    let (mut near, mut far) = pair();
    for _ in 0..3 {
        near.write_all(&MUCH[..8]).await.unwrap();
        sleep(PATIENCE * 10).await;
        far.read_exact(&mut [0; 8]).await.unwrap();
    }
    // The peer is silent for longer than it may take nothing.
    let silent = timeout(PATIENCE * 10, near.read_u8()).await;
    assert!(silent.is_err());
    assert_eq!(failure(near.write_all(&MUCH)).await, TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn neither_flushes_nor_what_the_peer_sends_gives_it_more_time() {
    let mut deaf = Stall::new(Deaf, PATIENCE);
    let began = Instant::now();
    let error = loop {
        let write = poll_fn(|context| {
            let wrote = Pin::new(&mut deaf).poll_write(context, &MUCH);
            Poll::Ready(wrote)
        });
        match write.await {
            Poll::Pending => {}
            Poll::Ready(wrote) => break wrote.unwrap_err(),
        }
        deaf.flush().await.unwrap();
        deaf.read_u8().await.unwrap();
        advance(Duration::from_secs(1)).await;
        assert!(began.elapsed() < PATIENCE * 2, "it goes on for ever");
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(began.elapsed() >= PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn other_failures_are_passed_on_as_they_are() {
    let (mut near, far) = pair();
    drop(far);
    let (took, kind) = failure(near.write_all(&MUCH)).await;
    assert_eq!((took, kind), (Duration::ZERO, io::ErrorKind::BrokenPipe));
}
