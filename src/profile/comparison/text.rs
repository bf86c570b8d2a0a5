//! A comparison as text for people.

use toml::Value;

use super::{Area, Change, Comparison, Difference};
use crate::profile::overview::Secret;
use crate::profile::overview::plain::{printable, value, wrap};

/// The narrowest page.
const NARROWEST: usize = 60;

/// The comparison as lines of at most `width` characters, where words leave room for it. Nothing, if there are no
/// differences.
#[must_use]
pub fn render(comparison: &Comparison, width: usize) -> String {
    let mut text = String::new();
    let mut area = None;
    let mut subject = "";
    for run in comparison.differences.chunk_by(belong_together) {
        let Some(difference) = run.first() else { continue };
        if area != Some(difference.area) {
            if area.is_some() {
                text.push('\n');
            }
            area = Some(difference.area);
            subject = "";
            text.push_str(title(difference.area));
            text.push('\n');
        }
        for line in lines(difference, run, subject, width.max(NARROWEST)) {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        subject = &difference.subject;
    }
    text
}

const fn title(area: Area) -> &'static str {
    match area {
        Area::Header => "Header",
        Area::Element => "Elements",
        Area::Application => "Applications",
        Area::Aka => "Keys of applications",
        Area::Pin => "PINs",
        Area::Puk => "PUKs",
        Area::File => "Files",
        Area::SecurityDomain => "Security domains",
        Area::Key => "Keys of security domains",
        Area::RemoteFileManagement => "Remote file management",
        Area::Applet => "Applets",
        Area::Other => "Other elements",
    }
}

/// The number of the record that a difference is about.
fn record(difference: &Difference) -> Option<(usize, &str)> {
    let rest = difference.member.as_deref()?.strip_prefix("record ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, inner) = rest.split_at_checked(digits)?;
    Some((number.parse().ok()?, inner))
}

/// Whether two neighbours say the same about one record and the next.
fn belong_together(one: &Difference, other: &Difference) -> bool {
    let (Some((first, inner)), Some((second, inner_of_other))) = (record(one), record(other)) else {
        return false;
    };
    one.area == other.area
        && one.subject == other.subject
        && first + 1 == second
        && inner == inner_of_other
        && one.change == other.change
}

fn lines(difference: &Difference, run: &[Difference], told: &str, width: usize) -> Vec<String> {
    let subject = printable(&difference.subject);
    let mut lines = Vec::new();
    let only = match &difference.change {
        Change::OnlyInFirst { files } => Some(("−", files)),
        Change::OnlyInSecond { files } => Some(("+", files)),
        _ => None,
    };
    if let Some((sign, files)) = only {
        let files = match files {
            Some(1) => " with 1 file".to_owned(),
            Some(files) => format!(" with {files} files"),
            None => String::new(),
        };
        return vec![format!("{sign} {subject}{files}")];
    }
    if difference.subject != told {
        lines.push(format!("  {subject}"));
    }
    let member = match (record(difference), run.last().and_then(record)) {
        (Some((first, inner)), Some((last, _))) if first != last => format!("records {first}–{last}{inner}"),
        _ => difference.member.clone().unwrap_or_default(),
    };
    hang(&format!("    {}: ", printable(&member)), &change(&difference.change), width, &mut lines);
    lines
}

fn hang(start: &str, text: &str, width: usize, lines: &mut Vec<String>) {
    let indent = start.chars().count();
    let (indent, room) = match width.checked_sub(indent) {
        Some(room) if room >= NARROWEST / 2 => (indent, room),
        _ => (6, width - 6),
    };
    for (number, line) in wrap(text, room).into_iter().enumerate() {
        lines.push(if number == 0 { format!("{start}{line}") } else { format!("{:indent$}{line}", "") });
    }
}

fn change(change: &Change) -> String {
    let words = |value_of: &Option<Value>| value_of.as_ref().map_or("nothing".to_owned(), value);
    let entries = |sign: &str, entries: &[Value]| {
        let entries: Vec<String> = entries.iter().map(|entry| format!("{sign} {}", value(entry))).collect();
        entries.join(" ")
    };
    match change {
        Change::OnlyInFirst { .. } => "only in the first".to_owned(),
        Change::OnlyInSecond { .. } => "only in the second".to_owned(),
        Change::Changed { first, second } => format!("{} → {}", words(first), words(second)),
        Change::Entries { removed, added } => {
            format!("{} {}", entries("−", removed), entries("+", added)).trim().to_owned()
        }
        Change::Order { first, second } => format!(
            "another order: {} → {}",
            value(&Value::Array(first.clone())),
            value(&Value::Array(second.clone()))
        ),
        Change::Secret { first, second } => {
            match (first.as_ref().and_then(Secret::value), second.as_ref().and_then(Secret::value)) {
                (None, None) => "changed, not shown".to_owned(),
                (first, second) => {
                    let words = |secret: Option<String>| secret.unwrap_or("nothing".to_owned());
                    format!("{} → {}", words(first), words(second))
                }
            }
        }
    }
}
