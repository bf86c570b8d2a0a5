//! Values and octets as lines of plain text.

use toml::Value;

/// Octets of which only the beginning is written, where there is little room.
const SHORT: usize = 32;
/// Runs of one octet at the end that are counted rather than written.
const RUN: usize = 4;

/// A decoded value in one line: `imsi: 001010123456789, networks: (724, 262)`.
#[must_use]
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(values) => list(values),
        Value::Table(members) => {
            let member = |(name, value): (&String, &Value)| format!("{}: {}", printable(name), nested(value));
            members.iter().map(member).collect::<Vec<_>>().join(", ")
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => value.to_string(),
    }
}

/// A list in one line; with semicolons, where its entries have commas.
fn list(values: &[Value]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    let texts: Vec<String> = values.iter().map(value_or_group).collect();
    texts.join(if texts.iter().any(|text| text.contains(", ")) { "; " } else { ", " })
}

fn value_or_group(one: &Value) -> String {
    if one.is_array() { nested(one) } else { value(one) }
}

fn nested(one: &Value) -> String {
    match one {
        Value::Array(values) if values.len() > 1 => format!("({})", value(one)),
        Value::Table(members) if !members.is_empty() => format!("({})", value(one)),
        _ => value(one),
    }
}

/// Text of a package without what would move the cursor of a terminal or turn its direction.
#[must_use]
pub fn printable(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200E}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { '\u{FFFD}' } else { c }).collect()
}

/// Octets in hexadecimal digits: the beginning and the end of many, a run at the end counted.
#[must_use]
pub fn octets(octets: &[u8]) -> String {
    let Some(last) = octets.last() else { return "nothing".to_owned() };
    let run = octets.iter().rev().take_while(|octet| *octet == last).count();
    let head = octets.get(..octets.len() - run).unwrap_or_default();
    let head_text = match head.get(..SHORT) {
        Some(begin) if head.len() > SHORT => format!("{}…", hex::encode_upper(begin)),
        _ => hex::encode_upper(head),
    };
    match (head.is_empty(), run) {
        (true, run) if run > RUN => format!("{last:02X} × {run}"),
        (false, run) if run > RUN => format!("{head_text} {last:02X} × {run}"),
        _ if octets.len() > SHORT + RUN => format!("{head_text} ({} octets)", octets.len()),
        _ => hex::encode_upper(octets),
    }
}

/// Breaks a text at blanks into lines of at most `width` characters; a word that is longer is cut.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        if length > 0 && length + 1 + rest.len() > width {
            lines.push(std::mem::take(&mut line));
            length = 0;
        }
        while rest.len() > width {
            lines.push(rest.drain(..width).collect());
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        length += rest.len();
        line.extend(rest);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Value {
        toml::from_str::<toml::Table>(&format!("x = {text}")).unwrap().remove("x").unwrap()
    }

    #[test]
    fn values_fit_one_line() {
        for (toml, text) in [
            ("\"262-01\"", "262-01"),
            ("\"\"", "\"\""),
            ("7", "7"),
            ("[]", "none"),
            ("[1, 2]", "1, 2"),
            ("{ name = \"A\", networks = [\"724\", \"262\"] }", "name: A, networks: (724, 262)"),
            ("[{ a = 1, b = 2 }, { a = 3 }]", "a: 1, b: 2; a: 3"),
            ("{ a = { b = [1] } }", "a: (b: 1)"),
            ("\"a\\nb\"", "a\u{FFFD}b"),
        ] {
            assert_eq!(value(&parse(toml)), text, "{toml}");
        }
    }

    #[test]
    fn octets_are_short() {
        assert_eq!(octets(&[]), "nothing");
        assert_eq!(octets(&[0xFF; 9]), "FF × 9");
        assert_eq!(octets(&[1, 2, 3]), "010203");
        assert_eq!(octets(&[&[1, 2][..], &[0xFF; 8]].concat()), "0102 FF × 8");
        assert_eq!(octets(&[7; 4]), "07070707");
        let many: Vec<u8> = (0..100).collect();
        assert_eq!(octets(&many), format!("{}… (100 octets)", hex::encode_upper(&many[..32])));
    }

    #[test]
    fn lines_are_broken_at_blanks() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("", 8), [""]);
        assert_eq!(wrap("abcdefghijk", 8), ["abcdefgh", "ijk"]);
        assert_eq!(wrap("xy abcdefghijk z", 8), ["xy", "abcdefgh", "ijk z"]);
    }
}
