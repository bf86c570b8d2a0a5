//! The ISD-R's transport: ES10 commands in chains of STORE DATA (SGP.22 5.7.2), and which function each tag calls.

use simyard_asn1::rsp::authentication::AuthenticateServerRequest;
use simyard_asn1::rsp::card::tag;
use simyard_asn1::rsp::download::{CancelSessionRequest, PrepareDownloadRequest};
use simyard_asn1::rsp::package::BoundProfilePackage;
use simyard_asn1::tlv::Tag;
use zeroize::Zeroizing;

use super::apdu::{Command, StatusWord};
use super::card::Card;

/// The AID of the ISD-R (SGP.02 2.2.3).
pub const ISD_R_AID: [u8; 16] =
    [0xA0, 0, 0, 0x05, 0x59, 0x10, 0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0x89, 0, 0, 0x01, 0];
/// Octets of one command at most, all its blocks together. The largest is a bound profile package that an LPA sends
/// as one chain.
pub const MAX_CHAIN: usize = 512 << 10;

/// The functions of ES10c that manage profiles: the user's, who has no say once an eIM manages them (SGP.32 1.2). Before
/// that they prepare a card.
const ES10C: [Tag; 5] = [
    tag::ENABLE_PROFILE,
    tag::DISABLE_PROFILE,
    tag::DELETE_PROFILE,
    tag::SET_NICKNAME,
    tag::EUICC_MEMORY_RESET,
];

/// P1 of a block that others follow.
const MORE_BLOCKS: u8 = 0x11;
/// P1 of the last block.
const LAST_BLOCK: u8 = 0x91;

/// The blocks of one command.
#[derive(Default)]
pub(super) struct Chain {
    octets: Zeroizing<Vec<u8>>,
    blocks: usize,
}

impl Card {
    /// Takes one block; the last one of a chain is answered with the function's response.
    ///
    /// P2 counts the blocks of a chain from zero, and starts again after FF.
    pub(super) fn store_data(
        &mut self,
        chain: &mut Chain,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, StatusWord> {
        let last = match command.p1 {
            MORE_BLOCKS => false,
            LAST_BLOCK => true,
            _ => {
                *chain = Chain::default();
                return Err(StatusWord::WRONG_PARAMETERS);
            }
        };
        if command.p2 == 0 && !chain.blocks.is_multiple_of(256) {
            // A new command: what was begun is given up.
            *chain = Chain::default();
        }
        if usize::from(command.p2) != chain.blocks % 256 {
            *chain = Chain::default();
            return Err(StatusWord::WRONG_PARAMETERS);
        }
        if chain.octets.len() + command.data.len() > MAX_CHAIN {
            *chain = Chain::default();
            return Err(StatusWord::NOT_ENOUGH_MEMORY);
        }
        chain.octets.extend_from_slice(command.data);
        chain.blocks += 1;
        if !last {
            return Ok(Vec::new());
        }
        let complete = std::mem::take(chain);
        self.es10(&complete.octets)
    }

    fn es10(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let function = leading_tag(request).ok_or(StatusWord::WRONG_DATA)?;
        if ES10C.contains(&function) && self.state.is_managed_by_eim() {
            return Err(StatusWord::CONDITIONS_NOT_SATISFIED);
        }
        // What has no tag of a function can only be a part of the package that is being loaded.
        match function {
            BoundProfilePackage::TAG => self.load_bound_profile_package(request),
            AuthenticateServerRequest::TAG => self.authenticate_server(request),
            PrepareDownloadRequest::TAG => self.prepare_download(request),
            CancelSessionRequest::TAG => self.cancel_session(request),
            tag::GET_EUICC_CHALLENGE => self.get_euicc_challenge(request),
            tag::GET_EUICC_INFO1 => self.get_euicc_info1(request),
            tag::GET_EUICC_INFO2 => self.get_euicc_info2(request),
            tag::GET_EID => self.get_eid(request),
            tag::GET_EUICC_CONFIGURED_ADDRESSES => self.get_euicc_configured_addresses(request),
            tag::SET_DEFAULT_DP_ADDRESS => self.set_default_dp_address(request, function),
            tag::GET_RAT => self.get_rat(request),
            tag::LOAD_CRL => self.load_crl(request),
            tag::LIST_NOTIFICATION => self.list_notification(request),
            tag::RETRIEVE_NOTIFICATIONS_LIST => self.retrieve_notifications_list(request),
            tag::REMOVE_NOTIFICATION_FROM_LIST => self.remove_notification_from_list(request),
            tag::GET_PROFILES_INFO => self.get_profiles_info(request),
            tag::ENABLE_PROFILE => self.enable_profile(request),
            tag::DISABLE_PROFILE => self.disable_profile(request),
            tag::DELETE_PROFILE => self.delete_profile(request),
            tag::SET_NICKNAME => self.set_nickname(request),
            tag::EUICC_MEMORY_RESET => self.euicc_memory_reset(request),
            _ if self.state.iot.is_some() => match self.es10_iot(function, request) {
                Some(answer) => answer,
                None => self.load_bound_profile_package(request),
            },
            _ => self.load_bound_profile_package(request),
        }
    }
}

/// The tag at the start of a command, of one or two octets, whatever follows.
fn leading_tag(octets: &[u8]) -> Option<Tag> {
    match octets {
        [first, second, ..] if first & 0x1F == 0x1F => Some(Tag(u32::from(*first) << 8 | u32::from(*second))),
        [first, ..] => Some(Tag(u32::from(*first))),
        [] => None,
    }
}
