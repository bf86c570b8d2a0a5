//! EnableProfileRequest, DisableProfileRequest, and responses that are a result alone.

#![no_main]

use simyard_asn1::rsp::card::{ProfileIdentifier, SwitchProfileRequest, read_result, result_response, tag};

fn seeds() -> Vec<Vec<u8>> {
    let request = SwitchProfileRequest { profile: ProfileIdentifier::Iccid(&[0x98; 10]), refresh: true };
    vec![
        request.to_der(tag::ENABLE_PROFILE),
        request.to_der(tag::DISABLE_PROFILE),
        result_response(tag::ENABLE_PROFILE, 127),
    ]
}

simyard_fuzz::target!(seeds: seeds(), |input| {
    for tag in [tag::ENABLE_PROFILE, tag::DISABLE_PROFILE] {
        if let Ok(request) = SwitchProfileRequest::from_der(tag, input) {
            let der = request.to_der(tag);
            assert_eq!(SwitchProfileRequest::from_der(tag, &der), Ok(request));
        }
        if let Ok(result) = read_result(tag, input) {
            assert_eq!(read_result(tag, &result_response(tag, result)), Ok(result));
        }
    }
});
