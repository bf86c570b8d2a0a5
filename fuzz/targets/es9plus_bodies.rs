//! The JSON bodies of ES9+: what is read, is written as the same value.

#![no_main]

use simyard::binding::{Members, es9plus, read_answer};
use simyard_fuzz::bodies::{self, round_trip};

simyard_fuzz::target!(seeds: bodies::es9plus(), |input| {
    let _ = read_answer(input);
    let Ok(members) = Members::read(input) else { return };
    round_trip::<es9plus::InitiateAuthenticationRequest>(&members);
    round_trip::<es9plus::InitiateAuthenticationResponse>(&members);
    round_trip::<es9plus::AuthenticateClientRequest>(&members);
    round_trip::<es9plus::AuthenticateClientResponse>(&members);
    round_trip::<es9plus::GetBoundProfilePackageRequest>(&members);
    round_trip::<es9plus::GetBoundProfilePackageResponse>(&members);
    round_trip::<es9plus::HandleNotificationRequest>(&members);
    round_trip::<es9plus::CancelSessionRequest>(&members);
});
