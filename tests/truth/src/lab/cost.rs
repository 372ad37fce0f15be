//! What a program costs while it runs.

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;
use std::fs;
use std::ops::Add;
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use super::{now, since};

/// A program that takes longer is ended.
pub(super) const LONGEST: Duration = Duration::from_mins(3);
/// When memory is first looked at, and how rarely at last: looking costs some 30 µs.
const FIRST_LOOK: Duration = Duration::from_millis(4);
const LATER_LOOKS: Duration = Duration::from_millis(100);
/// From one note of the memory to the next.
const NOTED: Duration = Duration::from_secs(1);

/// CPU time and memory of a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) wall: Duration,
    /// User and system time, start and end of the program included.
    pub(crate) cpu: Duration,
    /// Most memory that was resident, in bytes, as last seen: in the last 100 ms of a program, or in all of a very short
    /// one, nobody may have looked.
    pub(crate) peak: Option<u64>,
}

impl Add for Cost {
    type Output = Self;

    /// One after the other: times are added, memory is the larger.
    fn add(self, other: Self) -> Self {
        Self {
            wall: self.wall + other.wall,
            cpu: self.cpu + other.cpu,
            peak: self.peak.max(other.peak),
        }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// CPU time of all children that have been waited for, and of theirs.
pub(super) fn children_cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |value: TimeVal| {
        let us = value.tv_sec() * 1_000_000 + value.tv_usec();
        Duration::from_micros(u64::try_from(us).unwrap_or(0))
    };
    Ok(time(usage.user_time()) + time(usage.system_time()))
}

/// What was seen of a program while it ran.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) peak: Option<u64>,
    /// Bytes resident after each second.
    pub(super) resident: Vec<u64>,
    /// It was ended for taking too long.
    pub(super) overdue: bool,
}

/// Looks at a program from time to time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    pid: u32,
}

impl Watch {
    pub(super) fn over(child: &Child) -> Self {
        Self { pid: child.id() }
    }

    /// Watches until `wait` has returned.
    pub(super) fn during<T>(self, wait: impl FnOnce() -> T) -> (T, Seen) {
        let (done, is_done) = channel::<()>();
        thread::scope(|scope| {
            let watching = scope.spawn(move || self.look(&is_done));
            let waited = wait();
            drop(done);
            (waited, watching.join().unwrap_or_default())
        })
    }

    fn look(self, is_done: &Receiver<()>) -> Seen {
        let (start, mut pause) = (now(), FIRST_LOOK);
        let (mut seen, mut noted) = (Seen::default(), Duration::ZERO);
        while is_done.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            pause = (pause * 2).min(LATER_LOOKS);
            seen.peak = seen.peak.max(self.peak());
            if since(start) >= noted + NOTED {
                noted += NOTED;
                seen.resident.extend(self.resident());
            }
            if since(start) > LONGEST && !seen.overdue {
                seen.overdue = true;
                let _ = kill(Pid::from_raw(self.pid.cast_signed()), Signal::SIGKILL);
            }
        }
        seen
    }

    /// Most bytes that were resident so far; none when the program is gone.
    fn peak(self) -> Option<u64> {
        bytes(self.pid, "status", "VmHWM:")
    }

    /// Bytes resident now. `status` gives this number as the kernel's counters for each processor leave it, some hundred
    /// kilobytes off; this one is counted page by page.
    fn resident(self) -> Option<u64> {
        bytes(self.pid, "smaps_rollup", "Rss:")
    }
}

/// What a file of a process says, in kilobytes, behind `name`.
fn bytes(pid: u32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number = line.trim().strip_suffix(" kB")?;
    number.parse::<u64>().ok().map(|number| number * 1024)
}
