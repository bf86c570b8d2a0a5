//! The ASN.1 binding made by hand: the JSON bodies that tests are written with become envelopes, and answers become the
//! members that JSON would have had. None of it is the product's own code for it.

use serde_json::{Map, Value, json};
use simyard_asn1::{Reader, Tag};

use super::euicc::{base64, from_base64, nested, octets, tlv};
use super::{ADDRESS, Interface, Reply, TestServer};

/// The content type of the binding.
pub const CONTENT_TYPE: &str = "application/x-gsma-rsp-asn1";

/// The tag of a function.
pub fn tag(function: &str) -> Tag {
    match function {
        "initiateAuthentication" => Tag(0xBF39),
        "getBoundProfilePackage" => Tag(0xBF3A),
        "authenticateClient" => Tag(0xBF3B),
        "handleNotification" => Tag(0xBF3D),
        "cancelSession" => Tag(0xBF41),
        other => panic!("{other} is no function of ES9+"),
    }
}

/// The envelope of a request from its members.
pub fn envelope(function: &str, members: &[&[u8]]) -> Vec<u8> {
    nested(Tag(0xA2), &[&nested(tag(function), members)])
}

/// The request that a JSON body stands for.
pub fn request(function: &str, body: &Value) -> Vec<u8> {
    let id = || tlv(Tag(0x80), &octets(body["transactionId"].as_str().unwrap()));
    let member = |name: &str| from_base64(&body[name]);
    match function {
        "initiateAuthentication" => envelope(
            function,
            &[
                &tlv(Tag(0x81), &member("euiccChallenge")),
                &tlv(Tag(0x83), body["smdpAddress"].as_str().unwrap().as_bytes()),
                &member("euiccInfo1"),
            ],
        ),
        "authenticateClient" => envelope(function, &[&id(), &member("authenticateServerResponse")]),
        "getBoundProfilePackage" => envelope(function, &[&id(), &member("prepareDownloadResponse")]),
        "handleNotification" => envelope(function, &[&tlv(Tag(0xA0), &member("pendingNotification"))]),
        "cancelSession" => {
            let response = member("cancelSessionResponse");
            let inner = Reader::new(&response, "response").read().unwrap();
            envelope(function, &[&id(), &tlv(Tag(0xA1), inner.value)])
        }
        other => panic!("{other} is no function of ES9+"),
    }
}

/// What an answer says: the members that JSON would have, or the integer of its error.
pub fn answer(function: &str, body: &[u8]) -> Result<Value, String> {
    /// The members of an answer, by function: all but transactionId are base64 in JSON.
    const MEMBERS: &[(&str, &[&str])] = &[
        (
            "initiateAuthentication",
            &[
                "transactionId",
                "serverSigned1",
                "serverSignature1",
                "euiccCiPKIdToBeUsed",
                "serverCertificate",
            ],
        ),
        (
            "authenticateClient",
            &["transactionId", "profileMetadata", "smdpSigned2", "smdpSignature2", "smdpCertificate"],
        ),
        ("getBoundProfilePackage", &["transactionId", "boundProfilePackage"]),
        ("cancelSession", &[]),
    ];
    let mut whole = Reader::new(body, "answer");
    let mut envelope = whole.expect(Tag(0xA2)).unwrap().members("answer");
    whole.finish().unwrap();
    let mut response = envelope.expect(tag(function)).unwrap().members("answer");
    envelope.finish().unwrap();
    let choice = response.read().unwrap();
    response.finish().unwrap();
    match choice.tag.0 {
        0x81 => Err(choice.integer("error").unwrap().to_string()),
        0xA0 => {
            let (_, names) = MEMBERS.iter().find(|(name, _)| *name == function).unwrap();
            let mut members = choice.members("answer");
            let mut found = Map::new();
            // As every success of the JSON binding has one.
            found.insert("header".to_owned(), json!({}));
            for name in *names {
                let member = members.read().unwrap();
                let value = match *name {
                    "transactionId" => {
                        assert_eq!(member.tag, Tag(0x80));
                        hex::encode_upper(member.value).into()
                    }
                    _ => base64(member.raw),
                };
                found.insert((*name).to_owned(), value);
            }
            members.finish().unwrap();
            Ok(found.into())
        }
        other => panic!("alternative {other:X}"),
    }
}

impl TestServer {
    /// Sends octets to the path of the binding.
    pub fn post_asn1(&self, body: impl Into<reqwest::Body>) -> Reply {
        let request = self.client(Interface::Es9Plus).post(format!("https://{ADDRESS}/gsma/rsp2/asn1"));
        let request =
            request.header("Content-Type", CONTENT_TYPE).header("X-Admin-Protocol", "gsma/rsp/v2.2.0");
        self.exchange(request, body.into())
    }

    /// A function of ES9+ in this binding.
    pub fn es9plus_asn1(&self, function: &str, body: &Value) -> Result<Value, String> {
        let reply = self.post_asn1(request(function, body));
        assert_eq!(reply.admin_protocol.as_deref(), Some("gsma/rsp/v2.5.0"));
        assert_eq!((reply.status, reply.content_type.as_deref()), (200, Some(CONTENT_TYPE)));
        let answer = answer(function, &reply.body);
        if let Err(code) = &answer {
            crate::conformance::answered(&format!("{function} in ASN.1"), code);
        }
        answer
    }
}
