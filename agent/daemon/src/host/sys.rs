//! Small files of the kernel, and the space of a file system.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A text file of the kernel; `None` when it is not there, cannot be read or is no text.
pub(super) fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    // `/proc/stat` has a line per processor and interrupt; what is wanted of all these files stands near the top.
    File::open(path)
        .ok()?
        .take(64 * 1024)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// A counter of an interface.
pub(super) fn statistic(root: &Path, interface: &str, name: &str) -> Option<u64> {
    text(
        &root
            .join("sys/class/net")
            .join(interface)
            .join("statistics")
            .join(name),
    )?
    .trim()
    .parse()
    .ok()
}

/// Whether a name can be one of an interface, and nothing else of a path.
pub(super) fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len()) && !name.contains('/') && name != "." && name != ".."
}

/// Mean charge of the machine's own batteries, per cent; those of its peripherals do not count.
pub(super) fn battery_level(root: &Path) -> Option<u8> {
    let supplies = std::fs::read_dir(root.join("sys/class/power_supply")).ok()?;
    let levels: Vec<u32> = supplies
        .filter_map(|supply| {
            let field = |name: &str| text(&supply.as_ref().ok()?.path().join(name));
            let own = field("type")?.trim() == "Battery"
                && field("scope").is_none_or(|scope| scope.trim() != "Device");
            field("capacity")
                .filter(|_| own)?
                .trim()
                .parse()
                .ok()
                .filter(|&level| level <= 100)
        })
        .collect();
    let count = u32::try_from(levels.len()).ok()?;
    u8::try_from(levels.iter().sum::<u32>().checked_div(count)?).ok()
}

/// Bytes that an ordinary user can still write where `path` lies.
pub(super) fn available_bytes(path: &Path) -> Option<u64> {
    let space = nix::sys::statvfs::statvfs(path).ok()?;
    #[expect(
        clippy::useless_conversion,
        reason = "the types differ between 32-bit and 64-bit machines"
    )]
    u64::from(space.blocks_available()).checked_mul(u64::from(space.fragment_size()))
}
