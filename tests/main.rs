//! The integration tests: one binary, its files named after what they test.
//!
//! Each file lists its tests in [`tests!`]; a test that is written but not listed is dead code, which the lints deny.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    unreachable_pub,
    reason = "tests may fail loudly"
)]

mod harness;
mod postgres;

mod abuse;
mod admin_api;
mod arrows;
mod asn1;
mod bench;
mod binary;
mod callbacks;
mod cli;
mod conformance;
mod conformance_iot;
mod content;
mod crypto;
mod device;
mod device_caller;
mod eim;
mod es2plus;
mod es9plus;
mod esipa;
mod esipa_codes;
mod examples;
mod faults;
mod formats;
mod general_codes;
mod ingest;
mod inventory;
mod listener;
mod metrics;
mod notifications;
mod personalise;
mod pki;
mod profile;
mod reachable;
mod recording;
mod server;
mod sgp26;
mod simulation;
mod status;
mod store;
mod strangers;
mod tidy;
mod webhooks;

fn main() -> std::process::ExitCode {
    let ended = harness::run(&[
        abuse::TESTS,
        admin_api::TESTS,
        admin_api::campaigns::TESTS,
        admin_api::labels::TESTS,
        admin_api::changes::TESTS,
        admin_api::operations::TESTS,
        admin_api::stock::TESTS,
        admin_api::webhooks::TESTS,
        arrows::TESTS,
        asn1::TESTS,
        bench::TESTS,
        callbacks::TESTS,
        cli::TESTS,
        cli::admin::TESTS,
        cli::audit::TESTS,
        cli::callbacks::TESTS,
        cli::campaign::TESTS,
        cli::card::TESTS,
        cli::card_eim::TESTS,
        cli::doctor::TESTS,
        cli::eim::TESTS,
        cli::inventory::TESTS,
        cli::ipa::TESTS,
        cli::label::TESTS,
        cli::order::TESTS,
        cli::personalise::TESTS,
        cli::pools::TESTS,
        cli::profile::TESTS,
        cli::sub_class::TESTS,
        cli::simulate::TESTS,
        cli::stock::TESTS,
        cli::switch::TESTS,
        cli::webhook::TESTS,
        conformance::TESTS,
        conformance::authenticate_client::TESTS,
        conformance::brainpool::TESTS,
        conformance::cancel_session::TESTS,
        conformance::es2plus::TESTS,
        conformance::es8plus::TESTS,
        conformance::get_bound_profile_package::TESTS,
        conformance::handle_notification::TESTS,
        conformance::initiate_authentication::TESTS,
        conformance::tls::TESTS,
        conformance_iot::TESTS,
        conformance_iot::brought::TESTS,
        conformance_iot::commands::TESTS,
        conformance_iot::downloads::TESTS,
        conformance_iot::end_to_end::TESTS,
        conformance_iot::polls::TESTS,
        conformance_iot::results::TESTS,
        content::TESTS,
        crypto::TESTS,
        device::TESTS,
        device::iot_functions::TESTS,
        device::iot_packages::TESTS,
        device_caller::TESTS,
        device::ipa::TESTS,
        device::ipa_alone::TESTS,
        device::ipa_listens::TESTS,
        device::lpa::TESTS,
        device::management::TESTS,
        device::refusals::TESTS,
        device::usim::TESTS,
        device::vpcd::TESTS,
        eim::ecos::TESTS,
        eim::campaigns::TESTS,
        eim::foreign::TESTS,
        eim::keys::TESTS,
        eim::killed::TESTS,
        eim::laboratory::TESTS,
        eim::listening::TESTS,
        eim::notifications::TESTS,
        eim::operations::TESTS,
        eim::report::TESTS,
        eim::relay::TESTS,
        eim::results::TESTS,
        eim::switch::TESTS,
        es2plus::TESTS,
        es2plus::client::TESTS,
        es9plus::TESTS,
        es9plus::asn1::TESTS,
        es9plus::authenticate_client::TESTS,
        es9plus::cancel_session::TESTS,
        es9plus::curves::TESTS,
        eim::forward::TESTS,
        es9plus::eligibility::TESTS,
        es9plus::failures::TESTS,
        es9plus::get_bound_profile_package::TESTS,
        es9plus::handle_notification::TESTS,
        es9plus::initiate_authentication::TESTS,
        es9plus::matching::TESTS,
        esipa::TESTS,
        esipa_codes::TESTS,
        examples::TESTS,
        faults::TESTS,
        formats::TESTS,
        formats::transport_keys::TESTS,
        general_codes::TESTS,
        ingest::TESTS,
        inventory::TESTS,
        inventory::export::TESTS,
        inventory::killed::TESTS,
        listener::TESTS,
        metrics::TESTS,
        notifications::TESTS,
        personalise::TESTS,
        pki::TESTS,
        profile::TESTS,
        profile::description::TESTS,
        profile::large::TESTS,
        profile::lint::TESTS,
        profile::multi_imsi::TESTS,
        profile::diff::TESTS,
        profile::show::TESTS,
        profile::tree::TESTS,
        reachable::TESTS,
        recording::TESTS,
        sgp26::TESTS,
        simulation::TESTS,
        status::TESTS,
        store::TESTS,
        store::audit::TESTS,
        store::batches::TESTS,
        store::allocations::TESTS,
        store::callbacks::TESTS,
        store::forwarded::TESTS,
        store::operations::TESTS,
        store::device_certificates::TESTS,
        store::labels::TESTS,
        store::orders::TESTS,
        store::pools::TESTS,
        store::stock::TESTS,
        store::webhooks::TESTS,
        strangers::TESTS,
        tidy::TESTS,
        webhooks::TESTS,
    ]);
    postgres::stop();
    ended
}
