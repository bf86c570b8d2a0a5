//! The lines of a file, one after the other, in a buffer that is wiped: they hold secrets.

use std::io::Read;

use zeroize::Zeroizing;

/// The longest line, in octets.
pub const MAX_LINE_OCTETS: usize = 4096;
/// Octets that are read at once.
const BUFFER: usize = 16 * MAX_LINE_OCTETS;
/// What some editors put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Divides what it reads into lines.
pub(super) struct Lines<R> {
    input: R,
    buffer: Zeroizing<Vec<u8>>,
    /// What of the buffer is not used yet.
    start: usize,
    end: usize,
    number: usize,
    is_ended: bool,
}

/// One line.
pub(super) struct Line<'a> {
    /// Its number, from 1.
    pub(super) number: usize,
    /// Its octets without blanks around them; `None` if it is too long.
    pub(super) octets: Option<&'a [u8]>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        let buffer = Zeroizing::new(vec![0; BUFFER]);
        Self { input, buffer, start: 0, end: 0, number: 0, is_ended: false }
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Line<'_>>> {
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
            if looked_at > MAX_LINE_OCTETS {
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
        let octets = (!is_too_long && octets.len() <= MAX_LINE_OCTETS).then_some(octets);
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
        while let Some(line) = lines.next().unwrap() {
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
