//! Rows of vendors' files: values in the order of the columns, with blanks or slashes between.

use std::io::Read;

use super::{Row, RowSource};
use crate::inventory::rows::Delivered;
use crate::profile::personal_row::{Lines, RowReader};

/// The rows behind a header.
pub(super) struct DividedRows<'a, R> {
    pub(super) lines: Lines<R>,
    pub(super) rows: RowReader<'a>,
}

impl<R: Read> RowSource for DividedRows<'_, R> {
    fn next_row(&mut self) -> std::io::Result<Option<Row>> {
        let longest = self.lines.longest();
        loop {
            let Some(line) = self.lines.next_line()? else { return Ok(None) };
            // Vendors end their sections and files with lines of stars.
            if line.is_blank() || line.octets.is_some_and(|octets| octets.starts_with(b"*")) {
                continue;
            }
            let number = line.number;
            let outcome = match line.text(longest) {
                Err(error) => Err(vec![error]),
                Ok(text) => self.rows.read(number, &divide(text, self.rows.layout().len())),
            };
            let outcome = outcome.map(|data| Delivered::Subscription(Box::new(data)));
            return Ok(Some(Row { line: number, outcome }));
        }
    }
}

/// The values of a row. A slash behind the last of them divides nothing.
fn divide(text: &str, expected: usize) -> Vec<&str> {
    if !text.contains('/') {
        return text.split_whitespace().collect();
    }
    let mut values: Vec<&str> = text.split('/').map(str::trim).collect();
    if values.len() == expected + 1 && values.last() == Some(&"") {
        values.pop();
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_or_slashes_divide_a_row() {
        for (text, expected) in [
            ("a b\t c", &["a", "b", "c"][..]),
            ("a/b/c", &["a", "b", "c"]),
            ("a / b /c/", &["a", "b", "c"]),
            ("a//c", &["a", "", "c"]),
            ("a/b/", &["a", "b", ""]),
        ] {
            assert_eq!(divide(text, 3), expected, "{text}");
        }
    }
}
