//! `simyard es2plus`: orders as an operator places them.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{self, line};
use super::qr;
use crate::app;
use crate::binding::RequestHeader;
use crate::binding::es2plus::{
    CancelOrderRequest, ConfirmOrderRequest, DownloadOrderRequest, FinalProfileStatus, ReleaseProfileRequest,
};
use crate::client::ConnectTo;
use crate::client::es2plus::Es2PlusClient;
use crate::crypto::keyfile::{load_certificates, load_signing_key};
use crate::env::{Clock, Rng};
use crate::ident::{ActivationCode, Eid, Iccid, MatchingId, ServerAddress};
use crate::pki::tls::{ServerVerifier, TlsIdentity, client_config};

/// Order profiles as an operator, over ES2+ with mutual TLS.
#[derive(Args)]
pub struct Es2PlusArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Es2PlusCommand,
}

#[derive(Args)]
struct Connection {
    /// Where the SM-DP+ serves ES2+: HOST, or HOST:PORT.
    #[arg(long, value_name = "HOST[:PORT]", default_value = "localhost:8444", global = true)]
    server: ServerAddress,
    /// The CI certificate under which the server's TLS certificate lies.
    #[arg(long, value_name = "FILE", default_value = "pki/ci.pem", global = true)]
    ca: PathBuf,
    /// The operator's client certificate.
    #[arg(long, value_name = "FILE", default_value = "pki/operator.pem", global = true)]
    cert: PathBuf,
    /// Its private key.
    #[arg(long, value_name = "FILE", default_value = "pki/operator.key.pem", global = true)]
    key: PathBuf,
    /// Where to find a host that DNS does not know.
    #[arg(long, value_name = "HOST=ADDR:PORT", global = true)]
    connect_to: Vec<ConnectTo>,
    /// functionRequesterIdentifier of the calls.
    #[arg(long, value_name = "TEXT", default_value = "simyard", global = true)]
    requester: String,
    /// functionCallIdentifier of the call; drawn at random if absent.
    #[arg(long, value_name = "TEXT", global = true)]
    call_id: Option<String>,
    /// Print the answer as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Es2PlusCommand {
    /// Reserve a profile, by ICCID or by type (ES2+.DownloadOrder).
    DownloadOrder {
        /// The profile.
        #[arg(long, value_name = "DIGITS", required_unless_present = "profile_type")]
        iccid: Option<Iccid>,
        /// Any available profile of this type.
        #[arg(long, value_name = "NAME")]
        profile_type: Option<String>,
        /// The eUICC that is to get it.
        #[arg(long, value_name = "DIGITS")]
        eid: Option<Eid>,
    },
    /// Assign a matching identifier and release the profile (ES2+.ConfirmOrder). Prints the activation code.
    ConfirmOrder {
        /// The profile.
        #[arg(long, value_name = "DIGITS")]
        iccid: Iccid,
        /// The eUICC that is to get it.
        #[arg(long, value_name = "DIGITS")]
        eid: Option<Eid>,
        /// The matching identifier; the server draws one if it is absent. Empty: by default SM-DP+ address.
        #[arg(long, value_name = "TEXT")]
        matching_id: Option<MatchingId>,
        /// The code that the user will be asked for.
        #[arg(long, value_name = "TEXT")]
        confirmation_code: Option<String>,
        /// The SM-DS that is to announce the order.
        #[arg(long, value_name = "HOST")]
        smds_address: Option<ServerAddress>,
        /// Leave the profile unreleased; `release-profile` follows.
        #[arg(long)]
        hold: bool,
    },
    /// Take an order back (ES2+.CancelOrder).
    CancelOrder {
        /// The profile.
        #[arg(long, value_name = "DIGITS")]
        iccid: Iccid,
        /// The eUICC, if the order names one.
        #[arg(long, value_name = "DIGITS")]
        eid: Option<Eid>,
        /// The matching identifier, if the order has one.
        #[arg(long, value_name = "TEXT")]
        matching_id: Option<MatchingId>,
        /// What becomes of the profile: `Available` or `Unavailable`.
        #[arg(long, value_name = "STATUS", default_value = "Available")]
        final_status: FinalProfileStatus,
    },
    /// Release a confirmed order (ES2+.ReleaseProfile).
    ReleaseProfile {
        /// The profile.
        #[arg(long, value_name = "DIGITS")]
        iccid: Iccid,
    },
}

/// Runs `simyard es2plus`.
///
/// # Errors
/// Files that cannot be used, a server that cannot be reached, or the status with which it refused.
pub async fn run(args: Es2PlusArgs) -> anyhow::Result<()> {
    let connection = args.connection;
    let client = client(&connection)?;
    let header = RequestHeader {
        function_requester_identifier: connection.requester.clone(),
        function_call_identifier: connection
            .call_id
            .clone()
            .unwrap_or_else(|| hex::encode_upper(Rng::system().array::<8>())),
    };
    match args.command {
        Es2PlusCommand::DownloadOrder { iccid, profile_type, eid } => {
            let answer =
                client.download_order(&DownloadOrderRequest { header, eid, iccid, profile_type }).await?;
            print(&connection, json!({ "iccid": answer.iccid }), &format!("reserved {}", answer.iccid));
        }
        Es2PlusCommand::ConfirmOrder { iccid, eid, matching_id, confirmation_code, smds_address, hold } => {
            let confirmation_code_required = confirmation_code.is_some();
            let release_flag = !hold;
            let request = ConfirmOrderRequest {
                header,
                iccid,
                eid,
                matching_id,
                confirmation_code,
                smds_address,
                release_flag,
            };
            let answer = client.confirm_order(&request).await?;
            // Without smdpAddress the eUICC's default one is meant, which only the operator knows; the address of ES2+
            // is none that an LPA could use.
            let code = answer.smdp_address.clone().map(|address| ActivationCode {
                address,
                matching_id: answer.matching_id.clone(),
                smdp_oid: None,
                confirmation_code_required,
            });
            let text = confirmed(code.as_ref(), &answer.matching_id);
            let value = json!({
                "matchingId": answer.matching_id,
                "eid": answer.eid,
                "smdpAddress": answer.smdp_address,
                "activationCode": code,
            });
            print(&connection, value, &text);
        }
        Es2PlusCommand::CancelOrder { iccid, eid, matching_id, final_status } => {
            let request = CancelOrderRequest {
                header,
                iccid: iccid.clone(),
                eid,
                matching_id,
                final_profile_status_indicator: Some(final_status),
            };
            client.cancel_order(&request).await?;
            print(&connection, json!({ "iccid": iccid }), &format!("cancelled the order of {iccid}"));
        }
        Es2PlusCommand::ReleaseProfile { iccid } => {
            client.release_profile(&ReleaseProfileRequest { header, iccid: iccid.clone() }).await?;
            print(&connection, json!({ "iccid": iccid }), &format!("released {iccid}"));
        }
    }
    Ok(())
}

/// What a confirmed order is told with: the activation code, or what there is of one.
fn confirmed(code: Option<&ActivationCode>, matching_id: &MatchingId) -> String {
    match code {
        Some(code) if matching_id.is_empty() => {
            format!("confirmed for the default SM-DP+ address {}", code.address)
        }
        Some(code) => format!("{}\n{code}", qr::terminal(&code.to_string()).unwrap_or_default()),
        None if matching_id.is_empty() => "confirmed for the default SM-DP+ address".to_owned(),
        None => format!(
            "confirmed with matching identifier {matching_id}; the server names no address, so the activation code \
             is LPA:1$ADDRESS${matching_id} with the SM-DP+ address of ES9+"
        ),
    }
}

fn print(connection: &Connection, value: serde_json::Value, text: &str) {
    if connection.json {
        output::json(&value);
    } else {
        line(text);
    }
}

fn client(connection: &Connection) -> anyhow::Result<Es2PlusClient> {
    let anchors = Arc::new(app::anchors_of(&connection.ca)?);
    let identity =
        TlsIdentity::new(load_certificates(&connection.cert)?, Arc::new(load_signing_key(&connection.key)?))?;
    let verifier = Arc::new(ServerVerifier::new(anchors, Clock::system()));
    let tls = client_config(verifier, Some(&identity))?;
    Ok(Es2PlusClient::new(tls, connection.server.clone(), &connection.connect_to)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_activation_code_has_the_address_of_the_answer_or_there_is_none() {
        let token = MatchingId::parse("TOKEN").unwrap();
        let code = |matching_id: &MatchingId| ActivationCode {
            address: "dp.example.com".parse().unwrap(),
            matching_id: matching_id.clone(),
            smdp_oid: None,
            confirmation_code_required: false,
        };
        assert!(confirmed(Some(&code(&token)), &token).ends_with("\nLPA:1$dp.example.com$TOKEN"));
        let text = confirmed(None, &token);
        assert!(text.contains("TOKEN") && text.contains("no address") && !text.contains('█'), "{text}");
        let none = MatchingId::parse("").unwrap();
        assert!(confirmed(Some(&code(&none)), &none).ends_with("dp.example.com"));
        assert_eq!(confirmed(None, &none), "confirmed for the default SM-DP+ address");
    }
}
