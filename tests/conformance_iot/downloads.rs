//! Downloads that the eIM relays (SGP.32 3.2.3.2): over ESipa to a whole server, which calls an SM-DP+ over ES9+', its own or one
//! of another make; what each refusal becomes, what the eIM refuses itself, and what becomes of a download that is cancelled.

use serde_json::Value;
use simyard::binding::MessageBinding;
use simyard::domain::{OperationId, StateName, Task};
use simyard::eim::operations::OperationRequest;
use simyard::ident::ActivationCode;
use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::data::ipa_feature;
use simyard_asn1::iot::esipa::{
    AuthenticateClientOkDp, AuthenticateClientRequest, AuthenticateClientResponse, CancelSessionRequest,
    EimPackage, EimPackageResult, EimPackageResultErrorCode, EsipaRequest, EsipaResponse,
    GetBoundProfilePackageOk, GetBoundProfilePackageRequest, GetBoundProfilePackageResponse,
    InitiateAuthenticationOk, InitiateAuthenticationRequest, InitiateAuthenticationResponse,
};
use simyard_asn1::iot::result::EuiccResultData;
use simyard_asn1::rsp::authentication::CtxParams1;
use simyard_asn1::rsp::download::cancel_session_reason;
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::rsp::rules::RulesAuthorisationTable;
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode as _, Encode as _, Tag};

use super::lab::Answer;
use super::proxy::Proxy;
use super::{BINDINGS, Lab};
use crate::eim::relayed::{Met, compact_authentication, euicc_info1, member};
use crate::eim::world::transaction_of;
use crate::server::euicc::{
    Authentication, SMDP_OID, base64, flipped, from_base64, hash_cc, info2_with, nested, otpk, tlv,
};
use crate::server::{ADDRESS, Euicc, Initiated, Offer, OrderOptions, Ordered};

crate::tests!(
    a_download_is_relayed_to_its_end,
    what_an_ipa_leaves_out_is_filled_in,
    what_is_repeated_is_answered_the_same,
    refusals_of_the_server_become_codes,
    what_the_eim_refuses_goes_no_further,
    a_cancelled_download_is_over_on_both_sides,
);

/// A laboratory whose eIM reaches the SM-DP+ of the same server through somebody who meddles.
pub struct Relaying {
    pub lab: Lab,
    pub proxy: Proxy,
    pub euicc: Euicc,
}

/// A download that began: its operation, its trigger, and the order at the SM-DP+.
pub struct Begun {
    id: OperationId,
    trigger: EimPackage,
    order: Ordered,
}

impl Begun {
    fn transaction(&self) -> EimTransactionId {
        transaction_of(&self.trigger).unwrap()
    }
}

/// Which answer of a function it is.
macro_rules! done {
    ($answer:expr, $function:ident($response:ident::$ok:ident)) => {
        match $answer {
            Answer::Done(response) => match *response {
                EsipaResponse::$function($response::$ok(ok)) => ok,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
}

impl Relaying {
    fn new(binding: MessageBinding) -> Self {
        let relaying = Self::seeded(binding, 1061);
        relaying.lab.server.ingest("acme", "iot", 60);
        relaying
    }

    /// The same in every run.
    pub fn seeded(binding: MessageBinding, seed: u64) -> Self {
        let proxy = Proxy::start();
        let way = format!("smdp.example.com=127.0.0.1:{}", proxy.port);
        let lab = Lab::with_way(binding, &way, seed);
        proxy.leads_to(&lab.server);
        Self { lab, proxy, euicc: Euicc::new(0) }
    }

    /// An order at the SM-DP+, and a download whose trigger the device has.
    pub fn begin(&self) -> Begun {
        self.begin_with(None, None, "")
    }

    /// With a confirmation code at the SM-DP+ and at the eIM, and more behind the activation code.
    pub fn begin_with(&self, code: Option<&str>, held: Option<&str>, more: &str) -> Begun {
        let order = self.lab.server.order(OrderOptions { code, ..OrderOptions::default() });
        let text = format!("LPA:1${ADDRESS}${}{more}", order.matching_id);
        let request = OperationRequest {
            activation_code: Some(ActivationCode::parse(&text).unwrap()),
            confirmation_code: held.map(|code| code.to_owned().into()),
            ..OperationRequest::new(Task::Download)
        };
        let id = self.lab.request(&request);
        let trigger = self.lab.poll().package();
        assert!(matches!(trigger, EimPackage::ProfileDownloadTriggerRequest(_)), "{trigger:?}");
        self.proxy.called();
        Begun { id, trigger, order }
    }

    pub fn initiate(&self, begun: &Begun) -> Answer {
        self.initiate_with(begun, |_| {})
    }

    pub fn initiate_with(
        &self,
        begun: &Begun,
        change: impl FnOnce(&mut InitiateAuthenticationRequest),
    ) -> Answer {
        let mut request = InitiateAuthenticationRequest {
            euicc_challenge: [7; 16],
            smdp_address: Some(ADDRESS.to_owned()),
            euicc_info1: Some(euicc_info1()),
            eim_transaction_id: Some(begun.transaction()),
        };
        change(&mut request);
        self.lab.call(&EsipaRequest::InitiateAuthentication(request))
    }

    /// As the eUICC signs it in answer to the server.
    pub fn authentication(&self, initiated: &InitiateAuthenticationOk) -> Authentication {
        let session = Initiated {
            transaction_id: hex::encode_upper(initiated.transaction_id.as_ref().unwrap()),
            server_signed1: initiated.server_signed1.clone(),
        };
        self.euicc.authentication(&self.euicc.signed1(&session, initiated.matching_id.as_deref()))
    }

    pub fn authenticate(&self, transaction_id: &[u8], response: Vec<u8>) -> Answer {
        self.lab.call(&EsipaRequest::AuthenticateClient(AuthenticateClientRequest {
            transaction_id: transaction_id.to_vec(),
            authenticate_server_response: response,
        }))
    }

    pub fn preparation(&self, offer: &AuthenticateClientOkDp, hash_cc: Option<&[u8]>) -> Vec<u8> {
        let id = offer.transaction_id.clone().unwrap();
        self.euicc.preparation(&Offer::relayed(offer), &id, &otpk(1), hash_cc)
    }

    pub fn package(&self, transaction_id: &[u8], response: Vec<u8>) -> Answer {
        self.lab.call(&EsipaRequest::GetBoundProfilePackage(GetBoundProfilePackageRequest {
            transaction_id: transaction_id.to_vec(),
            prepare_download_response: response,
        }))
    }

    pub fn cancel(&self, transaction_id: &[u8], response: Vec<u8>) -> Answer {
        self.lab.call(&EsipaRequest::CancelSession(CancelSessionRequest {
            transaction_id: transaction_id.to_vec(),
            cancel_session_response: response,
        }))
    }

    /// Up to the answer of InitiateAuthentication.
    pub fn initiated(&self, begun: &Begun) -> (Vec<u8>, InitiateAuthenticationOk) {
        let ok = done!(self.initiate(begun), InitiateAuthentication(InitiateAuthenticationResponse::Ok));
        (ok.transaction_id.clone().unwrap(), *ok)
    }

    /// Up to the answer of AuthenticateClient.
    pub fn offered(&self, begun: &Begun) -> (Vec<u8>, AuthenticateClientOkDp) {
        let (id, initiated) = self.initiated(begun);
        (id.clone(), self.offer(&id, self.authentication(&initiated).to_der()))
    }

    fn offer(&self, id: &[u8], response: Vec<u8>) -> AuthenticateClientOkDp {
        *done!(self.authenticate(id, response), AuthenticateClient(AuthenticateClientResponse::OkDp))
    }

    fn bound(&self, id: &[u8], response: Vec<u8>) -> GetBoundProfilePackageOk {
        done!(self.package(id, response), GetBoundProfilePackage(GetBoundProfilePackageResponse::Ok))
    }

    fn state(&self, begun: &Begun) -> String {
        self.lab.state(&begun.id)
    }

    /// Ends a download that may go well another time: the device cannot read the trigger.
    pub fn end(&self, begun: &Begun) {
        if self.state(begun) != "downloading" {
            return;
        }
        let result = EimPackageResult::ResponseError {
            eim_transaction_id: Some(begun.transaction()),
            code: EimPackageResultErrorCode::InvalidPackageFormat,
        };
        self.lab.answer(result).acknowledged();
        assert!(self.state(begun).starts_with("failed: "), "{}", self.state(begun));
        // Nobody signed that nothing was installed: the list says so.
        self.lab.turn();
        self.lab.is_idle();
    }

    /// The device tells all that the eIM can know of it, and that it leaves to the eIM what it can.
    fn introduce(&self) {
        use simyard::domain::Deadlines;
        use simyard::store::{EimChange, Introduction};
        let features = [
            ipa_feature::INDIRECT_RSP_SERVER_COMMUNICATION,
            ipa_feature::EIM_CTX_PARAMS1_GENERATION,
            ipa_feature::MINIMIZE_ESIPA_BYTES,
        ];
        let bits = features.iter().fold(0, |all, bit| all | NamedBits::bit(*bit).0);
        let store = self.lab.server.smdp().store.clone();
        self.lab.server.wait(async {
            let euicc = store.eim_euicc(&self.euicc.eid).await.unwrap().unwrap();
            let mut change =
                EimChange::new(self.euicc.eid.clone(), euicc.version, self.lab.server.clock.now());
            change.introduction = Introduction {
                euicc_info1: Some(euicc_info1()),
                euicc_info2: Some(info2_with(|_| {})),
                ipa_capabilities: Some(tlv(Tag(0x80), &NamedBits(bits).to_content())),
                device_info: Some([tlv(Tag(0x80), &[0x35, 0x29, 0x06, 0x11]), tlv(Tag(0xA1), &[])].concat()),
                rules_authorisation_table: None,
            };
            store.change_eim_euicc(change, &Deadlines::default()).await.unwrap();
        });
    }
}

/// Metadata of a profile that may not be deleted (PPR2).
pub fn ruled(metadata: &[u8]) -> Value {
    let usual = StoreMetadataRequest::from_der(metadata).unwrap();
    base64(&StoreMetadataRequest { profile_policy_rules: NamedBits::bit(2), ..usual }.to_der())
}

/// An answer with metadata of another name.
pub fn renamed(answer: Value) -> Met {
    let metadata = from_base64(&answer["profileMetadata"]);
    let usual = StoreMetadataRequest::from_der(&metadata).unwrap();
    let other = StoreMetadataRequest { profile_name: "Another", ..usual };
    Met::with(answer, "profileMetadata", base64(&other.to_der()))
}

fn a_download_is_relayed_to_its_end() {
    for binding in BINDINGS {
        let relaying = Relaying::new(binding);
        let lab = &relaying.lab;
        lab.row("Indirect", || {
            lab.ask(Task::Audit);
            lab.turn();
            let begun = relaying.begin();
            let (id, initiated) = relaying.initiated(&begun);
            assert_eq!(initiated.matching_id.as_ref(), Some(&begun.order.matching_id));
            let offer = relaying.offer(&id, relaying.authentication(&initiated).to_der());
            let metadata = offer.profile_metadata.clone().unwrap();
            assert_eq!(StoreMetadataRequest::from_der(&metadata).unwrap().iccid, &begun.order.iccid.to_bcd());
            let package = relaying.bound(&id, relaying.preparation(&offer, None));
            assert!(package.bound_profile_package.starts_with(&[0xBF, 0x36]));
            let functions = ["initiateAuthentication", "authenticateClient", "getBoundProfilePackage"];
            assert_eq!(relaying.proxy.called(), functions);
            assert_eq!(lab.server.state(&begun.order.iccid), "Downloaded");
            let pir = relaying.euicc.result(&id, &begun.order.iccid, 300, None);
            assert_eq!(lab.notify(&pir), Answer::Taken);
            assert_eq!(relaying.state(&begun), "downloaded");
            lab.card.borrow_mut().profiles.push((begun.order.iccid.clone(), false));
            lab.turn();
            assert_eq!(relaying.state(&begun), "done");
            lab.server.becomes(&begun.order.iccid, StateName::Installed);
        });
        lab.row("Indirect_ConfirmationCode", || {
            let begun = relaying.begin_with(Some("4711"), Some("4711"), "");
            let (id, offer) = relaying.offered(&begun);
            let expected = hash_cc("4711", &hex::encode_upper(&id));
            assert_eq!(offer.hash_cc, Some(tlv(Tag::OCTET_STRING, &expected)));
            relaying.bound(&id, relaying.preparation(&offer, Some(&expected)));
            assert_eq!(lab.server.state(&begun.order.iccid), "Downloaded");
            relaying.end(&begun);
            // One that the eIM does not hold is the device's to know.
            let begun = relaying.begin_with(Some("4711"), None, "");
            let (id, offer) = relaying.offered(&begun);
            assert_eq!(offer.hash_cc, None);
            let wrong = hash_cc("1", &hex::encode_upper(&id));
            let refused = relaying.package(&id, relaying.preparation(&offer, Some(&wrong)));
            assert_eq!(refused.refusal(), "confirmationCodeRefused (3)");
            assert_eq!(relaying.state(&begun), "downloading", "another try may go well");
            let right = hash_cc("4711", &hex::encode_upper(&id));
            relaying.bound(&id, relaying.preparation(&offer, Some(&right)));
        });
    }
}

fn what_an_ipa_leaves_out_is_filled_in() {
    for binding in BINDINGS {
        let relaying = Relaying::new(binding);
        let lab = &relaying.lab;
        let begun = relaying.begin();
        let short = |request: &mut InitiateAuthenticationRequest| {
            (request.euicc_info1, request.smdp_address, request.eim_transaction_id) = (None, None, None);
        };
        lab.row("Indirect_LeftOut", || {
            assert_eq!(relaying.initiate_with(&begun, short).refusal(), "undefinedError (127)");
            assert_eq!(relaying.proxy.called(), Vec::<String>::new());
            relaying.introduce();
            let answer = relaying.initiate_with(&begun, short);
            let ok = done!(answer, InitiateAuthentication(InitiateAuthenticationResponse::Ok));
            let given = ok.ctx_params1.unwrap();
            let given = CtxParams1::from_der(&given).unwrap();
            assert_eq!(given.matching_id, Some(begun.order.matching_id.as_str()));
            assert_eq!(given.device_info.tac, [0x35, 0x29, 0x06, 0x11]);
        });
        lab.row("Indirect_Compact", || {
            let (id, initiated) = relaying.initiated(&begun);
            let whole = relaying.authentication(&initiated);
            let offer = relaying.offer(&id, compact_authentication(&whole, &info2_with(|_| {})));
            let preparation = relaying.preparation(&offer, None);
            let ok = member(&preparation, Tag(0xA0));
            let signed = member(&ok, Tag::SEQUENCE);
            let compact = nested(Tag::SEQUENCE, &[&member(&signed, Tag(0x5F49))]);
            let compact = nested(Tag(0xA2), &[&compact, &member(&ok, Tag(0x5F37))]);
            relaying.bound(&id, nested(Tag(0xBF21), &[&compact]));
            assert_eq!(lab.server.state(&begun.order.iccid), "Downloaded");
        });
    }
}

fn what_is_repeated_is_answered_the_same() {
    for binding in BINDINGS {
        let relaying = Relaying::new(binding);
        relaying.lab.row("Indirect_Repeated", || {
            let begun = relaying.begin();
            let (id, initiated) = relaying.initiated(&begun);
            let response = relaying.authentication(&initiated).to_der();
            let offer = relaying.offer(&id, response.clone());
            relaying.proxy.called();
            assert_eq!(relaying.offer(&id, response), offer);
            let preparation = relaying.preparation(&offer, None);
            // An answer that was lost between SM-DP+ and eIM is fetched again.
            relaying.proxy.meddle("getBoundProfilePackage", |_| Met::Lost);
            assert_eq!(relaying.package(&id, preparation.clone()).refusal(), "undefinedError (127)");
            let package = relaying.bound(&id, preparation.clone());
            assert_eq!(relaying.proxy.called(), ["getBoundProfilePackage", "getBoundProfilePackage"]);
            assert_eq!(relaying.bound(&id, preparation), package);
            assert_eq!(relaying.proxy.called(), Vec::<String>::new());
        });
    }
}

/// What an SM-DP+ refuses with, and what becomes of it: the pair, and the code that the device gets.
type Refusals = &'static [(&'static str, &'static str, &'static str)];

const INITIATE: Refusals = &[
    ("8.8.1", "3.8", "invalidDpAddress (1)"),
    ("8.8.3", "3.1", "euiccVersionNotSupportedByDp (2)"),
    ("8.8.2", "3.1", "ciPKIdNotSupported (3)"),
    ("8.8.4", "3.7", "ciPKIdNotSupported (3)"),
    ("1.6", "4.2", "undefinedError (127)"),
];
const AUTHENTICATE: Refusals = &[
    ("8.1.2", "6.1", "eumCertificateInvalid (1)"),
    ("8.1.2", "6.3", "eumCertificateExpired (2)"),
    ("8.1.3", "6.1", "euiccCertificateInvalid (3)"),
    ("8.1.3", "6.3", "euiccCertificateExpired (4)"),
    ("8.1", "6.1", "euiccSignatureInvalid (5)"),
    ("8.2.6", "3.8", "matchingIdRefused (6)"),
    ("8.1.1", "3.8", "eidMismatch (7)"),
    ("8.2.5", "4.3", "noEligibleProfile (8)"),
    ("8.11.1", "3.9", "ciPKUnknown (9)"),
    ("8.10.1", "3.9", "invalidTransactionId (10)"),
    ("8.1", "4.8", "insufficientMemory (11)"),
    ("8.8.5", "4.10", "downloadOrderExpired (18)"),
    ("1.6", "4.2", "undefinedError (127)"),
];
const PACKAGE: Refusals = &[
    ("8.1", "6.1", "euiccSignatureInvalid (1)"),
    ("8.2.7", "2.2", "confirmationCodeMissing (2)"),
    ("8.2.7", "3.8", "confirmationCodeRefused (3)"),
    ("8.2.7", "6.4", "confirmationCodeRetriesExceeded (4)"),
    ("8.2", "3.7", "bppRebindingRefused (5)"),
    ("8.8.5", "4.10", "downloadOrderExpired (6)"),
    ("8.10.1", "3.9", "invalidTransactionId (95)"),
    ("1.6", "4.2", "undefinedError (127)"),
];

/// Where the operation stands after a refusal: what may go well another time leaves it.
#[track_caller]
fn after(relaying: &Relaying, begun: &Begun, subject: &str, reason: &str) {
    let state = relaying.state(begun);
    if (subject, reason) == ("1.6", "4.2") || (subject, reason) == ("8.2.7", "3.8") {
        assert_eq!(state, "downloading");
    } else {
        assert!(state.starts_with("failed: download_failed: "), "{state}");
        assert!(state.contains(&format!("{subject}/{reason}")), "{state}");
    }
    relaying.end(begun);
}

fn refusals_of_the_server_become_codes() {
    for binding in BINDINGS {
        let relaying = Relaying::new(binding);
        let lab = &relaying.lab;
        lab.row("Indirect_RefusedInitiate", || {
            for (subject, reason, code) in INITIATE {
                let begun = relaying.begin();
                relaying.proxy.refuse("initiateAuthentication", subject, reason);
                assert_eq!(relaying.initiate(&begun).refusal(), *code);
                after(&relaying, &begun, subject, reason);
            }
        });
        lab.row("Indirect_RefusedAuthenticate", || {
            for (subject, reason, code) in AUTHENTICATE {
                let begun = relaying.begin();
                let (id, initiated) = relaying.initiated(&begun);
                relaying.proxy.refuse("authenticateClient", subject, reason);
                let refused = relaying.authenticate(&id, relaying.authentication(&initiated).to_der());
                assert_eq!(refused.refusal(), *code);
                after(&relaying, &begun, subject, reason);
            }
        });
        lab.row("Indirect_RefusedPackage", || {
            for (subject, reason, code) in PACKAGE {
                let begun = relaying.begin();
                let (id, offer) = relaying.offered(&begun);
                relaying.proxy.refuse("getBoundProfilePackage", subject, reason);
                let refused = relaying.package(&id, relaying.preparation(&offer, None));
                assert_eq!(refused.refusal(), *code);
                after(&relaying, &begun, subject, reason);
            }
        });
    }
}

fn what_the_eim_refuses_goes_no_further() {
    for binding in BINDINGS {
        let relaying = Relaying::new(binding);
        let lab = &relaying.lab;
        let begun = relaying.begin_with(None, None, &format!("${SMDP_OID}"));
        lab.row("Indirect_OtherAddress", || {
            for asked in ["other.example.com", "smdp.example.com:8443", "127.0.0.1"] {
                let other =
                    relaying.initiate_with(&begun, |request| request.smdp_address = Some(asked.to_owned()));
                assert_eq!(other.refusal(), "smdpAddressMismatch (50)");
            }
            assert_eq!(relaying.proxy.called(), Vec::<String>::new());
        });
        lab.row("Indirect_OtherOid", || {
            let operator = crate::server::PKI.operator.certificate.der().to_vec();
            let other = move |answer| Met::with(answer, "serverCertificate", base64(&operator));
            relaying.proxy.meddle("initiateAuthentication", other);
            assert_eq!(relaying.initiate(&begun).refusal(), "smdpOidMismatch (51)");
            assert_eq!(relaying.state(&begun), "downloading");
        });
        lab.row("Indirect_UnknownTrigger", || {
            let unknown = EimTransactionId::from_octets(&[9; 16]);
            let answer = relaying.initiate_with(&begun, |request| request.eim_transaction_id = unknown);
            assert_eq!(answer.refusal(), "invalidEimTransactionId (52)");
        });
        let (id, initiated) = relaying.initiated(&begun);
        let whole = relaying.authentication(&initiated);
        relaying.proxy.called();
        lab.row("Indirect_OtherEuicc", || {
            let other = Euicc::new(1);
            let session = Initiated {
                transaction_id: hex::encode_upper(&id),
                server_signed1: initiated.server_signed1.clone(),
            };
            let of_other = other.authentication(&other.signed1(&session, None));
            assert_eq!(relaying.authenticate(&id, of_other.to_der()).refusal(), "eidMismatch (7)");
        });
        lab.row("Indirect_Forged", || {
            let mut forged = whole.clone();
            forged.signature1 = flipped(&forged.signature1, 40);
            assert_eq!(relaying.authenticate(&id, forged.to_der()).refusal(), "euiccSignatureInvalid (5)");
            let mut unreadable = whole.clone();
            unreadable.euicc = tlv(Tag::SEQUENCE, &[]);
            let refused = relaying.authenticate(&id, unreadable.to_der());
            assert_eq!(refused.refusal(), "euiccCertificateInvalid (3)");
            let unknown = relaying.authenticate(&[9; 16], whole.to_der());
            assert_eq!(unknown.refusal(), "invalidTransactionId (10)");
            assert_eq!(relaying.package(&id, vec![0xBF, 0x21, 0]).refusal(), "invalidTransactionId (95)");
            assert_eq!(relaying.proxy.called(), Vec::<String>::new(), "the SM-DP+ heard nothing of it");
        });
        relaying.offer(&id, whole.to_der());
        relaying.end(&begun);
        lab.row("Indirect_OtherMetadata", || {
            let begun = relaying.begin();
            relaying.proxy.meddle("authenticateClient", renamed);
            let (id, offer) = relaying.offered(&begun);
            let refused = relaying.package(&id, relaying.preparation(&offer, None));
            assert_eq!(refused.refusal(), "metadataMismatch (50)");
            assert!(relaying.state(&begun).starts_with("failed: download_failed: "));
        });
        lab.row("Indirect_PolicyRule", || {
            // The eUICC's table allows no profile to forbid anything.
            lab.ask(Task::Configure { commands: hex::decode("A002A600").unwrap() });
            let table = RulesAuthorisationTable { rules: Vec::new() };
            lab.turn_saying(&[EuiccResultData::GetRat(table)]);
            let begun = relaying.begin();
            relaying.proxy.meddle("authenticateClient", |answer| {
                let metadata = ruled(&from_base64(&answer["profileMetadata"]));
                Met::with(answer, "profileMetadata", metadata)
            });
            let (id, initiated) = relaying.initiated(&begun);
            let response = relaying.authentication(&initiated).to_der();
            for _ in 0..2 {
                let refused = relaying.authenticate(&id, response.clone());
                assert_eq!(refused.refusal(), "pprNotAllowed (50)");
            }
            assert!(relaying.state(&begun).contains("PPR2"), "{}", relaying.state(&begun));
        });
    }
}

fn a_cancelled_download_is_over_on_both_sides() {
    for binding in BINDINGS {
        let relaying = Relaying::new(binding);
        let lab = &relaying.lab;
        let reasons = [
            cancel_session_reason::END_USER_REJECTION,
            cancel_session_reason::POSTPONED,
            cancel_session_reason::TIMEOUT,
            cancel_session_reason::PPR_NOT_ALLOWED,
            cancel_session_reason::METADATA_MISMATCH,
            cancel_session_reason::LOAD_BPP_EXECUTION_ERROR,
            cancel_session_reason::UNDEFINED,
        ];
        for reason in reasons {
            lab.row(&format!("Cancel_{reason}"), || {
                let begun = relaying.begin();
                let (id, _) = relaying.offered(&begun);
                let cancellation = relaying.euicc.cancellation(&id, SMDP_OID, reason);
                let answer = relaying.cancel(&id, cancellation.clone());
                assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
                let again =
                    matches!(reason, cancel_session_reason::POSTPONED | cancel_session_reason::TIMEOUT);
                let order = lab.server.state(&begun.order.iccid);
                if again {
                    assert_eq!(
                        (relaying.state(&begun).as_str(), order.as_str()),
                        ("downloading", "Released")
                    );
                } else {
                    let name = cancel_session_reason::name(reason).unwrap();
                    let why = format!("the device cancelled the download: {name} ({reason})");
                    assert_eq!(relaying.state(&begun), format!("failed: download_failed: {why}"));
                    assert!(order.starts_with("Error"), "{order}");
                }
                let repeated = relaying.cancel(&id, cancellation);
                assert_eq!(repeated.refusal(), "invalidTransactionId (1)", "it is over");
                if again {
                    let trigger = lab.poll().package();
                    assert_ne!(trigger, begun.trigger, "a new trigger");
                    relaying.end(&Begun { trigger, ..begun });
                }
            });
        }
        lab.row("Cancel_Compact", || {
            let begun = relaying.begin();
            let (id, _) = relaying.offered(&begun);
            let whole = relaying.euicc.cancellation(&id, SMDP_OID, cancel_session_reason::POSTPONED);
            let signature = member(&member(&whole, Tag(0xA0)), Tag(0x5F37));
            let reason = tlv(Tag(0x80), &[1]);
            let compact = nested(Tag(0xA2), &[&nested(Tag::SEQUENCE, &[&reason]), &signature]);
            let answer = relaying.cancel(&id, nested(Tag(0xBF41), &[&compact]));
            assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
            assert_eq!(lab.server.state(&begun.order.iccid), "Released");
            let trigger = lab.poll().package();
            relaying.end(&Begun { trigger, ..begun });
        });
        lab.row("Cancel_Refused", || {
            let begun = relaying.begin();
            let (id, _) = relaying.offered(&begun);
            relaying.proxy.called();
            let of_other = Euicc::new(1).cancellation(&id, SMDP_OID, 1);
            assert_eq!(relaying.cancel(&id, of_other).refusal(), "euiccSignatureInvalid (2)");
            assert_eq!(relaying.proxy.called(), Vec::<String>::new());
            let postponed = relaying.euicc.cancellation(&id, SMDP_OID, 1);
            relaying.proxy.meddle("cancelSession", |_| Met::Lost);
            assert_eq!(relaying.cancel(&id, postponed.clone()).refusal(), "undefinedError (127)");
            // The SM-DP+ got it all the same, and has the session no more.
            assert_eq!(relaying.cancel(&id, postponed).refusal(), "invalidTransactionId (1)");
            assert_eq!(lab.server.state(&begun.order.iccid), "Released");
        });
    }
}
