//! Network namespaces: what must cross a real kernel. Everything made here is taken away when the value is dropped.
//!
//! ```text
//!   Namespace ── join ── Namespace      veth pairs, with tbf where a line is to have a rate
//!   Emulated  = Namespace + the program `glimpse-emulator` behind a TUN device in it
//! ```
//! All of it needs root and the programs `ip` and `tc`; without, the error says so, and a test that needs it fails.

mod emulated;

pub use emulated::{DEVICE, Emulated};

use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// Why a laboratory of namespaces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// This user may not.
    #[error(
        "network namespaces need root: run the tests as root, or under `unshare -rn` where the kernel allows it"
    )]
    NotRoot,
    /// A program did not do what was asked.
    #[error("`{command}` failed: {said}")]
    Command {
        /// The command line.
        command: String,
        /// What it said.
        said: String,
    },
    /// The emulator did not come up.
    #[error("the emulator did not start: {0}")]
    Emulator(String),
    /// The topology cannot be read.
    #[error(transparent)]
    Topology(#[from] crate::emulator::TopologyError),
    /// The namespace cannot be entered.
    #[error("cannot enter the namespace {name}: {source}")]
    Enter {
        /// Its name.
        name: String,
        /// What the system said.
        source: io::Error,
    },
}

/// A network namespace with its loopback up.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

/// One end of a link: the device's name in its namespace, and its addresses with the length of their prefix.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Name of the device, at most 15 bytes.
    pub device: &'a str,
    /// Its addresses.
    pub addresses: &'a [(IpAddr, u8)],
}

/// The token bucket of `tc-tbf`. It counts whole Ethernet frames: of 1514 bytes, 1500 are IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tbf {
    /// Bits in a second.
    pub rate_bps: u64,
    /// Bytes that may pass at once after a pause.
    pub burst_bytes: u64,
    /// Bytes that may wait; what does not fit is dropped.
    pub limit_bytes: u64,
}

impl Namespace {
    /// Makes a namespace whose name begins with `prefix`. Addresses in it are usable at once: duplicates are not looked for.
    pub fn new(prefix: &str) -> Result<Self, NamespaceError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            return Err(NamespaceError::NotRoot);
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{}-{number}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "dev", "lo", "up"])?;
        namespace.enter(|| {
            for key in ["accept_dad", "dad_transmits"] {
                // A kernel without IPv6 has no such file, and no need of it.
                let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/default/{key}"), "0");
            }
        })?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `command` as it runs inside: its program, arguments and environment; streams are those of the new command.
    pub fn inside(&self, command: &Command) -> Command {
        let mut moved = Command::new("ip");
        moved
            .args(["netns", "exec", &self.name])
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => moved.env(key, value),
                None => moved.env_remove(key),
            };
        }
        moved
    }

    /// Runs `command` inside to its end and gives what it wrote on standard output.
    pub fn run(&self, command: &Command) -> Result<String, NamespaceError> {
        run(&mut self.inside(command))
    }

    /// Runs `work` on a thread of its own inside: sockets opened there stay inside, wherever they are used afterwards.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let fault = |source| NamespaceError::Enter {
            name: self.name.clone(),
            source,
        };
        let file = File::open(self.path()).map_err(fault)?;
        let worked = thread::scope(|scope| {
            let thread = scope.spawn(move || {
                setns(&file, CloneFlags::CLONE_NEWNET)?;
                Ok::<_, nix::Error>(work())
            });
            match thread.join() {
                Ok(worked) => worked,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        worked.map_err(|error| fault(error.into()))
    }

    /// Lays a veth link to another namespace.
    pub fn join(&self, here: End<'_>, other: &Self, there: End<'_>) -> Result<(), NamespaceError> {
        self.ip(&[
            "link",
            "add",
            here.device,
            "type",
            "veth",
            "peer",
            "name",
            there.device,
            "netns",
            &other.name,
        ])?;
        for (namespace, end) in [(self, here), (other, there)] {
            for (address, prefix) in end.addresses {
                let address = format!("{address}/{prefix}");
                let mut add = vec!["address", "add", &address, "dev", end.device];
                if address.contains(':') {
                    // Both ends are ours; looking for duplicates only makes the address wait.
                    add.push("nodad");
                }
                namespace.ip(&add)?;
            }
            namespace.ip(&["link", "set", "dev", end.device, "up"])?;
        }
        Ok(())
    }

    /// Gives what leaves by `device` a rate.
    pub fn shape(&self, device: &str, tbf: Tbf) -> Result<(), NamespaceError> {
        run(Command::new("tc")
            .args([
                "-n", &self.name, "qdisc", "replace", "dev", device, "root", "tbf",
            ])
            .args(["rate", &format!("{}bit", tbf.rate_bps)])
            .args(["burst", &tbf.burst_bytes.to_string()])
            .args(["limit", &tbf.limit_bytes.to_string()]))
        .map(|_| ())
    }

    /// Runs `ip` inside.
    pub fn ip(&self, arguments: &[&str]) -> Result<String, NamespaceError> {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("ip").args(["netns", "delete", &self.name])) {
            eprintln!("{error}");
        }
    }
}

/// Runs `command` to its end and gives its standard output.
fn run(command: &mut Command) -> Result<String, NamespaceError> {
    let line = format!("{command:?}").replace('"', "");
    let failed = |said: String| NamespaceError::Command {
        command: line.clone(),
        said,
    };
    let output = command
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let both = [output.stderr, output.stdout].concat();
    Err(failed(format!(
        "{} ({})",
        String::from_utf8_lossy(&both).trim(),
        output.status
    )))
}

#[cfg(test)]
mod tests;
