//! Tables and numbers in Markdown.

use std::fmt::Write;

/// A table; the first column is text, the others are numbers.
#[derive(Debug)]
pub struct Table {
    text: String,
}

impl Table {
    /// With these columns.
    pub fn new(columns: &[String]) -> Table {
        let mut table = Table { text: String::new() };
        table.row(columns);
        let rule = columns.iter().enumerate().map(|(index, _)| if index == 0 { "---" } else { "--:" });
        table.text += &format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
        table
    }

    /// Appends a row.
    pub fn row(&mut self, cells: &[String]) {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }
}

/// Strings of anything that can be shown.
pub fn cells<const N: usize>(values: [&str; N]) -> Vec<String> {
    values.map(str::to_owned).into()
}

/// Milliseconds.
pub fn ms(seconds: f64) -> String {
    let ms = seconds * 1e3;
    if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.1}") }
}

/// Megabytes: of a million bytes.
pub fn mb(bytes: f64) -> String {
    let mb = bytes / 1e6;
    if mb < 10.0 { format!("{mb:.2}") } else { format!("{mb:.1}") }
}

/// A difference, with its sign.
pub fn signed(value: f64, show: impl Fn(f64) -> String) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    sign.to_owned() + &show(value.abs())
}

/// A share, in per cent.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// What a cell has where there is no value.
pub fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".to_owned())
}

/// A whole number, in groups of three digits.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|g| std::str::from_utf8(g).ok()).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!((ms(0.001234), ms(0.1234)), ("1.23".to_owned(), "123.4".to_owned()));
        assert_eq!((mb(1.5e6), mb(29_620_224.0)), ("1.50".to_owned(), "29.6".to_owned()));
        let all = [0.0, 999.0, 1000.0, 1_234_567.0].map(grouped);
        assert_eq!(all, ["0", "999", "1 000", "1 234 567"]);
    }

    #[test]
    fn a_cell_cannot_break_a_table() {
        let mut table = Table::new(&cells(["a", "b"]));
        table.row(&cells(["x|y", "1"]));
        assert_eq!(table.finish(), "| a | b |\n|---|--:|\n| x\\|y | 1 |\n");
    }
}
