//! Delivery of notifications to those who must have them (SGP.22 3.5).

use super::es10_client::{Es10Client, Es10Error};
use super::lpa::{Delivery, Observer};
use super::transport::ApduTransport;
use crate::client::es9plus::Es9PlusClient;
use crate::env::Clock;
use crate::ident::ServerAddress;

/// Delivers the notifications that wait on the card: to each recipient one after the other in rising order, removed as soon
/// as the recipient has taken it; a recipient that fails is not asked again. `only` limits it to one recipient.
///
/// # Errors
/// [`Es10Error`] if the card fails; what a server says stands in the [`Delivery`].
pub(super) async fn deliver<T: ApduTransport>(
    card: &mut Es10Client<T>,
    servers: &Es9PlusClient,
    clock: &Clock,
    only: Option<&str>,
    observer: Observer<'_>,
) -> Result<Delivery, Es10Error> {
    const FUNCTION: &str = "ES9+.HandleNotification";
    let mut delivery = Delivery::default();
    let mut failed: Vec<String> = Vec::new();
    for pending in card.list_notifications()? {
        if only.is_some_and(|only| !only.eq_ignore_ascii_case(&pending.address)) {
            continue;
        }
        if failed.contains(&pending.address) {
            delivery.kept.push((pending.seq_number, "waits for the one before it".to_owned()));
            continue;
        }
        let Some(notification) = card.retrieve_notification(pending.seq_number)? else { continue };
        let outcome = match ServerAddress::parse(&pending.address) {
            Ok(address) => {
                let start = clock.monotonic();
                let outcome = servers.handle_notification(&address, &notification).await;
                observer(FUNCTION, clock.monotonic().saturating_sub(start));
                outcome.map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok(()) => {
                card.remove_notification(pending.seq_number)?;
                delivery.sent.push(pending.seq_number);
            }
            Err(reason) => {
                delivery.kept.push((pending.seq_number, reason));
                failed.push(pending.address);
            }
        }
    }
    Ok(delivery)
}
