//! Properties of the wire crate over generated input: what is written is read, and no octets make a decoder panic.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may fail loudly")]

use proptest::collection::vec;
use proptest::prelude::*;
use simyard_asn1::iot;
use simyard_asn1::rsp::{
    authentication, card, download, es9plus, info, metadata, notification, package, rules,
};
use simyard_asn1::saip::{EuiccResponse, Package};
use simyard_asn1::tlv::NamedBits;
use simyard_asn1::{Decode, Encode, Oid, Reader, Tag, Writer};

/// A value or members, under the number of a context tag.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(u32, Vec<u8>),
    Node(u32, Vec<Tree>),
}

fn trees() -> impl Strategy<Value = Tree> {
    // One, two and three octets of tag; one, two and three octets of length.
    let number = || prop_oneof![0_u32..31, 31_u32..128, 128_u32..0x4000];
    let octets = prop_oneof![9 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 120..400)];
    let leaf = (number(), octets).prop_map(|(number, octets)| Tree::Leaf(number, octets));
    leaf.prop_recursive(6, 64, 6, move |inner| {
        (number(), vec(inner, 0..6)).prop_map(|(number, members)| Tree::Node(number, members))
    })
}

fn write(writer: &mut Writer, tree: &Tree) {
    match tree {
        Tree::Leaf(number, octets) => writer.tlv(Tag::context(*number), octets),
        Tree::Node(number, members) => writer.nested(Tag::context_constructed(*number), |writer| {
            members.iter().for_each(|member| write(writer, member));
        }),
    };
}

/// Reads what [`write`] wrote, and returns where it ends in the whole input.
fn read(reader: &mut Reader<'_>, tree: &Tree) -> usize {
    let start = reader.offset();
    let end = match tree {
        Tree::Leaf(number, octets) => {
            let tlv = reader.expect(Tag::context(*number)).unwrap();
            assert_eq!(tlv.tag.number(), *number);
            assert_eq!(tlv.value, octets);
            tlv.offset + tlv.raw.len()
        }
        Tree::Node(number, members) => {
            let tlv = reader.expect(Tag::context_constructed(*number)).unwrap();
            assert_eq!((tlv.offset, tlv.tag.is_constructed()), (start, true));
            let mut inner = tlv.members("Tree");
            let end = members.iter().map(|member| read(&mut inner, member)).last();
            inner.finish().unwrap();
            end.unwrap_or(start + tlv.raw.len())
        }
    };
    assert_eq!(reader.offset(), end, "the last member ends where its parent ends");
    end
}

/// Every decoder of the crate, on one input.
fn decode_everything(input: &[u8]) {
    macro_rules! decode {
        ($($message:ty),* $(,)?) => {
            $(if let Ok(value) = <$message>::from_der(input) {
                assert!(<$message>::from_der(&value.to_der()).is_ok(), stringify!($message));
            })*
        };
    }
    decode!(
        info::EuiccInfo1<'_>,
        info::EuiccInfo2<'_>,
        authentication::ServerSigned1<'_>,
        authentication::DeviceInfo<'_>,
        authentication::CtxParams1<'_>,
        authentication::AuthenticateServerRequest<'_>,
        authentication::EuiccSigned1<'_>,
        authentication::AuthenticateServerResponse<'_>,
        download::SmdpSigned2<'_>,
        download::PrepareDownloadRequest<'_>,
        download::EuiccSigned2<'_>,
        download::PrepareDownloadResponse<'_>,
        download::CancelSessionRequest<'_>,
        download::EuiccCancelSessionSigned<'_>,
        download::CancelSessionResponse<'_>,
        metadata::StoreMetadataRequest<'_>,
        metadata::ProfileInfo<'_>,
        package::InitialiseSecureChannelRequest<'_>,
        package::ConfigureIsdpRequest<'_>,
        package::ReplaceSessionKeysRequest<'_>,
        package::BoundProfilePackage<'_>,
        notification::NotificationMetadata<'_>,
        notification::ProfileInstallationResultData<'_>,
        notification::ProfileInstallationResult<'_>,
        notification::OtherSignedNotification<'_>,
        notification::PendingNotification<'_>,
        card::GetEuiccChallengeResponse<'_>,
        card::GetEuiccDataResponse<'_>,
        card::EuiccConfiguredAddressesResponse<'_>,
        card::ProfileIdentifier<'_>,
        card::RetrieveNotificationsListRequest,
        card::ProfileInfoListRequest<'_>,
        rules::ProfilePolicyAuthorisationRule<'_>,
        iot::configuration::EimConfigurationData<'_>,
        iot::configuration::AddInitialEimRequest<'_>,
        iot::configuration::AddInitialEimResponse,
        iot::configuration::GetEimConfigurationDataRequest<'_>,
        iot::configuration::GetEimConfigurationDataResponse<'_>,
        iot::package::EuiccPackageRequest<'_>,
        iot::package::EuiccPackageSigned<'_>,
        iot::package::Psmo<'_>,
        iot::package::Eco<'_>,
        iot::result::EuiccPackageResult<'_>,
        iot::result::EuiccPackageResultDataSigned<'_>,
        iot::result::EuiccPackageErrorDataSigned<'_>,
        iot::result::EuiccResultData<'_>,
        iot::result::EimIdInfo<'_>,
        iot::card::ProfileRollbackResponse<'_>,
        iot::card::GetCertsRequest<'_>,
        iot::card::GetCertsResponse<'_>,
        iot::card::RetrieveNotificationsListResponse<'_>,
        iot::card::EuiccMemoryResetRequest,
        iot::card::EuiccMemoryResetResponse,
        iot::card::GetConnectivityParametersResponse<'_>,
        iot::card::IpaeActivationRequest,
        iot::card::IsdrProprietaryApplicationTemplateIot,
        iot::compact::CompactAuthenticateResponse<'_>,
        iot::compact::CompactPrepareDownloadResponse<'_>,
        iot::compact::CompactProfileInstallationResult<'_>,
        iot::compact::CompactOtherSignedNotification<'_>,
        iot::compact::CompactCancelSessionResponse<'_>,
        es9plus::Envelope<'_>,
        es9plus::InitiateAuthenticationRequest<'_>,
        es9plus::Response<es9plus::InitiateAuthenticationOk<'_>>,
        es9plus::AuthenticateClientRequest<'_>,
        es9plus::Response<es9plus::AuthenticateClientOk<'_>>,
        es9plus::GetBoundProfilePackageRequest<'_>,
        es9plus::Response<es9plus::GetBoundProfilePackageOk<'_>>,
        es9plus::CancelSessionRequest<'_>,
        es9plus::Response<es9plus::CancelSessionOk>,
        es9plus::HandleNotification<'_>,
        iot::trigger::ProfileDownloadTriggerRequest<'_>,
        iot::trigger::ProfileDownloadTriggerResult<'_>,
        iot::data::IpaEuiccDataRequest<'_>,
        iot::data::IpaEuiccDataResponse<'_>,
        iot::esipa::EsipaRequest,
        iot::esipa::EsipaResponse,
        iot::esipa::TransferEimPackageRequest,
        iot::esipa::TransferEimPackageResponse,
        EuiccResponse,
        Oid,
    );
    let _ = card::SwitchProfileRequest::from_der(card::tag::ENABLE_PROFILE, input);
    let _ = card::read_result(card::tag::ENABLE_PROFILE, input);
    let _ = package::BoundProfilePackage::segments(input, Tag(0x86));
    if let Ok(package) = Package::from_der(input) {
        assert_eq!(package.to_der(), input);
        for element in package.elements() {
            let _ = element.profile_header();
            let _ = element.pin_codes();
            let _ = element.puk_codes();
            let _ = element.aka_parameter();
            let _ = element.application_identity();
            let _ = element.file_system();
            let _ = element.generic_file_management();
        }
    }
}

/// Tags that messages start with, so that generated input gets past the first member.
const OUTER: &[u32] = &[
    0x30, 0xA0, 0xA1, 0xA2, 0xA5, 0xB0, 0xE3, 0xBF20, 0xBF21, 0xBF22, 0xBF23, 0xBF24, 0xBF25, 0xBF26, 0xBF27,
    0xBF2B, 0xBF2E, 0xBF2F, 0xBF31, 0xBF36, 0xBF37, 0xBF38, 0xBF39, 0xBF3A, 0xBF3B, 0xBF3C, 0xBF3D, 0xBF3E,
    0xBF41, 0xA6, 0xA8, 0xAA, 0xAB, 0xBF2D, 0xBF42, 0xBF51, 0xBF55, 0xBF56, 0xBF57, 0xBF58, 0xBF59, 0xBF5F,
    0xBF64, 0xBF65, 0xE1, 0xBF4E, 0xBF4F, 0xBF50, 0xBF52, 0xBF53, 0xBF54,
];

proptest! {
    #[test]
    fn a_tree_of_tlvs_is_read_as_it_was_written(tree in trees()) {
        let mut writer = Writer::new();
        write(&mut writer, &tree);
        let der = writer.finish();
        let mut reader = Reader::new(&der, "Tree");
        prop_assert_eq!(read(&mut reader, &tree), der.len());
        reader.finish().unwrap();
        prop_assert_eq!(Reader::new(&der, "Tree").extensions().unwrap(), der.as_slice());
        for length in 0..der.len() {
            prop_assert!(Reader::new(&der[..length], "Tree").read().is_err(), "cut to {} octets", length);
        }
    }

    #[test]
    fn an_object_identifier_goes_both_ways(first in 0_u64..=2, second in 0_u64..40, rest in vec(any::<u64>(), 0..6)) {
        // The root arc 2 is not limited to 39 below it.
        let second = if first == 2 { second * 1000 } else { second };
        let arcs: Vec<String> = [first, second].iter().chain(&rest).map(u64::to_string).collect();
        let text = arcs.join(".");
        let oid = Oid::parse(&text).unwrap();
        prop_assert_eq!(oid.to_string(), text);
        prop_assert_eq!(Oid::from_der(&oid.to_der()).unwrap(), oid);
    }

    #[test]
    fn octets_that_are_an_object_identifier_print_as_it(content in vec(any::<u8>(), 0..9)) {
        if let Some(oid) = Oid::from_content(&content) {
            prop_assert_eq!(oid.as_content(), content.as_slice());
            prop_assert_eq!(Oid::parse(&oid.to_string()), Some(oid));
        }
    }

    #[test]
    fn named_bits_go_both_ways(bits in prop_oneof![any::<u64>(), (0_u32..64).prop_map(|bit| 1 << bit), Just(0)]) {
        let mut writer = Writer::new();
        writer.named_bits(Tag::BIT_STRING, NamedBits(bits));
        let der = writer.finish();
        let read = Reader::new(&der, "bits").read().unwrap().named_bits("bits").unwrap();
        prop_assert_eq!(read, NamedBits(bits));
        for bit in 0..70 {
            prop_assert_eq!(read.has(bit), bit < 64 && bits >> bit & 1 == 1);
        }
    }

    #[test]
    fn integers_go_both_ways(number in any::<i64>(), shift in 0_u32..64) {
        let number = number >> shift;
        let mut writer = Writer::new();
        writer.integer(Tag::INTEGER, number);
        let der = writer.finish();
        prop_assert_eq!(Reader::new(&der, "number").read().unwrap().integer("number").unwrap(), number);
    }

    #[test]
    fn no_octets_make_a_decoder_panic(input in vec(any::<u8>(), 0..200)) {
        decode_everything(&input);
    }

    #[test]
    fn no_tlvs_make_a_decoder_panic(outer in proptest::sample::select(OUTER), members in vec(trees(), 0..8)) {
        let mut writer = Writer::new();
        writer.nested(Tag(outer), |writer| members.iter().for_each(|member| write(writer, member)));
        decode_everything(&writer.finish());
    }
}
