//! Personal data in a file with one line that names the columns, in any order, then one line for each profile. Rows are read
//! one by one, however many there are; what the columns are, [`super::personal_row`] says.
//!
//! Columns are divided by comma, semicolon or tab, whichever the first line uses; a value may stand in double quotes, and
//! the delimiter in it.

use std::io::Read;

use super::personal_row::{Layout, LayoutError, Lines, RowData, RowReader};

pub use super::personal_row::{MAX_LINE_OCTETS, OtaSource, RowError, RowFault, Settings};

/// Why no row of a file can be read.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It cannot be read at all.
    #[error("the file cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// No first line.
    #[error("the file has no rows: expected a line of column names, then one line for each subscription")]
    NoRows,
    /// The first line is no list of names.
    #[error("line 1 is no list of column names in UTF-8")]
    NoHeader,
    /// Columns that are not known, stand twice or are absent.
    #[error("line 1: {0}")]
    Layout(#[from] LayoutError),
}

/// One row of a file.
pub struct Row {
    /// The line it stands in, from 1.
    pub line: usize,
    /// Its data, or everything that is wrong with it.
    pub outcome: Result<RowData, Vec<RowError>>,
}

/// The rows of a file, one after the other. Lines without any value are passed over.
pub struct Rows<'a, R> {
    lines: Lines<R>,
    delimiter: char,
    rows: RowReader<'a>,
}

impl<'a, R: Read> Rows<'a, R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// [`HeaderError`]: columns that are not known, stand twice or are missing.
    pub fn new(input: R, settings: Settings<'a>) -> Result<Self, HeaderError> {
        Self::passing_over(input, settings, &[])
    }

    /// As [`Rows::new`]; columns with these names are not read.
    ///
    /// # Errors
    /// As [`Rows::new`].
    pub fn passing_over(
        input: R,
        settings: Settings<'a>,
        passed_over: &[String],
    ) -> Result<Self, HeaderError> {
        let mut lines = Lines::new(input);
        let line = lines.next_line()?.ok_or(HeaderError::NoRows)?;
        let octets = line.octets.ok_or(HeaderError::NoHeader)?;
        if octets.is_empty() {
            return Err(HeaderError::NoRows);
        }
        let text = std::str::from_utf8(octets).map_err(|_| HeaderError::NoHeader)?;
        let delimiter = delimiter(text);
        let layout = Layout::new(values(text, delimiter), passed_over)?;
        Ok(Self { rows: RowReader::new(layout, settings)?, lines, delimiter })
    }

    /// The columns.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        self.rows.layout()
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read any further.
    pub fn next_row(&mut self) -> std::io::Result<Option<Row>> {
        let longest = self.lines.longest();
        loop {
            let Some(line) = self.lines.next_line()? else { return Ok(None) };
            if line.is_blank() {
                continue;
            }
            let number = line.number;
            let outcome = match line.text(longest) {
                Err(error) => Err(vec![error]),
                Ok(text) => {
                    let values: Vec<&str> = values(text, self.delimiter).collect();
                    self.rows.read(number, &values)
                }
            };
            return Ok(Some(Row { line: number, outcome }));
        }
    }
}

/// What divides the values of a file: comma, semicolon or tab, whichever stands most often in its first line.
#[must_use]
pub fn delimiter(line: &str) -> char {
    let found = [',', ';', '\t'].into_iter().max_by_key(|delimiter| line.matches(*delimiter).count());
    found.unwrap_or(',')
}

/// The values of a line. One in double quotes may hold the delimiter; a quote without its twin is a letter as any other.
pub fn values(text: &str, delimiter: char) -> impl Iterator<Item = &str> {
    let has_quotes = text.contains('"') && text.matches('"').count().is_multiple_of(2);
    let mut is_quoted = false;
    let divides = move |c| {
        is_quoted ^= has_quotes && c == '"';
        c == delimiter && !is_quoted
    };
    text.split(divides).map(value)
}

/// A value without the blanks and the quotes around it.
fn value(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_divided_outside_of_quotes() {
        for (text, delimiter, expected) in [
            ("a,b", ',', &["a", "b"][..]),
            (" \"a\" , b,", ',', &["a", "b", ""]),
            ("\"Acme, Inc.\",\"b\"", ',', &["Acme, Inc.", "b"]),
            ("a\tb\t\t", '\t', &["a", "b", "", ""]),
            ("6\" screen,b", ',', &["6\" screen", "b"]),
            ("\"a,b", ',', &["\"a", "b"]),
            ("\"\";\"\"", ';', &["", ""]),
            ("", ',', &[""]),
        ] {
            assert_eq!(values(text, delimiter).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    const HOME: &str = "8988280000000000001,262021234567890,00112233445566778899AABBCCDDEEFF,00112233445566778899AABBCCDDEEFF";

    fn settings() -> Settings<'static> {
        Settings::new(Vec::new(), Vec::new(), OtaSource::Row(Vec::new()))
    }

    /// The rows of a file: the name of the provider, or what is wrong.
    fn names(file: &[u8]) -> Result<Vec<String>, String> {
        let mut rows = Rows::new(file, settings()).map_err(|error| error.to_string())?;
        let mut names = Vec::new();
        while let Some(row) = rows.next_row().map_err(|error| error.to_string())? {
            names.push(match row.outcome {
                Ok(row) => row.data.home.service_provider_name.unwrap_or_default(),
                Err(errors) => errors.iter().map(RowError::to_string).collect::<Vec<_>>().join("; "),
            });
        }
        Ok(names)
    }

    #[test]
    fn files_come_in_many_forms() {
        let header = "iccid,imsi,ki,opc,spn";
        let next = HOME.replace("0001,", "0002,").replace("7890,", "7891,");
        let file = format!("{header}\n{HOME},Acme\n{next},Bcme\n");
        let expected = Ok(vec!["Acme".to_owned(), "Bcme".to_owned()]);
        let tabs = file.replace(',', "\t");
        for file in [
            file.clone(),
            format!("\u{FEFF}{file}"),
            file.replace('\n', "\r\n"),
            file.replace('\n', "\n\r\n \n"),
            file.replace('\n', "\n,,,,\n"),
            tabs.replace('\n', "\n\t\t\t\t\r\n"),
            file.trim_end().to_owned(),
            file.replace(',', " ; "),
            tabs.clone(),
            file.replace("Acme", "\"Acme\"").replace("iccid", "\"ICCID\""),
        ] {
            assert_eq!(names(file.as_bytes()), expected, "{file:?}");
        }
        // The last value of a line may be empty, whatever divides it.
        for file in [&file, &tabs] {
            let expected = Ok(vec![String::new(), "Bcme".to_owned()]);
            assert_eq!(names(file.replace("Acme", "").as_bytes()), expected, "{file:?}");
        }
        let quoted = file.replace("Acme", "\"Acme, Inc.\"");
        assert_eq!(names(quoted.as_bytes()), Ok(vec!["Acme, Inc.".to_owned(), "Bcme".to_owned()]));
    }

    #[test]
    fn what_is_no_row_is_told_by_its_line() {
        let file = |header: &str, row: &str| format!("{header}\n{row}\n");
        let (header, twice) = ("iccid,imsi,ki,opc,spn", "iccid,imsi,ki,opc,k");
        let told = |file: &[u8]| match names(file) {
            Ok(names) => names.join("|"),
            Err(error) => error,
        };
        let utf16 = |bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            format!("\u{FEFF}{header}\n").encode_utf16().flat_map(bytes).collect()
        };
        for (file, expected) in [
            (file(header, &format!("{HOME},A\0B")).into_bytes(), "line 2, spn: expected at most 16 letters"),
            (
                file(header, &format!("{},A", HOME.replace("0011", "00\x0011"))).into_bytes(),
                "line 2, ki: expected 32",
            ),
            (file(header, &"x".repeat(10 << 20)).into_bytes(), "line 2: longer than 4096 octets"),
            (file(header, HOME).into_bytes(), "line 2: 4 values, expected 5"),
            ([file(header, "").as_bytes(), b"\xFF\xFE\n"].concat(), "line 3: not UTF-8"),
            (file(twice, HOME).into_bytes(), "line 1: column ki stands twice"),
            (file("iccid,imsi,ki,opc,", HOME).into_bytes(), "line 1: column 5 is none of"),
            (utf16(u16::to_le_bytes), "line 1 is no list of column names in UTF-8"),
            (utf16(u16::to_be_bytes), "line 1 is no list of column names in UTF-8"),
            (file(header, "").replace('\n', "\r").into_bytes(), ""),
            (Vec::new(), "the file has no rows"),
            (b"\xEF\xBB\xBF".to_vec(), "the file has no rows"),
        ] {
            let told = told(&file);
            assert!(told.contains(expected), "{expected}: {told}");
            assert!(!told.contains("0011"), "{told}");
        }
    }
}
