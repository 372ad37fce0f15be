//! Waiting for the end of a plug-in, and ending what it leaves.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, Uid};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use super::{CODES, ENTER, INPUT_LIMIT, LATE, Order, SIGNALS, UNWANTED, enter};
use crate::plugin::Account;

/// How long to wait for what was killed before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// After so many looks, processes multiply faster than they are found: then all of that user end.
const PATIENCE: u32 = 20;
/// After so many looks, what is left cannot be killed: it hangs in the kernel and dies when it comes out.
const LOOKS: u32 = 200;

/// Starts the plug-in, gives it its options, waits and cleans up; the exit code says how it ended.
pub(super) fn run(order: &Order) -> Result<u8, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(keep(order))
}

async fn keep(order: &Order) -> Result<u8, String> {
    let words = |error: std::io::Error| error.to_string();
    if !Uid::effective().is_root() {
        return Err("only root can hand a plug-in to its user".to_owned());
    }
    prctl::set_child_subreaper(true).map_err(|error| error.to_string())?;
    let mut deaths = signal(SignalKind::child()).map_err(words)?;
    let mut told = signal(SignalKind::terminate()).map_err(words)?;
    let control = std::io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(words)?;
    let mut control = pipe::Receiver::from_owned_fd(control).map_err(words)?;
    let input = read_line(&mut control).await?;

    let mut entrance = Command::new("/proc/self/exe")
        .args(order.words(ENTER))
        .stdin(Stdio::piped())
        .spawn()
        .map_err(words)?;
    let plug_in = Pid::from_raw(i32::try_from(entrance.id()).unwrap_or(0));
    if let Some(mut pipe) = entrance.stdin.take() {
        // One that does not read its options may have its reasons.
        let _ = pipe.write_all(&input);
    }
    let mut deadline = std::pin::pin!(tokio::time::sleep(Duration::from_millis(order.time_ms)));
    let verdict = loop {
        if let Some(code) = reap(plug_in).ended {
            break code;
        }
        tokio::select! {
            _ = deaths.recv() => {}
            () = &mut deadline => break LATE,
            () = closed(&mut control) => break UNWANTED,
            _ = told.recv() => break UNWANTED,
        }
    };
    end_all(order, &mut deaths).await;
    Ok(verdict)
}

/// The options: everything up to the end of the first line.
async fn read_line(control: &mut pipe::Receiver) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    while line.last() != Some(&b'\n') {
        match control.read(&mut chunk).await {
            Ok(0) => return Err("the agent is gone".to_owned()),
            Ok(read) => line.extend(chunk.iter().take(read)),
            Err(error) => return Err(error.to_string()),
        }
        if line.len() > INPUT_LIMIT + 1 {
            return Err("the options are too long".to_owned());
        }
    }
    Ok(line)
}

/// Waits until the agent closes its end.
async fn closed(control: &mut pipe::Receiver) {
    let mut chunk = [0; 16];
    while control.read(&mut chunk).await.is_ok_and(|read| read > 0) {}
}

/// What there was to reap.
struct Reaped {
    /// How the plug-in itself ended, if it did.
    ended: Option<u8>,
    /// Nobody is left.
    all: bool,
}

fn reap(plug_in: Pid) -> Reaped {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == plug_in => {
                // Code 119 is left as it is: so the entrance says that it could not start the plug-in.
                ended = Some(match u8::try_from(code) {
                    Ok(code) if code <= super::CANNOT => code,
                    _ => CODES,
                });
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == plug_in => {
                ended = Some(SIGNALS.saturating_add(u8::try_from(signal as i32).unwrap_or(0)));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) => return Reaped { ended, all: false },
            Ok(_) => {}
            Err(_) => return Reaped { ended, all: true },
        }
    }
}

/// Ends what a keeper that was killed has left: this process, its nearest ancestor that takes in orphans, has become
/// their parent. Only the plug-in user's are meant; false when some cannot be killed.
pub(in crate::plugin) async fn end_orphans(account: Account) -> bool {
    for _ in 0..LOOKS {
        let mut any = false;
        for child in children() {
            let status = fs::read_to_string(format!("/proc/{child}/status"));
            if status.is_ok_and(|status| user(&status) == Some(account.uid)) {
                any = true;
                // Dead already is as good; until it is reaped its number cannot be another's.
                let _ = kill(child, Signal::SIGKILL);
                let _ = waitpid(child, Some(WaitPidFlag::WNOHANG));
            }
        }
        if !any {
            return true;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    false
}

/// The real user in `/proc/PID/status`.
fn user(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Kills child after child until there is none: what a killed one leaves becomes a child of this process. Only children
/// are killed by their number, for until they are reaped it cannot be another's.
async fn end_all(order: &Order, deaths: &mut Stream) {
    let nobody = Pid::from_raw(0);
    for look in 0..LOOKS {
        for child in children() {
            // Dead already is as good.
            let _ = kill(child, Signal::SIGKILL);
        }
        if reap(nobody).all {
            return;
        }
        if look >= PATIENCE {
            sweep(order);
        }
        // Nobody died: look again all the same.
        let _ = tokio::time::timeout(LOOK_AGAIN, deaths.recv()).await;
    }
}

/// Kills everything of the plug-in user at once, which no process can outrun; what else runs as that user ends with it.
fn sweep(order: &Order) {
    let uid = Uid::from_raw(order.account.uid);
    if Uid::current() != uid && enter::become_user(order.account).is_err() {
        return;
    }
    // As root this would end the whole system.
    if Uid::current() == uid && Uid::effective() == uid && !uid.is_root() {
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    }
}

/// The children of this process, by `/proc` (not every kernel lists them for itself).
fn children() -> Vec<Pid> {
    let me = std::process::id();
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/stat"))
                .is_ok_and(|stat| parent(&stat) == Some(me))
        })
        .map(Pid::from_raw)
        .collect()
}

/// The parent in a line of `/proc/PID/stat`; the name before it may hold anything, brackets too.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn the_parent_stands_behind_any_name() {
        assert_eq!(parent("12 (sleep) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) S 9 (b)) R 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (sleep"), None);
    }

    #[test]
    fn the_user_is_the_real_one() {
        let status = "Name:\tUid: 7\nUmask:\t0022\nUid:\t1001\t0\t0\t0\nGid:\t5\t5\t5\t5\n";
        assert_eq!(user(status), Some(1001));
        assert_eq!(user("Name:\tsleep\n"), None);
    }
}
