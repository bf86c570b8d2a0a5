//! JSON objects as they are sent: written in one go, octets in base64 straight into the text. A package is most of what the
//! server sends, and a tree of values between the two would copy it three times.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What stands between a name and the next one: quotes, colon, comma.
const BETWEEN: usize = 6;

/// An object whose members are written in their order.
#[derive(Default)]
pub struct Object<'a>(Vec<(&'static str, Member<'a>)>);

/// The value of a member.
pub enum Member<'a> {
    /// A text that needs no escapes but those that JSON has for any text.
    Text(&'a str),
    /// Octets in base64: the standard alphabet, padded, no line breaks.
    Base64(&'a [u8]),
    /// Members below it.
    Object(Object<'a>),
    /// Any other value.
    Value(Value),
}

/// What may stand behind a name: a member, or none, which is left out.
pub(super) trait IntoMember<'a> {
    /// The member.
    fn into_member(self) -> Option<Member<'a>>;
}

impl<'a> IntoMember<'a> for Member<'a> {
    fn into_member(self) -> Option<Self> {
        Some(self)
    }
}

impl<'a> IntoMember<'a> for Object<'a> {
    fn into_member(self) -> Option<Member<'a>> {
        Some(Member::Object(self))
    }
}

impl<'a> IntoMember<'a> for Value {
    fn into_member(self) -> Option<Member<'a>> {
        Some(Member::Value(self))
    }
}

impl<'a, T: IntoMember<'a>> IntoMember<'a> for Option<T> {
    fn into_member(self) -> Option<Member<'a>> {
        self.and_then(T::into_member)
    }
}

impl<'a> Object<'a> {
    /// Adds a member; its name is one of the standard's, without anything to escape.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, member: impl IntoMember<'a>) -> Self {
        if let Some(member) = member.into_member() {
            self.0.push((name, member));
        }
        self
    }

    /// The octets of the text.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut text = String::with_capacity(self.room());
        self.write(&mut text);
        text.into_bytes()
    }

    /// How long the text will be at least; as a rule, that is how long it is.
    fn room(&self) -> usize {
        let member = |(name, member): &(&str, Member<'_>)| {
            name.len()
                + BETWEEN
                + match member {
                    Member::Text(text) => text.len(),
                    Member::Base64(octets) => octets.len().div_ceil(3) * 4,
                    Member::Object(object) => object.room(),
                    Member::Value(_) => 64,
                }
        };
        2 + self.0.iter().map(member).sum::<usize>()
    }

    fn write(&self, text: &mut String) {
        let mut separator = '{';
        for (name, member) in &self.0 {
            text.push(separator);
            separator = ',';
            text.push('"');
            text.push_str(name);
            text.push_str("\":");
            match member {
                Member::Text(value) => text.push_str(&Value::from(*value).to_string()),
                Member::Base64(octets) => {
                    text.push('"');
                    STANDARD.encode_string(octets, text);
                    text.push('"');
                }
                Member::Object(object) => object.write(text),
                Member::Value(value) => text.push_str(&value.to_string()),
            }
        }
        if separator == '{' {
            text.push('{');
        }
        text.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_json_with_every_member_that_is_there() {
        let inner = Object::default().with("none", None::<Value>).with("flag", Value::from(true));
        let octets: Vec<u8> = (0..=255).collect();
        let object = Object::default()
            .with("text", Member::Text("\"\\\u{7}é"))
            .with("octets", Member::Base64(&octets))
            .with("inner", inner)
            .with("empty", Object::default())
            .with("number", Some(Value::from(7)));
        let read: Value = serde_json::from_slice(&object.to_json()).unwrap();
        let expected = serde_json::json!({
            "text": "\"\\\u{7}é",
            "octets": STANDARD.encode(&octets),
            "inner": { "flag": true },
            "empty": {},
            "number": 7,
        });
        assert_eq!(read, expected);
        assert_eq!(Object::default().to_json(), b"{}");
    }
}
