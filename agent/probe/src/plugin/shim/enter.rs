//! Giving up everything, and becoming the plug-in.

use std::convert::Infallible;
use std::fs;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{self, Uid};

use super::{ENVIRONMENT, Order};
use crate::plugin::Account;

/// Processes and threads of the plug-in user at a time.
const PROCESSES: u64 = 64;
/// Open files of each of its processes.
const OPEN_FILES: u64 = 64;

/// Does not return when the plug-in has taken over; else says why it has not.
pub(super) fn run(order: &Order) -> String {
    match enter(order) {
        Ok(never) => match never {},
        Err(reason) => reason,
    }
}

fn enter(order: &Order) -> Result<Infallible, String> {
    let step = |what: &'static str| move |error| format!("{what}: {error}");
    close_inherited()?;
    // Where memory is short, the kernel is to choose this one; where it cannot be told, it chooses by size.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    umask(Mode::from_bits_truncate(0o077));
    // A session of its own: no terminal to type into, and a group to itself.
    unistd::setsid().map_err(step("no session of its own"))?;
    let seconds = order.time_ms.div_ceil(1000).max(1);
    for (resource, limit) in [
        (Resource::RLIMIT_CPU, seconds),
        (Resource::RLIMIT_AS, order.memory_bytes),
        (Resource::RLIMIT_NPROC, PROCESSES),
        (Resource::RLIMIT_NOFILE, OPEN_FILES),
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, limit, limit).map_err(step("no limits"))?;
    }
    prctl::set_no_new_privs().map_err(step("privileges could be gained"))?;
    become_user(order.account)?;
    // Forgotten whenever the user changes, so only now.
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(step("it could outlive its keeper"))?;
    let error = Command::new(&order.program)
        .arg(&order.word)
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir("/")
        .exec();
    Err(error.to_string())
}

/// Becomes the user of plug-ins, with one group and no way back.
pub(super) fn become_user(account: Account) -> Result<(), String> {
    let refused = |error| format!("cannot become user {}: {error}", account.uid);
    let uid = Uid::from_raw(account.uid);
    unistd::setgroups(&[]).map_err(refused)?;
    unistd::setgid(account.gid.into()).map_err(refused)?;
    unistd::setuid(uid).map_err(refused)?;
    if Uid::current() == uid && Uid::effective() == uid && unistd::setuid(0.into()).is_err() {
        Ok(())
    } else {
        Err(format!("is not user {} for good", account.uid))
    }
}

/// Our own descriptors close by themselves; this closes what the agent was given by whoever started it.
fn close_inherited() -> Result<(), String> {
    let listed =
        fs::read_dir("/proc/self/fd").map_err(|error| format!("/proc/self/fd: {error}"))?;
    let open: Vec<RawFd> = listed
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect();
    for descriptor in open {
        // The one that listed them is closed already.
        let _ = unistd::close(descriptor);
    }
    Ok(())
}
