//! Recorded wire examples: each function of ES2+, ES9+ and ESipa answered, and each of its errors, as they went over HTTPS.
//!
//! They are kept in `testvectors/sgp22` and `testvectors/sgp32`, one file for each function, and made anew by every run with a clock that stands
//! still and seeded randomness. What the run makes must be what is recorded, but for the ECDSA signatures, whose nonces
//! nobody can fix: in both they are masked, in messages and certificates. `SIMYARD_RECORD=1` writes the files.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use simyard::binding::MessageBinding;
use simyard_asn1::{Reader, Tag, Writer};

use crate::server::{Exchange, TestServer};

mod es2plus;
mod es9plus;
mod esipa;

crate::tests!(
    what_goes_over_the_wire_is_what_was_recorded,
    what_goes_over_esipa_is_what_was_recorded,
    signatures_alone_are_masked,
);

/// Where a function stands in the standard, and its error enum in `src/smdp`, or in `src/eim` for ESipa.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    pub interface: &'static str,
    /// Its name in paths.
    pub name: &'static str,
    /// The name of its file there.
    pub file: &'static str,
    pub clause: &'static str,
}

/// The functions with examples.
pub const FUNCTIONS: &[Function] = &[
    Function { interface: "ES2+", name: "downloadOrder", file: "download_order", clause: "5.3.1" },
    Function { interface: "ES2+", name: "confirmOrder", file: "confirm_order", clause: "5.3.2" },
    Function { interface: "ES2+", name: "cancelOrder", file: "cancel_order", clause: "5.3.3" },
    Function { interface: "ES2+", name: "releaseProfile", file: "release_profile", clause: "5.3.4" },
    Function {
        interface: "ES9+",
        name: "initiateAuthentication",
        file: "initiate_authentication",
        clause: "5.6.1",
    },
    Function {
        interface: "ES9+",
        name: "getBoundProfilePackage",
        file: "get_bound_profile_package",
        clause: "5.6.2",
    },
    Function { interface: "ES9+", name: "authenticateClient", file: "authenticate_client", clause: "5.6.3" },
    Function { interface: "ES9+", name: "handleNotification", file: "handle_notification", clause: "5.6.4" },
    Function { interface: "ES9+", name: "cancelSession", file: "cancel_session", clause: "5.6.5" },
];

/// The functions of ESipa, which are named as those of ES9+.
pub const ESIPA_FUNCTIONS: &[Function] = &[
    Function {
        interface: "ESipa",
        name: "initiateAuthentication",
        file: "initiate_authentication",
        clause: "5.14.1",
    },
    Function {
        interface: "ESipa",
        name: "getBoundProfilePackage",
        file: "get_bound_profile_package",
        clause: "5.14.2",
    },
    Function {
        interface: "ESipa",
        name: "authenticateClient",
        file: "authenticate_client",
        clause: "5.14.3",
    },
    Function { interface: "ESipa", name: "getEimPackage", file: "get_eim_package", clause: "5.14.5" },
    Function {
        interface: "ESipa",
        name: "provideEimPackageResult",
        file: "provide_eim_package_result",
        clause: "5.14.6",
    },
    Function {
        interface: "ESipa",
        name: "handleNotification",
        file: "handle_notification",
        clause: "5.14.7",
    },
    Function { interface: "ESipa", name: "cancelSession", file: "cancel_session", clause: "5.14.8" },
];

/// One example: the error's name in its enum, or what was answered, and the exchange.
pub struct Example {
    function: &'static str,
    name: &'static str,
    exchange: Exchange,
}

/// Collects the examples of one function from a server's last exchanges.
pub struct Recorder<'s> {
    server: &'s TestServer,
    function: &'static str,
    examples: RefCell<Vec<Example>>,
}

impl<'s> Recorder<'s> {
    pub const fn new(server: &'s TestServer, function: &'static str) -> Self {
        Self { server, function, examples: RefCell::new(Vec::new()) }
    }

    fn keep(&self, name: &'static str) {
        let exchange = self.server.last_exchange.borrow().clone().unwrap();
        let example = Example { function: self.function, name, exchange };
        self.examples.borrow_mut().push(example);
    }

    /// The last exchange was a success.
    pub fn success<T>(&self, outcome: Result<T, String>) {
        self.named("success", outcome);
    }

    /// The last exchange was a success of this kind.
    pub fn named<T>(&self, name: &'static str, outcome: Result<T, String>) {
        assert!(outcome.is_ok(), "{} {name}: {:?}", self.function, outcome.err());
        self.keep(name);
    }

    /// The last exchange was refused with this error.
    pub fn error<T>(&self, name: &'static str, outcome: Result<T, String>) {
        assert!(outcome.is_err(), "{} {name} was not refused", self.function);
        self.keep(name);
    }

    pub fn finish(self) -> Vec<Example> {
        self.examples.into_inner()
    }
}

/// The file of a function.
pub fn path(function: Function) -> PathBuf {
    let standard = if function.interface == "ESipa" { "sgp32" } else { "sgp22" };
    let interface = function.interface.to_lowercase().replace('+', "plus");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testvectors").join(standard);
    folder.join(interface).join(format!("{}.json", function.file))
}

/// What a body says: JSON as it is, DER in hexadecimal digits.
fn body(octets: &[u8]) -> Value {
    if octets.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(octets).unwrap_or_else(|_| hex::encode_upper(octets).into())
}

fn exchange(exchange: &Exchange) -> Value {
    json!({ "request": body(&exchange.request), "status": exchange.status, "answer": body(&exchange.answer) })
}

/// The examples of one function: JSON, and beside it ASN.1 where that binding exists.
fn file(function: Function, json: &[Example], asn1: &[Example]) -> Value {
    let of = |example: &&Example| example.function == function.name;
    let mut asn1 = asn1.iter().filter(of);
    let mut examples = Vec::new();
    for example in json.iter().filter(of) {
        let mut members = Map::new();
        members.insert("name".to_owned(), example.name.into());
        members.insert("json".to_owned(), exchange(&example.exchange));
        if let Some(other) = asn1.next() {
            assert_eq!(other.name, example.name, "one scenario in both bindings");
            members.insert("asn1".to_owned(), exchange(&other.exchange));
        }
        examples.push(Value::from(members));
    }
    json!({
        "function": format!("{}.{}", function.interface, function.name),
        "clause": function.clause,
        "made": "SIMYARD_RECORD=1 cargo test --test it -- examples",
        "examples": examples,
    })
}

/// A copy in which every ECDSA signature is zeros: `5F37`, and the BIT STRING at the end of a certificate.
fn masked_der(octets: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(octets, "masked");
    let mut writer = Writer::new();
    while !reader.is_empty() {
        let tlv = reader.read().ok()?;
        let signature = |value: &[u8]| {
            let mut inner = Reader::new(value.strip_prefix(&[0])?, "signature");
            let mut numbers = inner.expect(Tag::SEQUENCE).ok()?.members("signature");
            numbers.expect(Tag::INTEGER).ok()?;
            numbers.expect(Tag::INTEGER).ok()?;
            numbers.finish().ok()
        };
        match tlv.tag {
            Tag(0x5F37) => writer.tlv(tlv.tag, &[0; 64]),
            Tag::BIT_STRING if signature(tlv.value).is_some() => writer.tlv(tlv.tag, &[0]),
            tag if tag.is_constructed() => {
                writer.tlv(tag, &masked_der(tlv.value).unwrap_or_else(|| tlv.value.to_vec()))
            }
            tag => writer.tlv(tag, tlv.value),
        };
    }
    Some(writer.finish())
}

/// A copy in which every text that is DER in base64 or in hexadecimal digits has its signatures masked.
fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            let octets = match hex::decode(text) {
                Ok(octets) if octets.len() > 16 => Some(octets),
                _ => BASE64.decode(text).ok(),
            };
            let masked = octets.filter(|octets| octets.len() > 16).and_then(|octets| masked_der(&octets));
            masked.map_or_else(|| value.clone(), |octets| hex::encode_upper(octets).into())
        }
        Value::Array(values) => values.iter().map(masked).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), masked(value))).collect::<Map<_, _>>().into()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn what_goes_over_the_wire_is_what_was_recorded() {
    let mut json = es2plus::examples();
    json.extend(es9plus::examples(MessageBinding::Json));
    compare(FUNCTIONS, &json, &es9plus::examples(MessageBinding::Asn1));
}

fn what_goes_over_esipa_is_what_was_recorded() {
    let json = esipa::examples(MessageBinding::Json);
    compare(ESIPA_FUNCTIONS, &json, &esipa::examples(MessageBinding::Asn1));
}

/// Compares what was made with what is recorded, or writes it.
fn compare(functions: &[Function], json: &[Example], asn1: &[Example]) {
    for function in functions {
        let made = file(*function, json, asn1);
        assert!(made["examples"].as_array().unwrap().len() > 1, "{function:?}");
        let path = path(*function);
        let recorded = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if recorded.as_ref().map(masked) == Some(masked(&made)) {
            continue;
        }
        assert!(
            std::env::var_os("SIMYARD_RECORD").is_some(),
            "{}: {}",
            path.display(),
            difference(&masked(&recorded.unwrap_or_default()), &masked(&made))
        );
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
}

/// The first example that is not what was recorded.
fn difference(recorded: &Value, made: &Value) -> String {
    let none = Vec::new();
    let list = |value: &Value| value["examples"].as_array().unwrap_or(&none).clone();
    let (recorded, made) = (list(recorded), list(made));
    let pairs = recorded.iter().zip(&made).find(|(recorded, made)| recorded != made);
    match pairs {
        Some((recorded, made)) => format!("recorded\n{recorded}\nmade\n{made}"),
        None => {
            format!("{} examples recorded, {} made; SIMYARD_RECORD=1 writes them", recorded.len(), made.len())
        }
    }
}

fn signatures_alone_are_masked() {
    let octets = |text: &str| hex::decode(text.replace(' ', "")).unwrap();
    let signature = "01".repeat(64);
    let message = octets(&format!("30 49 80 04 01020304 5F37 40 {signature}"));
    let other = octets(&format!("30 49 80 04 01020304 5F37 40 {}", "02".repeat(64)));
    let changed = octets(&format!("30 49 80 04 01020305 5F37 40 {signature}"));
    assert_eq!(masked_der(&message), masked_der(&other));
    assert_ne!(masked_der(&message), masked_der(&changed));
    // The BIT STRING at the end of a certificate, whose signature is of another length in each.
    let certificate = octets("30 0D 30 03 020105 0306 00 3003 020101");
    assert_eq!(masked_der(&certificate).unwrap(), certificate, "one number is no signature");
    let certificate = octets("30 10 30 03 020105 0309 00 3006 020101 020101");
    let longer = octets("30 11 30 03 020105 030A 00 3007 020101 02020080");
    assert_eq!(masked_der(&certificate), masked_der(&longer));
    assert_eq!(masked(&json!("smdp.example.com")), json!("smdp.example.com"));
}
