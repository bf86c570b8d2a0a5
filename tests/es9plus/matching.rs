//! Which order a pair of matchingId and EID may download (SGP.22 5.6.3; SGP.23 4.3.14 nominal #01 to #18, errors #8,
//! #11 to #14, #16, #17, #19 to #21): every combination over the wire, its pair, and the order's state afterwards.
//!
//! An order that is announced at an SM-DS is found like one of an activation code: its matching identifier plays the
//! EventID. What the SM-DS itself does (ES12: an event registered, and deleted with its order) is absent.

use simyard::domain::{Attempts, FinalStatus, Order, State};
use simyard::env::Timestamp;

use crate::server::euicc::{octets, otpk};
use crate::server::{Euicc, NOW, Offer, OrderOptions, TestServer};

crate::tests!(
    every_way_to_an_order_of_an_activation_code_or_event,
    every_way_to_an_order_of_the_default_address,
    an_identifier_that_no_order_has_is_refused_whatever_waits_for_the_eid,
);

/// What the order's EID is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Linked {
    /// That of the eUICC that asks.
    Own,
    /// Another one.
    Other,
    /// None.
    No,
}

/// How far the order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Confirmed,
    Released,
    DownloadedByOwn,
    DownloadedByOther,
    Installed,
    ErrorByTheUser,
    Unavailable,
    Expired,
    UsedUp,
}

const STAGES: [Stage; 9] = [
    Stage::Confirmed,
    Stage::Released,
    Stage::DownloadedByOwn,
    Stage::DownloadedByOther,
    Stage::Installed,
    Stage::ErrorByTheUser,
    Stage::Unavailable,
    Stage::Expired,
    Stage::UsedUp,
];

/// The matchingId that the LPA sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Absent,
    Empty,
    Right,
    Wrong,
}

/// The answer and the state afterwards, as the combinations of 5.6.3 have them.
fn expected(linked: Linked, stage: Stage, sent: Sent) -> (&'static str, Option<&'static str>) {
    let bound_to_other = stage == Stage::DownloadedByOther;
    let by_identifier = match sent {
        // Errors #11, #12, #13, #21.
        Sent::Wrong => return ("8.2.6/3.8", None),
        Sent::Right => true,
        Sent::Absent | Sent::Empty => false,
    };
    let is_own = match linked {
        Linked::Own => !bound_to_other,
        Linked::Other => false,
        // By its identifier anybody's; by an EID alone only once it is bound to it.
        Linked::No if by_identifier => !bound_to_other,
        Linked::No => matches!(stage, Stage::DownloadedByOwn),
    };
    match stage {
        // Used up: the identifier means nothing any more, before anybody looks at the EID.
        Stage::Installed | Stage::ErrorByTheUser | Stage::Unavailable if by_identifier => ("8.2.6/3.8", None),
        Stage::Installed | Stage::ErrorByTheUser | Stage::Unavailable => ("8.1.1/3.8", None),
        // Errors #14, #19, #20.
        _ if !is_own => ("8.1.1/3.8", None),
        // Error #8.
        Stage::Confirmed => ("8.2/1.2", None),
        // Errors #16, #17.
        Stage::Expired => ("8.8.5/4.10", Some("Error Expired")),
        Stage::UsedUp => ("8.8.5/6.4", Some("Error DownloadAttempts")),
        // Nominal #01 to #18.
        Stage::Released => ("accepted", None),
        Stage::DownloadedByOwn | Stage::DownloadedByOther => ("retry", None),
    }
}

struct Yard {
    server: TestServer,
    own: Euicc,
    other: Euicc,
    places: u32,
}

impl Yard {
    fn new() -> Self {
        let server = TestServer::start();
        server.ingest("acme", "iot", 120);
        Self { server, own: Euicc::new(0), other: Euicc::new(1), places: 0 }
    }

    fn change(&self, order: Order) -> Order {
        let store = self.server.smdp().store.clone();
        self.server.wait(store.save_with_attempts_and_tell(order, None)).unwrap()
    }

    /// An order in this situation, and its matching identifier.
    fn prepare(&mut self, is_default: bool, linked: Linked, stage: Stage) -> (Order, String) {
        self.places += 1;
        let id = if is_default { String::new() } else { format!("AC-{}", self.places) };
        let eid = match linked {
            Linked::Own => Some(self.own.eid.as_str()),
            Linked::Other => Some(self.other.eid.as_str()),
            Linked::No => None,
        };
        let hold = stage == Stage::Confirmed;
        let options = OrderOptions { eid, matching_id: Some(&id), hold, ..OrderOptions::default() };
        let order = self.server.order(options);
        // Whoever an order that got further was for.
        let holder = match (linked, stage) {
            (_, Stage::DownloadedByOther) | (Linked::Other, _) => &self.other,
            (Linked::Own | Linked::No, _) => &self.own,
        };
        let download = || -> Offer {
            let offer = self.server.authenticate(holder, Some(&id)).unwrap();
            self.server.package(holder, &offer, &otpk(1), None).unwrap();
            offer
        };
        let stored = || self.server.stored(&order.iccid);
        match stage {
            Stage::Confirmed | Stage::Released => {}
            Stage::DownloadedByOwn | Stage::DownloadedByOther => drop(download()),
            Stage::Installed => {
                let result =
                    holder.result(&octets(&download().transaction_id), &order.iccid, self.places, None);
                assert_eq!(self.server.notify(&result), 204);
            }
            Stage::ErrorByTheUser => {
                let offer = self.server.authenticate(holder, Some(&id)).unwrap();
                self.server.cancel(holder, &offer.transaction_id, 0).unwrap();
            }
            Stage::Unavailable => drop(self.change(stored().cancel(FinalStatus::Unavailable).unwrap())),
            Stage::Expired => drop(self.change(stored().reset(Some(Timestamp::from_secs(1))).unwrap())),
            Stage::UsedUp => {
                let attempts = Attempts { download: 10, confirmation: 0 };
                self.change(stored().recount(attempts).unwrap());
            }
        }
        (stored(), id)
    }

    /// What the eUICC is answered, and the state of the order then.
    fn ask(&self, order: &Order, sent: Option<&str>) -> (String, String) {
        let answer = match self.server.authenticate(&self.own, sent) {
            Ok(offer) => {
                let metadata = crate::server::euicc::from_base64(&offer.answer["profileMetadata"]);
                let bcd = order.iccid.to_bcd();
                assert!(
                    metadata.windows(bcd.len()).any(|octets| octets == bcd),
                    "the offer is of this order"
                );
                let has_key = offer.smdp_signed2.windows(2).any(|tag| tag == [0x5F, 0x49]);
                if has_key { "retry" } else { "accepted" }.to_owned()
            }
            Err(pair) => pair,
        };
        (answer, self.server.state(&order.iccid))
    }

    /// The order is out of the way of the next one.
    fn clear(&self, order: &Order) {
        let order = self.server.stored(&order.iccid);
        let order = match &order.state {
            State::Installed(_) | State::Unavailable => return,
            State::Downloaded(_) => {
                self.change(order.fail(simyard::domain::ErrorReason::Expired, NOW).unwrap())
            }
            _ => order,
        };
        self.change(order.cancel(FinalStatus::Unavailable).unwrap());
    }

    fn check(&mut self, is_default: bool, all_linked: &[Linked], all_sent: &[Sent]) {
        for linked in all_linked.iter().copied() {
            for stage in STAGES {
                if (linked, stage) == (Linked::Own, Stage::DownloadedByOther)
                    || (linked, stage) == (Linked::Other, Stage::DownloadedByOwn)
                {
                    // A linked order is bound to its EID alone.
                    continue;
                }
                for sent in all_sent.iter().copied() {
                    let (order, id) = self.prepare(is_default, linked, stage);
                    let before = self.server.state(&order.iccid);
                    let matching_id = match sent {
                        Sent::Absent => None,
                        Sent::Empty => Some(""),
                        Sent::Right => Some(id.as_str()),
                        Sent::Wrong => Some("NOBODYS"),
                    };
                    let counted = self.server.stored(&order.iccid).attempts().download;
                    let (answer, state) = self.ask(&order, matching_id);
                    let what =
                        format!("default {is_default}, EID {linked:?}, {stage:?}, matchingId {sent:?}");
                    let (pair, after) = expected(linked, stage, sent);
                    assert_eq!(answer, pair, "{what}");
                    assert_eq!(state, after.unwrap_or(&before), "{what}");
                    let counts = u32::from(["accepted", "retry"].contains(&pair));
                    let attempts = self.server.stored(&order.iccid).attempts().download;
                    assert_eq!(attempts, counted + counts, "{what}");
                    self.clear(&order);
                }
            }
        }
    }
}

fn every_way_to_an_order_of_an_activation_code_or_event() {
    let sent = [Sent::Absent, Sent::Empty, Sent::Right, Sent::Wrong];
    Yard::new().check(false, &[Linked::Own, Linked::Other, Linked::No], &sent);
}

/// Its identifier is empty, so it needs an EID. Nominal #03: after a wrong identifier the empty one goes through.
fn every_way_to_an_order_of_the_default_address() {
    let mut yard = Yard::new();
    yard.check(true, &[Linked::Own, Linked::Other], &[Sent::Absent, Sent::Empty, Sent::Wrong]);
    let (order, _) = yard.prepare(true, Linked::Own, Stage::Released);
    assert_eq!(yard.ask(&order, Some("NOBODYS")).0, "8.2.6/3.8");
    assert_eq!(yard.ask(&order, Some("")).0, "accepted");
}

fn an_identifier_that_no_order_has_is_refused_whatever_waits_for_the_eid() {
    let mut yard = Yard::new();
    assert_eq!(yard.server.authenticate(&yard.own, Some("NOBODYS")).unwrap_err(), "8.2.6/3.8");
    assert_eq!(yard.server.authenticate(&yard.own, None).unwrap_err(), "8.1.1/3.8");
    let (linked, id) = yard.prepare(false, Linked::Own, Stage::Released);
    for wrong in ["NOBODYS", &id.to_lowercase(), &format!("{id} "), &format!("{id}X")] {
        assert_eq!(
            yard.ask(&linked, Some(wrong)),
            ("8.2.6/3.8".to_owned(), "Released".to_owned()),
            "{wrong}"
        );
    }
}
