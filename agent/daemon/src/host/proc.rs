//! The texts of `/proc` as figures. Pure.

/// Processor time since boot, in ticks of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuTimes {
    /// In use.
    pub busy: u64,
    /// Altogether.
    pub total: u64,
}

/// Reads the first line of `/proc/stat`.
pub fn cpu_times(stat: &str) -> Option<CpuTimes> {
    let mut words = stat.lines().next()?.split_ascii_whitespace();
    words.next().filter(|&word| word == "cpu")?;
    // user nice system idle iowait irq softirq steal; guest times behind them are part of user.
    let ticks: Vec<u64> = words
        .take(8)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let (&idle, iowait) = (ticks.get(3)?, ticks.get(4).copied().unwrap_or(0));
    let total = ticks
        .iter()
        .fold(0u64, |sum, &ticks| sum.saturating_add(ticks));
    Some(CpuTimes {
        busy: total.saturating_sub(idle).saturating_sub(iowait),
        total,
    })
}

/// Share of time in use between two readings, 0 to 1; `None` when no tick lies between, or the counters went back.
pub fn cpu_usage(before: &CpuTimes, after: &CpuTimes) -> Option<f64> {
    let total = after
        .total
        .checked_sub(before.total)
        .filter(|&total| total > 0)?;
    // `iowait` may go back a little by itself, and `busy` with it.
    let busy = after.busy.saturating_sub(before.busy).min(total);
    // Four digits: in thousandths of a per cent nothing is meant, and a result has no figures like 0.30000000000000004.
    let share = u32::try_from(busy.saturating_mul(10_000) / total).ok()?;
    Some(f64::from(share) / 10_000.0)
}

/// Memory that programs can still get, bytes, from `/proc/meminfo`; what is merely free where the kernel (before 3.14)
/// does not say.
pub fn free_memory(meminfo: &str) -> Option<u64> {
    let field = |name: &str| {
        let line = meminfo
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kilobytes.checked_mul(1024)
    };
    field("MemAvailable").or_else(|| field("MemFree"))
}

/// Signal strength of an interface, per cent, from `/proc/net/wireless`: -100 dBm and below is 0, -50 dBm and above 100.
pub fn signal_strength(wireless: &str, interface: &str) -> Option<u8> {
    let line = wireless
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'))?;
    // status, link quality, level, noise; a point after a figure says that it is fresh.
    let level: i32 = line
        .split_ascii_whitespace()
        .nth(2)?
        .trim_end_matches('.')
        .parse()
        .ok()?;
    // Drivers without calibration give a level of their own scale, which is positive.
    if level >= 0 {
        return None;
    }
    u8::try_from((level.saturating_add(100).saturating_mul(2)).clamp(0, 100)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn load_is_the_share_of_busy_ticks() {
        let before = cpu_times("cpu  10 0 10 70 10 0 0 0 5 0\ncpu0 1\n").unwrap();
        assert_eq!(
            before,
            CpuTimes {
                busy: 20,
                total: 100
            }
        );
        let after = cpu_times("cpu  40 0 10 130 20 0 0 0 9 0\n").unwrap();
        assert_eq!(cpu_usage(&before, &after), Some(0.3));
        assert_eq!(cpu_usage(&after, &after), None);
        assert_eq!(cpu_usage(&after, &before), None);
        assert_eq!(
            cpu_times("cpu  1 2 3 4\n").unwrap(),
            CpuTimes { busy: 6, total: 10 }
        );
        for text in ["", "cpu", "cpu 1 2 3", "cpu a b c d", "intr 1 2 3 4 5"] {
            assert_eq!(cpu_times(text), None, "{text}");
        }
    }

    #[test]
    fn old_kernels_tell_free_memory_only() {
        assert_eq!(
            free_memory("MemTotal:  100 kB\nMemFree:    7 kB\n"),
            Some(7168)
        );
        assert_eq!(
            free_memory("MemFree: 7 kB\nMemAvailable: 9 kB\n"),
            Some(9216)
        );
        assert_eq!(free_memory("MemFreeX: 7 kB\n"), None);
        assert_eq!(free_memory("MemFree: lots\n"), None);
    }

    #[test]
    fn signal_is_that_of_the_interface() {
        let text = "Inter-| sta-|   Quality        |\n face | tus | link level noise |\n wlan1: 0000   31.  -79.  -256\n  wlan0: 0000   70.  -40.  -256\nwlan2: 0000 50. 170. 0.\n";
        let seen =
            ["wlan0", "wlan1", "wlan2", "wlan", "eth0"].map(|name| signal_strength(text, name));
        assert_eq!(seen, [Some(100), Some(42), None, None, None]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(cpu|MemFree:|wlan0:|[ 0-9a-z.:\n-]){0,40}") {
            let _ = (cpu_times(&text), free_memory(&text), signal_strength(&text, "wlan0"));
        }

        #[test]
        fn load_is_a_share(a in any::<[u64; 2]>(), b in any::<[u64; 2]>()) {
            let times = |[busy, total]: [u64; 2]| CpuTimes { busy, total };
            if let Some(share) = cpu_usage(&times(a), &times(b)) {
                prop_assert!((0.0..=1.0).contains(&share));
            }
        }
    }
}
