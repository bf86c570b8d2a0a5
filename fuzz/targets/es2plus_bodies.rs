//! The JSON bodies of ES2+: what is read, is written as the same value.

#![no_main]

use simyard::binding::{Members, RequestHeader, es2plus, read_answer};
use simyard_fuzz::bodies::{self, round_trip};

simyard_fuzz::target!(seeds: bodies::es2plus(), |input| {
    let _ = read_answer(input);
    let Ok(members) = Members::read(input) else { return };
    let _ = RequestHeader::read(&members);
    round_trip::<es2plus::DownloadOrderRequest>(&members);
    round_trip::<es2plus::DownloadOrderResponse>(&members);
    round_trip::<es2plus::ConfirmOrderRequest>(&members);
    round_trip::<es2plus::ConfirmOrderResponse>(&members);
    round_trip::<es2plus::CancelOrderRequest>(&members);
    round_trip::<es2plus::ReleaseProfileRequest>(&members);
    round_trip::<es2plus::HandleDownloadProgressInfoRequest>(&members);
});
