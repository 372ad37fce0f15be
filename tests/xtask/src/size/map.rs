//! The linker's map: how many bytes of a program are of one crate.

/// Bytes of the sections that were kept and whose name holds `name`: code, and constants with names of their own. Constants without
/// a name (texts of messages) are of nobody.
pub(super) fn bytes_of(map: &str, name: &str) -> usize {
    // What was thrown away stands before.
    let kept = map.split_once("\nLinker script and memory map");
    let mut lines = kept.map_or("", |(_, kept)| kept).lines();
    let mut sum = 0;
    while let Some(line) = lines.next() {
        // ` .text.NAME  0xADDRESS  0xSIZE  FILE`, a long name on a line of its own.
        let mut words = line.split_ascii_whitespace();
        let section = words.next().unwrap_or_default();
        if !line.starts_with(" .") || !section.contains(name) {
            continue;
        }
        let size = match words.nth(1) {
            Some(size) => Some(size),
            None => lines
                .next()
                .and_then(|line| line.split_ascii_whitespace().nth(1)),
        };
        let digits = size.and_then(|size| size.strip_prefix("0x"));
        sum += digits.map_or(0, |digits| usize::from_str_radix(digits, 16).unwrap_or(0));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_sections_of_a_crate_are_added_up() {
        let map = "Discarded input sections\n\n .text._ZN12glimpse_yang4gone17hE\n                0x0000000000000000       0x64 a.o\n\n\
            Linker script and memory map\n\n.text           0x0000000000001000     0x2000\n \
            .text._ZN12glimpse_yang8validate17hE\n                0x0000000000001000       0x20 a.o\n \
            .text.short    0x0000000000001020        0x8 a.o\n \
            .text.glimpse_yang 0x0000000000001028        0x8 a.o\n \
            .rodata._ZN12glimpse_yang5table17hE\n                0x0000000000002000      0x100 a.o\n";
        assert_eq!(bytes_of(map, "glimpse_yang"), 0x128);
        assert_eq!(bytes_of(map, "glimpse_lmap"), 0);
        assert_eq!(bytes_of("", "x"), 0);
    }
}
