//! An eIM made from pieces: what its packages say can be changed, and what the card answers is verified.

use simyard::crypto::ecdsa::{Curve, SigningKey};
use simyard::pki::public_key::to_subject_public_key_info;
use simyard_asn1::iot::configuration::{
    AddInitialEimRequest, AddInitialEimResponse, EimConfigurationData, EimPublicKey,
};
use simyard_asn1::iot::package::{Eco, EuiccPackage, EuiccPackageRequest, EuiccPackageSigned, Psmo};
use simyard_asn1::iot::result::EuiccPackageResult;
use simyard_asn1::iot::{EimTransactionId, Implicit, signed_bytes};
use simyard_asn1::{Decode, Encode, Raw};

use super::world::{Device, PKI};

/// An eIM, the counter of its last package and the token of its association.
pub struct Eim {
    pub id: String,
    pub key: SigningKey,
    pub spki: Vec<u8>,
    pub counter: i64,
    pub token: Option<i64>,
}

impl Eim {
    pub fn new(id: &str) -> Self {
        // Another key for each name.
        let key = SigningKey::from_scalar(Curve::P256, &[id.len() as u8; 32]).unwrap();
        let spki = to_subject_public_key_info(key.public_key());
        Self { id: id.to_owned(), key, spki, counter: 0, token: None }
    }

    /// The least that an eUICC has to know.
    pub fn configuration(&self) -> EimConfigurationData<'_> {
        EimConfigurationData {
            eim_id: &self.id,
            counter_value: Some(self.counter),
            eim_public_key_data: Some(EimPublicKey::Spki(Implicit::from_der(&self.spki).unwrap())),
            ..EimConfigurationData::default()
        }
    }

    /// Associates itself with a card that has no eIM.
    pub fn associate(&mut self, device: &mut Device, association_token: Option<i64>) {
        let eim = EimConfigurationData { association_token, ..self.configuration() };
        let response = device.es10(&AddInitialEimRequest { eims: vec![eim] }.to_der());
        let AddInitialEimResponse::Ok(tokens) = AddInitialEimResponse::from_der(&response.data).unwrap()
        else {
            panic!("the card refused the eIM: {}", hex::encode_upper(&response.data));
        };
        self.token = tokens[0];
    }

    /// What the next package signs, with everything right.
    pub fn signed<'a>(&'a self, operations: EuiccPackage<'a>) -> EuiccPackageSigned<'a> {
        EuiccPackageSigned {
            eim_id: &self.id,
            eid: &EID,
            counter_value: self.counter + 1,
            eim_transaction_id: EimTransactionId::from_octets(&[0x5A, 1]),
            operations,
        }
    }

    /// The package of these octets, under the eIM's signature.
    pub fn package(&self, signed: &EuiccPackageSigned<'_>) -> Vec<u8> {
        let bytes = signed.to_der();
        let signature = self.key.sign(&signed_bytes(&bytes, self.token)).unwrap();
        let euicc_package_signed = Raw { bytes: &bytes, value: signed.clone() };
        EuiccPackageRequest { euicc_package_signed, eim_signature: &signature }.to_der()
    }

    /// Sends the next package and gives the results in hexadecimal digits. The card's signature and what it repeats of
    /// the package are right.
    pub fn run(&mut self, device: &mut Device, operations: EuiccPackage<'_>) -> String {
        let (request, transaction) = {
            let signed = self.signed(operations);
            (self.package(&signed), signed.eim_transaction_id)
        };
        self.counter += 1;
        let response = device.es10(&request);
        assert!(response.status.is_ok(), "{response:?}");
        let EuiccPackageResult::Signed { data, signature } =
            EuiccPackageResult::from_der(&response.data).unwrap()
        else {
            panic!("no results: {}", hex::encode_upper(&response.data));
        };
        let euicc = PKI.euicc.certificate.public_key().unwrap();
        euicc.verify(&signed_bytes(data.bytes, self.token), signature.try_into().unwrap()).unwrap();
        assert_eq!(data.value.eim_id, self.id);
        assert_eq!(data.value.counter_value, self.counter);
        assert_eq!(data.value.eim_transaction_id, transaction);
        let kept = &device.card.state().iot.as_ref().unwrap().results;
        assert_eq!(kept.last().unwrap().der, response.data);
        assert_eq!(kept.last().unwrap().seq_number, data.value.seq_number);
        data.value.results.iter().map(|result| hex::encode_upper(result.to_der())).collect()
    }

    pub fn psmo(&mut self, device: &mut Device, operations: &[Psmo<'_>]) -> String {
        self.run(device, EuiccPackage::Psmo(operations.to_vec()))
    }

    pub fn eco(&mut self, device: &mut Device, operations: &[Eco<'_>]) -> String {
        self.run(device, EuiccPackage::Eco(operations.to_vec()))
    }

    /// Sends a package that no operation of is run: the code of a signed error, or the unsigned answer.
    pub fn refused(&self, device: &mut Device, request: &[u8]) -> String {
        let before = device.card.state().clone();
        let response = device.es10(request);
        assert!(response.status.is_ok(), "{response:?}");
        assert_eq!(*device.card.state(), before, "a refused package changes nothing");
        match EuiccPackageResult::from_der(&response.data).unwrap() {
            EuiccPackageResult::ErrorSigned { data, signature } => {
                let euicc = PKI.euicc.certificate.public_key().unwrap();
                let covered = signed_bytes(data.bytes, self.token);
                euicc.verify(&covered, signature.try_into().unwrap()).unwrap();
                assert_eq!(data.value.eim_id, self.id);
                data.value.code.to_string()
            }
            EuiccPackageResult::ErrorUnsigned(_) => hex::encode_upper(&response.data),
            EuiccPackageResult::Signed { .. } => panic!("it was run"),
        }
    }
}

/// The EID of the card.
pub const EID: [u8; 16] = [0x89, 0x04, 0x90, 0x32, 0, 0, 0, 0, 0, 0, 0x27, 0x99, 0x73, 0x20, 0x00, 0x19];
