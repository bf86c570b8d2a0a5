//! Tables as TOML that is good to read: short tables in one line, long lists with one item in each, files as sections.

use core::fmt::Write as _;

use toml::{Table, Value};

/// The longest line that a list may fill.
const WIDTH: usize = 110;
/// The longest line that a table may fill before it becomes a section: attributes of files stay in one line.
const TABLE_WIDTH: usize = 170;
/// Lists of these are sections of their own, however short.
const SECTIONS: [&str; 2] = ["file", "fileManagementCMD"];

/// A document of one number and one list of tables.
pub(super) fn document<'t>(format: i64, name: &str, tables: impl Iterator<Item = &'t Table>) -> String {
    let mut out = format!("format = {format}\n");
    for table in tables {
        let _ = write!(out, "\n[[{name}]]\n");
        section(name, table, &mut out);
    }
    out
}

/// The members of a section; what does not fit into lines comes behind as sections.
fn section(path: &str, table: &Table, out: &mut String) {
    let mut behind: Vec<(&String, &Value)> = Vec::new();
    for (name, value) in table {
        if is_section(name, value) {
            behind.push((name, value));
        } else {
            let _ = writeln!(out, "{} = {}", key(name), inline(value, 0, name.len() + 3));
        }
    }
    for (name, value) in behind {
        let path = format!("{path}.{}", key(name));
        match value {
            Value::Array(items) => {
                for item in items.iter().filter_map(Value::as_table) {
                    let _ = write!(out, "\n[[{path}]]\n");
                    section(&path, item, out);
                }
            }
            Value::Table(table) => {
                let _ = write!(out, "\n[{path}]\n");
                section(&path, table, out);
            }
            _ => {}
        }
    }
}

/// Whether a member is a section of its own.
fn is_section(name: &str, value: &Value) -> bool {
    match value {
        Value::Table(table) => !table.is_empty() && one_line(value).len() + name.len() > TABLE_WIDTH,
        Value::Array(items) => {
            let are_tables = !items.is_empty()
                && items.iter().all(|item| item.as_table().is_some_and(|table| !table.is_empty()));
            let is_long = || items.iter().any(|item| one_line(item).len() > TABLE_WIDTH);
            are_tables && (SECTIONS.contains(&name) || is_long())
        }
        _ => false,
    }
}

/// A value where it stands, `column` octets into its line: lists that are too long for it have a line for each item.
fn inline(value: &Value, depth: usize, column: usize) -> String {
    let line = one_line(value);
    match value {
        Value::Array(items) if line.len() + column > WIDTH && !items.is_empty() => {
            let indent = "  ".repeat(depth + 1);
            let mut out = String::from("[\n");
            for item in items {
                let _ = writeln!(out, "{indent}{},", inline(item, depth + 1, indent.len()));
            }
            let _ = write!(out, "{}]", "  ".repeat(depth));
            out
        }
        Value::Table(table) if line.len() + column > TABLE_WIDTH => {
            let members = table.iter().map(|(name, value)| {
                format!("{} = {}", key(name), inline(value, depth, column + name.len() + 3))
            });
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        _ => line,
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        Value::Table(table) if table.is_empty() => "{}".to_owned(),
        Value::Table(table) => {
            let members = table.iter().map(|(name, value)| format!("{} = {}", key(name), one_line(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A key, quoted where it must be.
fn key(name: &str) -> String {
    let is_bare =
        !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// A basic string (TOML 1.0).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let text = r#"
            [[element]]
            kind = "x"
            "odd key" = "a\"b\\c\nd\u0001é"
            short = { a = 1, b = [1, 2], c = {} }
            list = ["1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222", "3333333333333333333333333333333333"]
            [element.long]
            a = "1111111111111111111111111111111111111111111111111111111111111111"
            b = [{ x = "1111111111111111111111111111111111111111111111111" }, { x = "1111111111111111111111111111111111111111111111111", y = true }]
            [[element.file]]
            name = "EF.X"
            [[element.file]]
            name = "EF.Y"
            [[element]]
            kind = "y"
        "#;
        let table: Table = toml::from_str(text).unwrap();
        let elements: Vec<Table> = table["element"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.as_table().unwrap().clone())
            .collect();
        let written = document(1, "element", elements.iter());
        let back: Table = toml::from_str(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
        assert_eq!(back["element"], table["element"], "{written}");
        assert!(written.lines().all(|line| line.len() <= TABLE_WIDTH + 20), "{written}");
    }
}
