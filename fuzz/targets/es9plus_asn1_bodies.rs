//! The DER bodies of ES9+: what is read, is written as the same value.

#![no_main]

use simyard::binding::es9plus;
use simyard_asn1::rsp::es9plus::{Envelope, Function};
use simyard_fuzz::Decode as _;
use simyard_fuzz::bodies::{self, answer_round_trip, request_round_trip};

simyard_fuzz::target!(seeds: bodies::es9plus_asn1(), |input| {
    let Ok(Envelope { function, message }) = Envelope::from_der(input) else { return };
    match function {
        Function::InitiateAuthentication => {
            request_round_trip::<es9plus::InitiateAuthenticationRequest>(message);
            answer_round_trip::<es9plus::InitiateAuthenticationResponse>(message);
        }
        Function::AuthenticateClient => {
            request_round_trip::<es9plus::AuthenticateClientRequest>(message);
            answer_round_trip::<es9plus::AuthenticateClientResponse>(message);
        }
        Function::GetBoundProfilePackage => {
            request_round_trip::<es9plus::GetBoundProfilePackageRequest>(message);
            answer_round_trip::<es9plus::GetBoundProfilePackageResponse>(message);
        }
        Function::CancelSession => {
            request_round_trip::<es9plus::CancelSessionRequest>(message);
            answer_round_trip::<es9plus::CancelSessionResponse>(message);
        }
        Function::HandleNotification => request_round_trip::<es9plus::HandleNotificationRequest>(message),
    }
});
