//! What a figure was taken on.

use anyhow::{Context, Result};
use nix::sys::statfs::{self, FsType, statfs};
use std::fs;
use std::path::Path;

/// Cores, architecture, kernel and load, for people.
pub(crate) fn describe() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let load = read("/proc/loadavg")?;
    let minute = load.split(' ').next().unwrap_or_default();
    Ok(format!(
        "{cores} cores, {}, Linux {}, load of the minute before {minute}",
        std::env::consts::ARCH,
        kernel.trim(),
    ))
}

/// The file system below `dir`, for people: what a commit costs depends on it.
pub(crate) fn file_system(dir: &Path) -> Result<String> {
    let kind = statfs(dir)
        .with_context(|| dir.display().to_string())?
        .filesystem_type();
    let known: [(FsType, &str); 5] = [
        (statfs::EXT4_SUPER_MAGIC, "ext4"),
        (statfs::BTRFS_SUPER_MAGIC, "btrfs"),
        (statfs::XFS_SUPER_MAGIC, "xfs"),
        (statfs::OVERLAYFS_SUPER_MAGIC, "overlayfs"),
        (statfs::TMPFS_MAGIC, "tmpfs: commits cost nothing here"),
    ];
    let name = known.iter().find(|(magic, _)| *magic == kind);
    Ok(name.map_or_else(|| format!("{kind:?}"), |(_, name)| (*name).to_owned()))
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// Most that was ever resident.
    pub(crate) peak: u64,
}

/// Memory of process `pid`.
pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = read(&format!("/proc/{pid}/status"))?;
    Ok(Memory {
        resident: kibibytes(&status, "VmRSS")?,
        peak: kibibytes(&status, "VmHWM")?,
    })
}

fn kibibytes(status: &str, name: &str) -> Result<u64> {
    let number = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .with_context(|| format!("no {name} in the status of the process"))?;
    Ok(number.parse::<u64>()? * 1024)
}

/// CPU time of the living threads of process `pid`, in nanoseconds. `/proc/PID/stat` counts in steps of 10 ms, which is a
/// third of what an idle agent may use in 10 s.
pub(crate) fn cpu_ns(pid: u32) -> Result<u64> {
    let threads = format!("/proc/{pid}/task");
    let mut sum = 0;
    for thread in fs::read_dir(&threads).context(threads)? {
        let path = thread?.path().join("schedstat");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} (CONFIG_SCHED_INFO)", path.display()))?;
        let first = text.split(' ').next().unwrap_or_default();
        sum += first.parse::<u64>()?;
    }
    Ok(sum)
}

/// Threads of process `pid`.
pub(crate) fn threads(pid: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/task"))?.count())
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn this_process_has_memory_and_uses_time() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.resident > 100_000 && memory.peak >= memory.resident);
        let before = cpu_ns(pid).unwrap();
        let sum = (0..20_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        std::hint::black_box(sum);
        assert!(cpu_ns(pid).unwrap() > before);
        assert!(threads(pid).unwrap() >= 1);
    }

    #[test]
    fn a_status_without_the_line_is_an_error() {
        assert_eq!(
            kibibytes("VmRSS:\t    12 kB\n", "VmRSS").unwrap(),
            12 * 1024
        );
        assert!(kibibytes("VmRSSx:\t12 kB\n", "VmRSS").is_err());
    }
}
