//! The procedures of an IoT profile assistant: polling, executing what an eIM asks, reporting (SGP.32 3.1 to 3.5, 3.8).
//!
//! | module | what | clause |
//! |---|---|---|
//! | `package` | eUICC packages, and the way back where a result cannot be delivered | 3.3.1, 3.4.1 |
//! | `download` | profiles, from the SM-DP+ itself or through the eIM | 3.2.3 |
//! | `data` | what the eIM asks of device and eUICC | 2.11.2 |
//! | `inject` | packages that the eIM brings by itself | 3.1.1.2, 5.14.4 |
//! | `report` | results and notifications, until somebody has them | 3.1.1.1, 3.3.1 |
//! | `trust` | which eIM of the eUICC is called, and by what it is known | 2.11.1.1 |
//!
//! The IPA reaches a card through APDUs alone ([`Es10Client`]), an eIM over ESipa and an SM-DP+ over ES9+ alone. It keeps
//! nothing: results and notifications wait on the card until they are acknowledged, so an IPA that starts anew goes on where
//! the last one was. Nothing here sleeps; pauses are asked of a [`Pause`].

mod data;
mod download;
mod inject;
mod package;
mod report;
mod trust;

pub use inject::{Then, Transferred};
pub use trust::{Caller, TlsTrust, caller, tls_trust};

use std::fmt;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::time::Duration;

use simyard_asn1::Error;
use simyard_asn1::iot::EimTransactionId;
use simyard_asn1::iot::configuration::GetEimConfigurationDataResponse;
use simyard_asn1::iot::esipa::{
    EimPackage, EimPackageError, GetEimPackageRequest, GetEimPackageResponse, StateChangeCause,
};
use simyard_asn1::tlv::Decode as _;

use super::es10_client::{Es10Client, Es10Error};
use super::lpa::Observer;
use super::transport::ApduTransport;
use crate::binding::esipa::EsipaCode;
use crate::client::ClientError;
use crate::client::es9plus::Es9PlusClient;
use crate::client::esipa::EsipaClient;
use crate::env::Clock;
use crate::ident::{Eid, Iccid, InvalidIdentifier};

/// Whether the device has a network.
pub trait Network: fmt::Debug + Send {
    /// Whether anything can be reached with this profile enabled, or with none.
    fn reaches(&mut self, enabled: Option<&Iccid>) -> bool;
}

/// A network that is there whatever profile is enabled: that of a device which has one of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everywhere;

impl Network for Everywhere {
    fn reaches(&mut self, _: Option<&Iccid>) -> bool {
        true
    }
}

/// A network that is lost while one of these profiles is enabled.
#[derive(Clone, Debug, Default)]
pub struct LostOn(pub Vec<Iccid>);

impl Network for LostOn {
    fn reaches(&mut self, enabled: Option<&Iccid>) -> bool {
        enabled.is_none_or(|iccid| !self.0.contains(iccid))
    }
}

/// A pause that is on its way.
pub type Pausing<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Lets time pass.
pub trait Pause: fmt::Debug + Send + Sync {
    /// Ends after that time.
    fn pause(&self, time: Duration) -> Pausing<'_>;
}

/// Which way profiles are downloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DownloadWay {
    /// As the eIM's configuration data on the eUICC say.
    #[default]
    AsConfigured,
    /// From the SM-DP+ itself (3.2.3.1).
    Direct,
    /// Through the eIM (3.2.3.2).
    Indirect,
}

/// Whether an eIM may bring packages by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Injection {
    /// The device polls.
    #[default]
    None,
    /// The device listens on HTTPS (3.1.1.2).
    Https,
}

/// What a device decides for itself.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often the delivery of a result is tried. SGP.32 leaves it to the IPA.
    pub delivery_attempts: NonZeroU32,
    /// How long these attempts take in all: after this time without delivery the IPA goes back.
    pub rollback_after: Duration,
    /// Which way profiles are downloaded.
    pub download: DownloadWay,
    /// Whether profiles with policy rules are installed.
    pub accept_policy_rules: bool,
    /// The device's IMEI: eight octets.
    pub imei: Option<[u8; 8]>,
    /// rPLMN: the network that the device is registered in; told where the last poll told another one.
    pub r_plmn: Option<[u8; 3]>,
    /// Whether the eIM may bring packages by itself, as the IPA's capabilities say.
    pub injection: Injection,
}

impl Default for Settings {
    /// Three attempts in five minutes.
    fn default() -> Self {
        Self {
            delivery_attempts: NonZeroU32::new(3).unwrap_or(NonZeroU32::MIN),
            rollback_after: Duration::from_secs(5 * 60),
            download: DownloadWay::default(),
            accept_policy_rules: false,
            imei: None,
            r_plmn: None,
            injection: Injection::None,
        }
    }
}

/// Why a procedure of the IPA did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum IpaError {
    /// The card failed or refused.
    #[error(transparent)]
    Card(#[from] Es10Error),
    /// The device has no network.
    #[error("no network with {}", enabled.as_ref().map_or("no profile enabled".to_owned(), |iccid| format!("profile {iccid}")))]
    NoNetwork {
        /// The enabled profile.
        enabled: Option<Iccid>,
    },
    /// The eIM could not be called.
    #[error("{function}: {error}")]
    Eim {
        /// The function of ESipa.
        function: &'static str,
        /// What happened.
        error: ClientError,
    },
    /// The eIM answered with an error.
    #[error("the eIM answered {function} with {code}")]
    Refused {
        /// The function of ESipa.
        function: &'static str,
        /// Its error.
        code: EsipaCode,
    },
    /// What the card says cannot be read.
    #[error("the card's {0}")]
    Answer(#[from] Error),
    /// An identifier of the card cannot be used.
    #[error(transparent)]
    Identifier(#[from] InvalidIdentifier),
}

/// What became of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// The eIM has nothing for this eUICC.
    Nothing,
    /// A package was executed.
    Executed(Executed),
}

/// What became of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Executed {
    /// The eUICC ran it, and the eIM has the result.
    EuiccPackage,
    /// The eUICC ran it, its result could not be delivered, and the device went back to the profile of before; the eIM has
    /// that result.
    RolledBack,
    /// The eIM has the data.
    Data,
    /// The profile was installed, and the eIM has the report.
    Installed,
    /// It could not be executed, and the eIM knows why: a sentence for people.
    Failed(String),
}

/// A card, its eIM, and the way to servers.
#[derive(Debug)]
pub struct Ipa<T> {
    card: Es10Client<T>,
    eim: EsipaClient,
    servers: Es9PlusClient,
    around: Surroundings,
    settings: Settings,
    eid: Eid,
    association: Association,
    state_change: Option<StateChangeCause>,
    /// Whether an emergency call is under way that this IPA began.
    in_emergency: bool,
    /// The rPLMN that a poll told last.
    told_r_plmn: Option<[u8; 3]>,
    /// The trigger that the eIM brought last, once it has the result.
    brought: Option<EimTransactionId>,
}

/// What stands around an IPA.
#[derive(Debug)]
pub struct Surroundings {
    /// Whether anything can be reached.
    pub network: Box<dyn Network>,
    /// Lets time pass between attempts.
    pub pauses: Box<dyn Pause>,
    /// How long steps take.
    pub clock: Clock,
}

/// What the eUICC knows of the eIM that is called.
#[derive(Clone, Debug, Default)]
struct Association {
    eim_id: Option<String>,
    token: Option<i64>,
    indirect: bool,
}

impl<T: ApduTransport> Ipa<T> {
    /// An IPA for an opened card, which calls `eim`.
    ///
    /// # Errors
    /// [`IpaError`] if the card does not say who it is.
    pub fn new(
        mut card: Es10Client<T>,
        eim: EsipaClient,
        servers: Es9PlusClient,
        around: Surroundings,
        settings: Settings,
    ) -> Result<Self, IpaError> {
        let eid = card.get_eid()?;
        let mut ipa = Self {
            card,
            eim,
            servers,
            around,
            settings,
            eid,
            association: Association::default(),
            state_change: None,
            in_emergency: false,
            told_r_plmn: None,
            brought: None,
        };
        ipa.read_association()?;
        Ok(ipa)
    }

    /// The eUICC.
    #[must_use]
    pub const fn eid(&self) -> &Eid {
        &self.eid
    }

    /// The card.
    pub const fn card(&mut self) -> &mut Es10Client<T> {
        &mut self.card
    }

    /// Gives the card back.
    #[must_use]
    pub fn into_card(self) -> Es10Client<T> {
        self.card
    }

    /// What the next poll will tell: why the profiles are not as the eIM left them.
    #[must_use]
    pub const fn state_change(&self) -> Option<StateChangeCause> {
        self.state_change
    }

    /// Has the next poll tell this; an IPA that starts anew is told what the last one had to say.
    pub const fn set_state_change(&mut self, cause: Option<StateChangeCause>) {
        self.state_change = cause;
    }

    /// An emergency call begins: the profile for it is enabled (5.9.22), and until it ends the eUICC takes nothing of the eIM.
    /// The next poll tells so.
    ///
    /// # Errors
    /// [`IpaError::Card`] where the eUICC has no such profile, or it is enabled already.
    pub fn begin_emergency(&mut self) -> Result<(), IpaError> {
        self.card.enable_emergency_profile()?;
        self.in_emergency = true;
        self.state_change = Some(StateChangeCause::EmergencyProfile);
        Ok(())
    }

    /// The emergency call is over: the profile of before is enabled again (5.9.23). The next poll tells so, since what the eIM put
    /// off need not wait any longer.
    ///
    /// # Errors
    /// [`IpaError::Card`] where none is under way.
    pub fn end_emergency(&mut self) -> Result<(), IpaError> {
        self.card.disable_emergency_profile()?;
        self.in_emergency = false;
        self.state_change = Some(StateChangeCause::EmergencyProfile);
        Ok(())
    }

    /// Polls once (3.1.1.1): delivers what waits on the card, fetches one package, executes it and reports.
    ///
    /// # Errors
    /// [`IpaError`]; what could not be delivered waits on the card.
    pub async fn poll_once(&mut self, observer: Observer<'_>) -> Result<Polled, IpaError> {
        self.deliver_waiting(observer).await?;
        // Steps 1 to 3: the request, which tells of what happened on the way to it, and what the eIM has.
        self.reach().await?;
        let r_plmn = self.settings.r_plmn;
        let request = GetEimPackageRequest {
            notify_state_change: self.state_change.is_some(),
            state_change_cause: self.state_change,
            r_plmn: r_plmn.filter(|_| r_plmn != self.told_r_plmn),
            ..GetEimPackageRequest::new(self.eid.to_bcd())
        };
        let response = self.poll(request, observer).await?;
        (self.state_change, self.told_r_plmn) = (None, r_plmn);
        let package = match response {
            GetEimPackageResponse::Package(package) => package,
            GetEimPackageResponse::Error(EimPackageError::NoEimPackageAvailable) => {
                return Ok(Polled::Nothing);
            }
            GetEimPackageResponse::Error(code) => {
                let code = EsipaCode::GetEimPackage(code);
                return Err(IpaError::Refused { function: "ESipa.GetEimPackage", code });
            }
        };
        // Steps 4 to 7: execution, the result, what it acknowledges.
        let executed = match package {
            EimPackage::EuiccPackageRequest(der) => self.run_euicc_package(&der, observer).await?,
            EimPackage::IpaEuiccDataRequest(der) => self.answer_data_request(&der, observer).await?,
            EimPackage::ProfileDownloadTriggerRequest(der) => self.run_trigger(&der, observer).await?,
        };
        Ok(Polled::Executed(executed))
    }

    async fn poll(
        &mut self,
        request: GetEimPackageRequest,
        observer: Observer<'_>,
    ) -> Result<GetEimPackageResponse, IpaError> {
        const FUNCTION: &str = "ESipa.GetEimPackage";
        let start = self.around.clock.monotonic();
        let response = self.eim.get_eim_package(request).await;
        observer(FUNCTION, self.around.clock.monotonic().saturating_sub(start));
        response.map_err(|error| IpaError::Eim { function: FUNCTION, error })
    }

    /// Waits for a network as long as for the delivery of a result; where none comes, the device goes to its fallback
    /// profile, if it has one (3.5).
    async fn reach(&mut self) -> Result<(), IpaError> {
        let mut attempt = 1;
        loop {
            let Err(error) = self.has_network() else { return Ok(()) };
            if attempt >= self.settings.delivery_attempts.get() {
                return if self.fall_back()? { self.has_network() } else { Err(error) };
            }
            attempt += 1;
            self.around.pauses.pause(self.pause_between_attempts()).await;
        }
    }

    /// Whether the device has a network with the profile that is enabled.
    fn has_network(&mut self) -> Result<(), IpaError> {
        let enabled = self.enabled()?;
        if self.around.network.reaches(enabled.as_ref()) {
            Ok(())
        } else {
            Err(IpaError::NoNetwork { enabled })
        }
    }

    /// The enabled profile.
    fn enabled(&mut self) -> Result<Option<Iccid>, IpaError> {
        let profiles = self.card.get_profiles_info()?;
        Ok(profiles.into_iter().find(|profile| profile.enabled).map(|profile| profile.iccid))
    }

    fn pause_between_attempts(&self) -> Duration {
        self.settings.rollback_after / self.settings.delivery_attempts.get()
    }

    /// What the eUICC knows of the eIM: the one whose FQDN is called, or the only one.
    fn read_association(&mut self) -> Result<(), IpaError> {
        let der = self.card.get_eim_configuration_data(None)?;
        let response = GetEimConfigurationDataResponse::from_der(&der)?;
        let found = trust::called(&response.eims, self.eim.eim());
        self.association = found.map_or_else(Association::default, |eim| Association {
            eim_id: Some(eim.eim_id.to_owned()),
            token: eim.association_token,
            indirect: eim.indirect_profile_download,
        });
        Ok(())
    }
}
