//! The lines of a file, one after the other, in a buffer that is wiped: they hold secrets.

use std::io::Read;

use zeroize::Zeroizing;

use super::fault::{RowError, RowFault};

/// The longest line of a file with subscriptions, in octets.
pub const MAX_LINE_OCTETS: usize = 4096;
/// Octets that are read at once; lines are shorter.
const BUFFER: usize = 64 * 1024;
/// What some editors put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Divides what it reads into lines.
pub struct Lines<R> {
    input: R,
    longest: usize,
    buffer: Zeroizing<Vec<u8>>,
    /// What of the buffer is not used yet.
    start: usize,
    end: usize,
    number: usize,
    is_ended: bool,
}

/// One line.
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// Its octets without blanks around them; `None` if it is too long.
    pub octets: Option<&'a [u8]>,
}

/// What a line without any value is made of: spreadsheets write them behind the last row.
const BLANK: &[u8] = b" ,;\t";

impl<'a> Line<'a> {
    /// Whether it has no values.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.octets.is_some_and(|octets| octets.iter().all(|octet| BLANK.contains(octet)))
    }

    /// Its text.
    ///
    /// # Errors
    /// [`RowFault::LineTooLong`], [`RowFault::NotText`].
    pub fn text(&self, longest: usize) -> Result<&'a str, RowError> {
        let text = self.octets.ok_or(RowFault::LineTooLong(longest));
        let text = text.and_then(|octets| std::str::from_utf8(octets).map_err(|_| RowFault::NotText));
        text.map_err(|fault| RowError::new(self.number, None, fault))
    }
}

impl<R: Read> Lines<R> {
    /// Lines of at most [`MAX_LINE_OCTETS`].
    pub fn new(input: R) -> Self {
        Self::up_to(MAX_LINE_OCTETS, input)
    }

    /// Lines of at most so many octets, and half of what is read at once.
    pub fn up_to(longest: usize, input: R) -> Self {
        let buffer = Zeroizing::new(vec![0; BUFFER]);
        let longest = longest.min(BUFFER / 2);
        Self { input, longest, buffer, start: 0, end: 0, number: 0, is_ended: false }
    }

    /// The longest line.
    #[must_use]
    pub const fn longest(&self) -> usize {
        self.longest
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// What the input says.
    pub fn next_line(&mut self) -> std::io::Result<Option<Line<'_>>> {
        let mut is_too_long = false;
        // What of the unused octets was looked at already.
        let mut looked_at = 0;
        let range = loop {
            let unused = self.buffer.get(self.start..self.end).unwrap_or_default();
            let found =
                unused.iter().skip(looked_at).position(|octet| *octet == b'\n').map(|at| at + looked_at);
            if let Some(at) = found {
                let range = self.start..self.start + at;
                self.start += at + 1;
                break range;
            }
            if self.is_ended {
                if unused.is_empty() && !is_too_long {
                    return Ok(None);
                }
                let range = self.start..self.end;
                self.start = self.end;
                break range;
            }
            looked_at = unused.len();
            if looked_at > self.longest {
                is_too_long = true;
                self.start = self.end;
                looked_at = 0;
            }
            self.fill()?;
        };
        self.number += 1;
        let octets = self.buffer.get(range).unwrap_or_default();
        let octets =
            if self.number == 1 { octets.strip_prefix(BYTE_ORDER_MARK).unwrap_or(octets) } else { octets };
        let octets = without_blanks(octets);
        let octets = (!is_too_long && octets.len() <= self.longest).then_some(octets);
        Ok(Some(Line { number: self.number, octets }))
    }

    /// Reads more, behind what is not used yet.
    fn fill(&mut self) -> std::io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.input.read(room) {
            Ok(0) => self.is_ended = true,
            Ok(octets) => self.end += octets.min(room.len()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// A line without the blanks around it. Tabs stay: they may divide values that are empty.
fn without_blanks(mut line: &[u8]) -> &[u8] {
    while let [b' ' | b'\r', rest @ ..] | [rest @ .., b' ' | b'\r'] = line {
        line = rest;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives octets a few at a time.
    struct Slowly<'a>(&'a [u8], usize);

    impl Read for Slowly<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let length = self.0.len().min(self.1).min(out.len());
            let (now, later) = self.0.split_at(length);
            out[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn all(text: &[u8], step: usize) -> Vec<(usize, Option<String>)> {
        let mut lines = Lines::new(Slowly(text, step));
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            let octets = line.octets.map(|octets| String::from_utf8(octets.to_vec()).unwrap());
            found.push((line.number, octets));
        }
        found
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        let mut text = b"\xEF\xBB\xBFa,b\r\n\n  c \n".to_vec();
        for length in [MAX_LINE_OCTETS, MAX_LINE_OCTETS + 1, 3 * BUFFER] {
            text.extend(vec![b'x'; length]);
            text.push(b'\n');
        }
        text.extend(b"last");
        let line = |number, text: &str| (number, Some(text.to_owned()));
        for step in [1, 7, 4096, usize::MAX] {
            let found = all(&text, step);
            assert_eq!(found[..3], [line(1, "a,b"), line(2, ""), line(3, "c")]);
            let lengths: Vec<_> =
                found[3..6].iter().map(|(_, text)| text.as_ref().map(String::len)).collect();
            assert_eq!(lengths, [Some(MAX_LINE_OCTETS), None, None], "{step}");
            assert_eq!(found[6..], [line(7, "last")]);
        }
        assert_eq!(all(b"", 1), []);
        assert_eq!(all(b"\n", 1), [line(1, "")]);
    }
}
