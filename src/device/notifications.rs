//! Notifications on the card: making, listing, handing out and removing them (SGP.22 3.5, 5.7.9 to 5.7.11).

use simyard_asn1::iot::card::RetrieveNotificationsListResponse;
use simyard_asn1::rsp::SIGNATURE;
use simyard_asn1::rsp::card::{
    NotificationFilter, RetrieveNotificationsListRequest, removal_result, result_response, tag,
};
use simyard_asn1::rsp::metadata::StoreMetadataRequest;
use simyard_asn1::rsp::notification::{NotificationMetadata, PendingNotification};
use simyard_asn1::tlv::{Decode, Encode, NamedBits, Tag, Writer};

use super::apdu::StatusWord;
use super::card::{Card, Credential};
use super::es10::{malformed, request_members};
use super::state::{CardState, MAX_NOTIFICATIONS, NotificationRecord};

/// Takes the next seqNumber.
pub(super) const fn next_seq_number(state: &mut CardState) -> u32 {
    let number = state.next_seq_number;
    state.next_seq_number = number.saturating_add(1);
    number
}

/// Keeps a notification; the lowest number goes where there is no room.
pub(super) fn keep(state: &mut CardState, record: NotificationRecord) {
    if state.notifications.len() >= MAX_NOTIFICATIONS {
        state.notifications.remove(0);
    }
    state.notifications.push(record);
}

/// Makes the notifications of an event: one for each address that the profile's metadata name for it, signed each by
/// itself. `told` has had the same news by another message: of an installation, the SM-DP+ that delivered it.
pub(super) fn notify(
    credential: &Credential,
    state: &mut CardState,
    metadata: &[u8],
    event: u32,
    told: Option<&str>,
) -> Result<(), StatusWord> {
    let metadata = StoreMetadataRequest::from_der(metadata).map_err(|error| malformed(&error))?;
    for recipient in metadata.notification_configurations.iter().filter(|to| to.events.has(event)) {
        if told.is_some_and(|told| told.eq_ignore_ascii_case(recipient.address)) {
            continue;
        }
        let seq_number = next_seq_number(state);
        let tbs = NotificationMetadata {
            seq_number,
            operation: NamedBits::bit(event),
            address: recipient.address,
            iccid: Some(metadata.iccid),
        }
        .to_der();
        let signature = credential.sign(&tbs)?;
        let mut writer = Writer::new();
        writer.nested(Tag::SEQUENCE, |members| {
            members
                .raw(&tbs)
                .tlv(SIGNATURE, &signature)
                .raw(credential.euicc_certificate.der())
                .raw(credential.eum_certificate.der());
        });
        keep(state, NotificationRecord { seq_number, event, der: writer.finish() });
    }
    Ok(())
}

/// A response with `A0` around the chosen notifications.
fn list(tag: Tag, members: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.nested(tag, |choice| {
        choice.nested(Tag(0xA0), members);
    });
    writer.finish()
}

impl Card {
    pub(super) fn list_notification(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        const WHAT: &str = "ListNotificationRequest";
        let events = request_members(request, tag::LIST_NOTIFICATION, WHAT)
            .and_then(|mut members| members.optional(Tag(0x81))?.map(|tlv| tlv.named_bits(WHAT)).transpose())
            .map_err(|error| malformed(&error))?;
        Ok(list(tag::LIST_NOTIFICATION, |entries| {
            let chosen = self.state.notifications.iter();
            for record in chosen.filter(|record| events.is_none_or(|events| events.has(record.event))) {
                if let Ok(pending) = PendingNotification::from_der(&record.der) {
                    entries.value(pending.metadata());
                }
            }
        }))
    }

    pub(super) fn retrieve_notifications_list(&self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let request =
            RetrieveNotificationsListRequest::from_der(request).map_err(|error| malformed(&error))?;
        let chosen = |record: &&NotificationRecord| match request.filter {
            NotificationFilter::All => true,
            NotificationFilter::SeqNumber(number) => record.seq_number == number,
            NotificationFilter::Events(events) => events.has(record.event),
            NotificationFilter::EuiccPackageResults => false,
        };
        if let (NotificationFilter::EuiccPackageResults, Some(iot)) = (request.filter, &self.state.iot) {
            let results = iot.results.iter().map(|record| record.der.as_slice()).collect();
            return Ok(RetrieveNotificationsListResponse::EuiccPackageResults(results).to_der());
        }
        Ok(list(tag::RETRIEVE_NOTIFICATIONS_LIST, |entries| {
            for record in self.state.notifications.iter().filter(chosen) {
                entries.raw(&record.der);
            }
        }))
    }

    pub(super) fn remove_notification_from_list(&mut self, request: &[u8]) -> Result<Vec<u8>, StatusWord> {
        const WHAT: &str = "NotificationSentRequest";
        let number = request_members(request, tag::REMOVE_NOTIFICATION_FROM_LIST, WHAT)
            .and_then(|mut members| members.expect(Tag(0x80))?.unsigned(WHAT))
            .map_err(|error| malformed(&error))?;
        let mut state = self.state.clone();
        state.notifications.retain(|record| record.seq_number != number);
        if let Some(iot) = &mut state.iot {
            // Results and notifications share their numbers.
            iot.remove_result(number);
        }
        let result = if state == self.state {
            removal_result::NOTHING_TO_DELETE
        } else {
            self.commit(state)?;
            removal_result::OK
        };
        Ok(result_response(tag::REMOVE_NOTIFICATION_FROM_LIST, result))
    }
}
