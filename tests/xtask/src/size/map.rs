//! The linker's map: how many bytes of a program are of one crate.

/// Bytes of the sections that were kept and whose name holds `name`: code, and constants with names of their own. Constants without
/// a name (texts of messages) are of nobody.
pub(super) fn bytes_of(map: &str, name: &str) -> usize {
    map.lines()
        .filter_map(|line| {
            // `ADDRESS ADDRESS SIZE ALIGNMENT  FILE:(SECTION)`, beside lines of whole sections and of symbols.
            let mut words = line.split_ascii_whitespace();
            let size = words.nth(2)?;
            let section = line.trim_end().strip_suffix(')')?.rsplit_once(":(")?.1;
            section
                .contains(name)
                .then(|| usize::from_str_radix(size, 16).unwrap_or(0))
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_of_a_crate_are_added_up() {
        let map = "     VMA      LMA     Size Align Out     In      Symbol\n\
            \x20  1000     1000     2000    16 .text\n\
            \x20  1000     1000       20    16         /t/a.o:(.text._RNvNtCs1_12glimpse_yang8validate3all)\n\
            \x20  1000     1000       20     1                 glimpse_yang::validate::all\n\
            \x20  1020     1020        8    16         /t/a.o:(.text.short)\n\
            \x20  1028     1028        8    16         /t/a.o:(.rodata._RNvCs1_12glimpse_yang5TABLE)\n";
        assert_eq!(bytes_of(map, "glimpse_yang"), 0x28);
        assert_eq!(bytes_of(map, "glimpse_lmap"), 0);
        assert_eq!(bytes_of("", "x"), 0);
    }
}
