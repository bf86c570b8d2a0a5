//! What the devices of a benchmark download: subscriptions of one batch, ordered and released, and an eUICC of its own
//! for each download, so that no server can live off what it remembers of one eUICC.

use tokio::task::JoinSet;

use super::{BenchError, batch};
use crate::binding::RequestHeader;
use crate::binding::es2plus::{ConfirmOrderRequest, DownloadOrderRequest};
use crate::device::state::{CredentialMaterial, Material};
use crate::domain::{Operator, ProfileType};
use crate::env::{Clock, Rng};
use crate::ident::{Eid, Iccid, MatchingId};
use crate::inventory::{Delivery, Inventory};
use crate::pki::test_pki::TestPki;
use crate::smdp::confirm_order::confirm_order;
use crate::smdp::download_order::download_order;
use crate::smdp::orders::{Caller, Orders};

/// Orders that are placed at a time.
const ORDERS_AT_A_TIME: usize = 64;

/// One download to be made.
pub struct Job {
    /// What to ask the server for.
    pub matching_id: MatchingId,
    /// Who asks.
    pub euicc: Material,
}

/// Delivers a batch of `count` subscriptions, at most [`super::MAX_ORDERS`], and orders and releases each.
///
/// # Errors
/// What inventory or ES2+ refuse.
pub async fn release_batch(
    inventory: &Inventory,
    orders: &Orders,
    delivery: &Delivery,
    count: usize,
) -> Result<Vec<MatchingId>, BenchError> {
    let template = delivery.template.as_ref().ok_or(BenchError::NoTemplate)?;
    let profiles = batch::profiles(template, count, &inventory.rng)?;
    let file = zeroize::Zeroizing::new(batch::to_csv(&profiles, template).into_bytes());
    let iccids: Vec<&Iccid> = profiles.iter().map(|data| &data.iccid).collect();
    inventory.ingest_csv(std::io::Cursor::new(file), delivery).await?;
    let mut released = Vec::with_capacity(count);
    for group in iccids.chunks(ORDERS_AT_A_TIME) {
        let mut placed = JoinSet::new();
        for iccid in group {
            let (orders, delivery, iccid) = (orders.clone(), delivery.clone(), Iccid::clone(iccid));
            placed
                .spawn(async move { release(&orders, &delivery.owner, delivery.profile_type, iccid).await });
        }
        while let Some(matching_id) = placed.join_next().await {
            released.push(matching_id.map_err(|_| BenchError::Thread)??);
        }
    }
    Ok(released)
}

async fn release(
    orders: &Orders,
    owner: &Operator,
    profile_type: ProfileType,
    iccid: Iccid,
) -> Result<MatchingId, BenchError> {
    let header = RequestHeader {
        function_requester_identifier: owner.as_str().to_owned(),
        function_call_identifier: iccid.to_string(),
    };
    let request = DownloadOrderRequest {
        header: header.clone(),
        eid: None,
        iccid: Some(iccid),
        profile_type: Some(profile_type.as_str().to_owned()),
    };
    let caller = Caller::local(owner.clone());
    let iccid = download_order(orders, &caller, &request).await?.iccid;
    let request = ConfirmOrderRequest {
        header,
        iccid,
        eid: None,
        matching_id: None,
        confirmation_code: None,
        smds_address: None,
        release_flag: true,
    };
    Ok(confirm_order(orders, &caller, &request).await?.matching_id)
}

/// Chooses `count` of the orders, in random order, since devices ask in no order either, and issues an eUICC for each.
///
/// # Errors
/// What the test PKI refuses.
pub fn issue_euiccs(
    pki: &TestPki,
    mut released: Vec<MatchingId>,
    count: usize,
    clock: &Clock,
    rng: &Rng,
) -> Result<Vec<Job>, BenchError> {
    shuffle(&mut released, rng);
    released.truncate(count);
    let issuer = pki.eum_issuer()?;
    let range = pki.euicc.certificate.serial_number().and_then(|eid| eid.get(..8)).unwrap_or_default();
    let euicc = |(number, matching_id)| {
        let eid = Eid::with_check_digits(&format!("{range}{number:022}"))?;
        let issued = issuer.issue_euicc(&eid, rng, clock.now())?;
        let euicc = Material {
            credentials: vec![CredentialMaterial {
                euicc_key: issued.key.to_pkcs8_der()?,
                euicc_certificate: issued.certificate.der().to_vec(),
                eum_certificate: pki.eum.certificate.der().to_vec(),
            }],
            ci_certificates: vec![pki.ci.certificate.der().to_vec()],
        };
        Ok(Job { matching_id, euicc })
    };
    released.into_iter().enumerate().map(euicc).collect()
}

/// Every order of the elements is as likely as any other, but for what the remainder prefers, which is nothing here.
fn shuffle<T>(elements: &mut [T], rng: &Rng) {
    for last in (1..elements.len()).rev() {
        let other = usize::from_be_bytes(rng.array()) % (last + 1);
        elements.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_elements_are_the_same_in_another_order() {
        let ordered: Vec<u32> = (0..100).collect();
        let mut shuffled = ordered.clone();
        shuffle(&mut shuffled, &Rng::seeded(1));
        assert_ne!(shuffled, ordered);
        shuffled.sort_unstable();
        assert_eq!(shuffled, ordered);
        shuffle::<u32>(&mut [], &Rng::seeded(1));
    }
}
