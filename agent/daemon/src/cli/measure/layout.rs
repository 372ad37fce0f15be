//! Columns and line ends.

use std::fmt::Write as _;

/// Columns of a line.
pub(super) const WIDTH: usize = 100;

/// How a column is aligned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// The lines of a table, indented by `indent`, two spaces between columns. Columns beyond `aligns` are aligned as its last.
/// Rows may be short.
pub(super) fn table(indent: usize, aligns: &[Align], rows: &[Vec<String>]) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (place, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(place) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let align = |place: usize| aligns.get(place).or(aligns.last()).copied();
    let line = |row: &Vec<String>| {
        let mut line = " ".repeat(indent);
        for (place, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            if place > 0 {
                line.push_str("  ");
            }
            // Writing to a string cannot fail.
            let _ = match align(place) {
                Some(Align::Right) => write!(line, "{cell:>width$}"),
                _ => write!(line, "{cell:<width$}"),
            };
        }
        line.truncate(line.trim_end().len());
        line
    };
    rows.iter().map(line).collect()
}

/// A row of a table.
pub(super) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}

/// Appends lines.
pub(super) fn lines(text: &mut String, lines: &[String]) {
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
}

/// Appends `words` after `start`, broken at spaces before column 100; further lines are indented by `indent`.
pub(in crate::cli) fn wrap(text: &mut String, start: &str, words: &str, indent: usize) {
    text.push_str(start);
    let mut column = start.chars().count();
    let mut is_first = true;
    for word in words.split(' ') {
        let length = word.chars().count();
        if !is_first && column + 1 + length > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            column = indent;
        } else if !is_first {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
        is_first = false;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_rows_may_be_short() {
        let rows = [
            row(["a", "1", "x"]),
            row(["long", "100"]),
            row(["", "10", "y"]),
        ];
        assert_eq!(
            table(2, &[Align::Left, Align::Right], &rows),
            ["  a       1  x", "  long  100", "         10  y"]
        );
    }

    #[test]
    fn long_lines_are_broken_at_spaces() {
        let mut text = String::new();
        wrap(&mut text, "note: ", &["word"; 30].join(" "), 6);
        let lengths: Vec<usize> = text.lines().map(str::len).collect();
        assert_eq!(lengths, [100, 60]);
        assert!(
            text.lines()
                .nth(1)
                .is_some_and(|line| line.starts_with("      word"))
        );
    }
}
