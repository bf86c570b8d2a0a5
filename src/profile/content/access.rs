//! Access rules: a record of EF.ARR (TS 102 221 9.2.4 and 13.4; ISO 7816-4 5.4.3.2).
//!
//! A record is a list of rules. Each says what may be done, `access`, and under which `condition`:
//! `{ access = ["read", "update"], condition = "PIN1" }`. The names of accesses are those of elementary files. The same
//! record may serve directories, where the bits mean something else: `read` is "delete a file below", `update` "create
//! an elementary file", `write` "create a directory", `terminate` and `delete` are about the directory itself.
//!
//! Conditions are `"always"`, `"never"`, the name of a code such as `"PIN1"`, `"PIN2"` or `"ADM1"`, and tables of further
//! conditions: `{ any = […] }`, `{ all = […] }`, `{ not = […] }`. Where several conditions follow one access, of which any
//! will do, `condition` is a list. What has no words is `{ hex = "…" }`, with its tag and length.

use toml::{Table, Value};

use super::codec::Codec;
use super::error::Refusal;
use super::tlv;
use super::value::{self, Encoded, Flags, Members};

/// A record of EF.ARR.
pub(super) const RULES: Codec =
    Codec::Words(decode_rules, |value, _| value::each(value, "a list of rules", encode_rule));

/// Tags of what may be done: a byte of bits, an instruction.
const ACCESS_MODE: u8 = 0x80;
const INSTRUCTION: u8 = 0x84;
/// Tags of conditions.
const ALWAYS: u8 = 0x90;
const NEVER: u8 = 0x97;
const AUTHENTICATION: u8 = 0xA4;
const ANY: u8 = 0xA0;
const ALL: u8 = 0xAF;
const NOT: u8 = 0xA7;
/// Conditions nested deeper are left in hexadecimal digits.
const MAX_DEPTH: usize = 8;

/// The bits of an access mode for elementary files.
const ACCESS: Flags = Flags {
    length: 1,
    names: &[
        (0x01, "read"),
        (0x02, "update"),
        (0x04, "write"),
        (0x08, "deactivate"),
        (0x10, "activate"),
        (0x20, "terminate"),
        (0x40, "delete"),
    ],
};
/// Instructions that are accesses of their own: INCREASE, RESIZE FILE.
const INSTRUCTIONS: [(u8, &str); 2] = [(0x32, "increase"), (0xD4, "resize")];

/// User authentication by a key: 83 is the key reference, 95 08 the usage (TS 102 221 9.5.1).
const USAGE: [u8; 3] = [0x95, 0x01, 0x08];

/// Key references (TS 102 221 table 9.3).
const KEYS: [(u8, &str); 27] = [
    (0x01, "PIN1"),
    (0x02, "PIN1 of application 2"),
    (0x03, "PIN1 of application 3"),
    (0x04, "PIN1 of application 4"),
    (0x05, "PIN1 of application 5"),
    (0x06, "PIN1 of application 6"),
    (0x07, "PIN1 of application 7"),
    (0x08, "PIN1 of application 8"),
    (0x0A, "ADM1"),
    (0x0B, "ADM2"),
    (0x0C, "ADM3"),
    (0x0D, "ADM4"),
    (0x0E, "ADM5"),
    (0x11, "universal PIN"),
    (0x81, "PIN2"),
    (0x82, "PIN2 of application 2"),
    (0x83, "PIN2 of application 3"),
    (0x84, "PIN2 of application 4"),
    (0x85, "PIN2 of application 5"),
    (0x86, "PIN2 of application 6"),
    (0x87, "PIN2 of application 7"),
    (0x88, "PIN2 of application 8"),
    (0x8A, "ADM6"),
    (0x8B, "ADM7"),
    (0x8C, "ADM8"),
    (0x8D, "ADM9"),
    (0x8E, "ADM10"),
];

/// The name of a key reference.
pub(in crate::profile) fn key_reference(reference: u8) -> Option<&'static str> {
    KEYS.iter().find(|(code, _)| *code == reference).map(|(_, name)| *name)
}

fn decode_rules(octets: &[u8]) -> Option<Value> {
    let mut rules: Vec<Value> = Vec::new();
    let mut objects = tlv::read(octets)?.into_iter().peekable();
    while let Some((tag, octets)) = objects.next() {
        let mut rule = match (tag, octets) {
            (ACCESS_MODE, [_]) => rule("access", ACCESS.decode(octets)),
            (INSTRUCTION, [instruction]) => match INSTRUCTIONS.iter().find(|(code, _)| code == instruction) {
                Some((_, name)) => rule("access", Value::Array(vec![value::text(*name)])),
                None => rule("instruction", value::hex(octets)),
            },
            _ => rule("hex", value::hex(&tlv::object(tag, octets).ok()?)),
        };
        let mut conditions = Vec::new();
        while let Some((tag, octets)) = objects.next_if(|(tag, _)| is_condition(*tag)) {
            conditions.push(decode_condition(tag, octets, MAX_DEPTH)?);
        }
        let condition = match conditions.len() {
            0 => None,
            1 => conditions.pop(),
            _ => Some(Value::Array(conditions)),
        };
        if let Some(condition) = condition {
            rule.insert("condition".to_owned(), condition);
        }
        rules.push(Value::Table(rule));
    }
    Some(Value::Array(rules))
}

fn rule(member: &str, value: Value) -> Table {
    std::iter::once((member.to_owned(), value)).collect()
}

/// Access modes have the tags 80 to 8F (and 9C for proprietary ones); conditions all others.
const fn is_condition(tag: u8) -> bool {
    !matches!(tag, 0x80..=0x8F | 0x9C)
}

fn decode_condition(tag: u8, octets: &[u8], depth: usize) -> Option<Value> {
    let key = |octets: &[u8]| match octets {
        [0x83, 1, key, usage @ ..] if *usage == USAGE => KEYS.iter().find(|(code, _)| code == key),
        _ => None,
    };
    let group = match tag {
        ANY => "any",
        ALL => "all",
        NOT => "not",
        _ => "hex",
    };
    Some(match (tag, octets) {
        (ALWAYS, []) => value::text("always"),
        (NEVER, []) => value::text("never"),
        (AUTHENTICATION, octets) if key(octets).is_some() => value::text(key(octets)?.1),
        (ANY | ALL | NOT, octets) if depth > 0 => {
            let inner = tlv::read(octets)?.into_iter();
            let inner = inner.map(|(tag, octets)| decode_condition(tag, octets, depth - 1));
            Value::Table(rule(group, Value::Array(inner.collect::<Option<_>>()?)))
        }
        _ => Value::Table(rule("hex", value::hex(&tlv::object(tag, octets).ok()?))),
    })
}

fn encode_rule(value: &Value) -> Encoded {
    const KNOWN: [&str; 4] = ["access", "instruction", "hex", "condition"];
    const EXPECTED: &str = "a table with access and condition";
    let members = Members::of(value, EXPECTED, &KNOWN)?;
    let instruction = members.hex("instruction", Some(1))?;
    let mut octets = match (members.get("access"), instruction, members.hex("hex", None)?) {
        (Some(access), None, None) => encode_access(access).map_err(|refusal| refusal.within("access"))?,
        (None, Some(instruction), None) => tlv::object(INSTRUCTION, &instruction)?,
        (None, None, Some(octets)) => octets,
        _ => return Err(Refusal::value("one of access, instruction and hex", value)),
    };
    let conditions = members.read("condition", |value| match value {
        Value::Array(_) => {
            value::each(value, "a list of conditions", |entry| encode_condition(entry, MAX_DEPTH))
        }
        one => encode_condition(one, MAX_DEPTH),
    })?;
    octets.extend(conditions.unwrap_or_default());
    Ok(octets)
}

fn encode_access(value: &Value) -> Encoded {
    let names = value::list(value, "a list of accesses")?;
    let instruction = |value: &Value| INSTRUCTIONS.iter().find(|(_, name)| value.as_str() == Some(name));
    match names {
        [name] if instruction(name).is_some() => {
            tlv::object(INSTRUCTION, &instruction(name).map(|(code, _)| vec![*code]).unwrap_or_default())
        }
        names if names.iter().any(|name| instruction(name).is_some()) => {
            Err(Refusal::value("increase and resize in a rule of their own", value))
        }
        _ => tlv::object(ACCESS_MODE, &ACCESS.encode(value)?),
    }
}

fn encode_condition(value: &Value, depth: usize) -> Encoded {
    const EXPECTED: &str =
        "always, never, a code such as PIN1, PIN2 or ADM1, or a table with any, all, not or hex";
    let refuse = || Refusal::value(EXPECTED, value);
    match value {
        Value::String(word) if word == "always" => tlv::object(ALWAYS, &[]),
        Value::String(word) if word == "never" => tlv::object(NEVER, &[]),
        Value::String(word) => {
            let (key, _) = KEYS.iter().find(|(_, name)| name == word).ok_or_else(refuse)?;
            tlv::object(AUTHENTICATION, &[&[0x83, 1, *key][..], &USAGE].concat())
        }
        Value::Table(_) => {
            let members = Members::of(value, EXPECTED, &["any", "all", "not", "hex"])?;
            if let Some(octets) = members.hex("hex", None)? {
                return Ok(octets);
            }
            let groups = [(ANY, "any"), (ALL, "all"), (NOT, "not")];
            let mut given = groups.iter().filter_map(|(tag, name)| Some((*tag, *name, members.get(name)?)));
            let depth = depth.checked_sub(1).ok_or_else(refuse)?;
            match (given.next(), given.next()) {
                (Some((tag, name, list)), None) => {
                    let inner =
                        value::each(list, "a list of conditions", |entry| encode_condition(entry, depth));
                    tlv::object(tag, &inner.map_err(|refusal| refusal.within(name))?)
                }
                _ => Err(refuse()),
            }
        }
        _ => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use simyard_asn1::saip::ElementKind;

    use crate::profile::content::decode;
    use crate::profile::content::tests::{agree, refused};

    #[test]
    fn rules_read_as_sentences() {
        for (octets, text) in [
            // TCA Profile Package 9.9, records 1, 4, 7, 8.
            (
                "8001019000800102A406830101950108800158A40683010A950108",
                r#"[{ access = ["read"], condition = "always" },
                    { access = ["update"], condition = "PIN1" },
                    { access = ["deactivate", "activate", "delete"], condition = "ADM1" }]"#,
            ),
            (
                "800101900080011A9700800140A40683010A950108",
                r#"[{ access = ["read"], condition = "always" },
                    { access = ["update", "deactivate", "activate"], condition = "never" },
                    { access = ["delete"], condition = "ADM1" }]"#,
            ),
            ("840132A406830101950108", r#"[{ access = ["increase"], condition = "PIN1" }]"#),
            ("800102A406830181950108", r#"[{ access = ["update"], condition = "PIN2" }]"#),
            // TS.48: RESIZE FILE; PIN1 or PIN2.
            ("8401D4A40683010A950108", r#"[{ access = ["resize"], condition = "ADM1" }]"#),
            (
                "800102A010A406830101950108A406830181950108",
                r#"[{ access = ["update"], condition = { any = ["PIN1", "PIN2"] } }]"#,
            ),
            // Nested templates, several conditions, none, and what has no words.
            (
                "800101AF0AA7029000A404830101AA",
                r#"[{ access = ["read"], condition = { all = [{ not = ["always"] }, { hex = "A404830101AA" }] } }]"#,
            ),
            (
                "80010190009700800102",
                r#"[{ access = ["read"], condition = ["always", "never"] }, { access = ["update"] }]"#,
            ),
            ("8401889000", r#"[{ instruction = "88", condition = "always" }]"#),
            ("8102AABB9E0101", r#"[{ hex = "8102AABB", condition = { hex = "9E0101" } }]"#),
            (
                "8001A0A406830101950118",
                r#"[{ access = ["terminate", "80"], condition = { hex = "A406830101950118" } }]"#,
            ),
            (
                "80015BA40683010A950108FFFF",
                r#"{ value = [{ access = ["read", "update", "deactivate", "activate", "delete"], condition = "ADM1" }], length = 13 }"#,
            ),
        ] {
            for kind in [ElementKind::Mf, ElementKind::Csim] {
                agree(kind, "EF.ARR", octets, &text.replace('\n', " "));
            }
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for (text, expected) in [
            (
                r#"[{ access = ["read"], condition = "PIN" }]"#,
                "[1].condition: expected always, never, a code",
            ),
            (r#"[{ access = ["reed"] }]"#, "[1].access[1]: expected one of read, update"),
            (r#"[{ access = ["read", "resize"] }]"#, "increase and resize in a rule of their own"),
            (r#"[{ condition = "always" }]"#, "one of access, instruction and hex"),
            (r#"[{ access = [], hex = "80" }]"#, "one of access, instruction and hex"),
            (r#"[{ access = [], condition = { any = [], all = [] } }]"#, "[1].condition: expected"),
        ] {
            let error = refused(ElementKind::Mf, "EF.ARR", text);
            assert!(error.contains(expected), "{error}");
        }
        let mut deep = r#""always""#.to_owned();
        for _ in 0..20 {
            deep = format!("{{ not = [{deep}] }}");
        }
        assert!(
            refused(ElementKind::Mf, "EF.ARR", &format!("[{{ access = [], condition = {deep} }}]"))
                .contains("expected")
        );
        // Twenty templates in one another decode as far as the limit.
        let mut octets = vec![0x90, 0x00];
        for _ in 0..20 {
            octets.splice(0..0, [0xA7, octets.len().to_le_bytes()[0]]);
        }
        octets.splice(0..0, [0x80, 0x01, 0x01]);
        assert!(decode(ElementKind::Mf, "EF.ARR", &octets).unwrap().to_string().contains("hex"));
    }
}
