//! Access rules in short: who may do what with a file.

use simyard_asn1::saip::ElementKind;
use toml::{Table, Value};

use super::AccessRule;
use crate::profile::content;

/// Deeper conditions are left out.
const MAX_DEPTH: usize = 8;

/// The rules of a record of EF.ARR for a file, or for a directory, where accesses have other names (TS 102 221 9.2.4);
/// `None` if they cannot be read.
pub(super) fn rules(record: &[u8], is_directory: bool) -> Option<Vec<AccessRule>> {
    let value = content::decode(ElementKind::Mf, "EF.ARR", record)?;
    let list = match &value {
        Value::Table(table) => table.get("value")?.as_array()?,
        other => other.as_array()?,
    };
    list.iter().map(|rule| one(rule.as_table()?, is_directory)).collect()
}

fn one(rule: &Table, is_directory: bool) -> Option<AccessRule> {
    let access = match (rule.get("access"), rule.get("instruction"), rule.get("hex")) {
        (Some(access), ..) => access
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .map(|name| if is_directory { of_directory(name) } else { name }.to_owned())
            .collect(),
        (_, Some(instruction), _) => vec![format!("instruction {}", instruction.as_str()?)],
        (_, _, Some(hex)) => vec![hex.as_str()?.to_owned()],
        _ => return None,
    };
    let condition =
        rule.get("condition").map_or(Some("nothing said".to_owned()), |it| condition(it, MAX_DEPTH))?;
    Some(AccessRule { access, condition })
}

/// What the bit of an access means for directories.
fn of_directory(name: &str) -> &str {
    match name {
        "read" => "delete file below",
        "update" => "create EF",
        "write" => "create DF",
        "delete" => "delete itself",
        other => other,
    }
}

fn condition(value: &Value, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let list = |values: &Value, word: &str| -> Option<String> {
        let inner: Option<Vec<String>> = values.as_array()?.iter().map(|it| condition(it, depth)).collect();
        Some(inner?.join(word))
    };
    match value {
        Value::String(word) => Some(word.clone()),
        Value::Array(_) => list(value, " or "),
        Value::Table(table) => match table.iter().next()? {
            (name, values) if name == "any" => list(values, " or "),
            (name, values) if name == "all" => list(values, " and "),
            (name, values) if name == "not" => Some(format!("not ({})", list(values, " or ")?)),
            (_, octets) => octets.as_str().map(str::to_owned),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(record: &str, is_directory: bool) -> Option<String> {
        let rules = rules(&hex::decode(record).unwrap(), is_directory)?;
        let words: Vec<String> =
            rules.iter().map(|rule| format!("{} {}", rule.access.join(", "), rule.condition)).collect();
        Some(words.join("; "))
    }

    #[test]
    fn rules_are_told_in_short() {
        assert_eq!(
            text("8001019000800102A406830101950108800158A40683010A950108FFFF", false).unwrap(),
            "read always; update PIN1; deactivate, activate, delete ADM1"
        );
        assert_eq!(
            text("80015EA40683010A950108", true).unwrap(),
            "create EF, create DF, deactivate, activate, delete itself ADM1"
        );
        assert_eq!(text("800101A010A40683010A950108A40683010B950108", false).unwrap(), "read ADM1 or ADM2");
        assert_eq!(text("8401329700", false).unwrap(), "increase never");
    }
}
