//! The edge to the system's clocks.

use glimpse_model::time::Timestamp;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// When this source was written: a clock that shows an earlier time has not been set.
/// 2026-11-01T00:00:00Z.
pub const WRITTEN: Timestamp = Timestamp::from_unix_seconds(1_793_491_200);

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub fn now() -> Timestamp {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    };
    Timestamp::from_micros(micros)
}

/// A steady clock, for durations.
#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub fn steady() -> Instant {
    Instant::now()
}

/// The system has said that it will set its clock, and has not yet.
static UNSET: AtomicBool = AtomicBool::new(false);

/// How often it is looked for the mark that the clock is set.
const LOOK: Duration = Duration::from_secs(5);

/// Whether a wall clock that shows `now` can be believed: routers boot without one, at the time of their newest file,
/// which may be weeks ago.
pub fn is_trusted(now: Timestamp) -> bool {
    now >= WRITTEN && !UNSET.load(Ordering::Relaxed)
}

/// Whether `mark` does not stand yet, which the system makes when it has set the clock: from now on the clock is not
/// believed, until [`wait_for`] has ended.
pub fn is_unset(mark: &Path) -> bool {
    let unset = !mark.exists();
    UNSET.store(unset, Ordering::Relaxed);
    unset
}

/// Waits for `mark`; for `wait` at the longest, since there may be nobody who sets the clock.
pub async fn wait_for(mark: PathBuf, wait: Duration) {
    let waiting = async {
        while !mark.exists() {
            tokio::time::sleep(LOOK).await;
        }
    };
    let set = tokio::time::timeout(wait, waiting).await.is_ok();
    UNSET.store(false, Ordering::Relaxed);
    if set {
        log::info!("the clock is set");
    } else {
        log::warn!("nobody has set the clock: it is believed as it is");
    }
}

/// A timer on the wall clock that also wakes when the clock is set.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<Timer>,
}

/// A timer as the runtime wants its file descriptors.
#[derive(Debug)]
struct Timer(TimerFd);

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// A timer that is not set.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = Timer(TimerFd::new(ClockId::CLOCK_REALTIME, flags)?);
        #[expect(
            deprecated,
            reason = "the sound successor is `unsafe`; a Timer owns its descriptor for life"
        )]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Self { timer })
    }

    /// Waits until the wall clock shows `until`, or until it is set to another time, whichever comes
    /// first: the caller looks at the clock again.
    pub async fn wait(&mut self, until: Timestamp) -> io::Result<()> {
        // An absolute time of 0 would disarm the timer; any past time fires at once.
        let at = duration(until.as_micros().max(1));
        let set = self.timer.get_ref().0.set(
            Expiration::OneShot(TimeSpec::from_duration(at)),
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET,
        );
        match set {
            // The clock was set since the timer was last read; it is armed all the same.
            Err(nix::errno::Errno::ECANCELED) => return Ok(()),
            done => done?,
        }
        loop {
            let mut ready = self.timer.readable().await?;
            match self.timer.get_ref().0.wait() {
                // Fired, or cancelled because the clock was set.
                Ok(()) | Err(nix::errno::Errno::ECANCELED) => return Ok(()),
                Err(nix::errno::Errno::EAGAIN) => ready.clear_ready(),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Microseconds as a [`Duration`]; negative ones are zero.
pub fn duration(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn the_alarm_rings_at_its_time_and_at_once_for_the_past() {
        let mut alarm = Alarm::new().unwrap();
        alarm.wait(Timestamp::from_micros(0)).await.unwrap();
        let until = now().plus_micros(30_000);
        alarm.wait(until).await.unwrap();
        assert!(now() >= until);
    }

    // One test, since what it is about is the process's.
    #[tokio::test(start_paused = true)]
    async fn a_clock_is_trusted_when_it_is_set() {
        assert!(!is_trusted(Timestamp::from_micros(0)));
        assert!(is_trusted(now()));

        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("clock");
        assert!(is_unset(&mark));
        assert!(!is_trusted(now()));
        let set = tokio::spawn(wait_for(mark.clone(), Duration::from_mins(15)));
        tokio::time::sleep(Duration::from_mins(14)).await;
        assert!(!is_trusted(now()));
        std::fs::write(&mark, "").unwrap();
        set.await.unwrap();
        assert!(is_trusted(now()) && !is_unset(&mark));

        // Nobody sets it.
        std::fs::remove_file(&mark).unwrap();
        assert!(is_unset(&mark));
        wait_for(mark, Duration::from_mins(15)).await;
        assert!(is_trusted(now()));
    }
}
