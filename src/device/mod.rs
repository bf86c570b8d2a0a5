//! The device: a virtual eUICC, and the LPA or IPA that drives it.
//!
//! The room knows the standards and never the server's services: the LPA speaks to servers over ES9+ and to a card over
//! APDUs, whether the card is in this process or behind a socket.
//!
//! | module | what | clause |
//! |---|---|---|
//! | [`apdu`] | commands, responses, status words | ISO 7816-4, TS 102 221 10 |
//! | [`card`] | the virtual eUICC: channels, applications | TS 102 221 11.1, SGP.22 2.4 |
//! | [`state`] | what a card remembers, and its folder | |
//! | [`isdr`] | STORE DATA chains, dispatch of ES10 | SGP.22 5.7.2 |
//! | `es10` | what the card says of itself | SGP.22 5.7.3, 5.7.7, 5.7.8, 5.7.20 |
//! | `authenticate` | AuthenticateServer, PrepareDownload, CancelSession | SGP.22 5.7.13, 5.7.5, 5.7.14 |
//! | `download` | LoadBoundProfilePackage | SGP.22 5.7.6, 5.5 |
//! | `profile_info` | GetProfilesInfo | SGP.22 5.7.15 |
//! | `profiles` | enabling, disabling, deleting, naming, reset | SGP.22 5.7.16 to 5.7.21 |
//! | [`iot_state`] | what a card of SGP.32 remembers | |
//! | `es10_iot` | the functions of SGP.32: dispatch, and the small ones | SGP.32 5.9 |
//! | `euicc_package` | LoadEuiccPackage | SGP.32 3.3.1, 5.9.1 |
//! | `psmo` | operations on profiles by an eIM | SGP.32 2.11.1.1, 3.4 |
//! | `eim_configuration` | operations on eIMs, AddInitialEim, GetEimConfigurationData | SGP.32 3.5, 5.9.4, 5.9.18 |
//! | `rollback` | ProfileRollback | SGP.32 5.9.16 |
//! | `fallback` | fallback mechanism, emergency profile | SGP.32 5.9.20 to 5.9.23 |
//! | `immediate_enable` | enabling right after a download | SGP.32 5.9.15, 5.9.17 |
//! | [`faults`] | answers on demand that a card would not give by itself | |
//! | `notifications` | making, listing and removing notifications | SGP.22 3.5, 5.7.9 to 5.7.11 |
//! | `uicc` | the file system of the enabled profile: selecting, templates | TS 102 221 8, 11.1 |
//! | `access` | access rules of files | TS 102 221 9 |
//! | `files` | reading and updating | TS 102 221 11.1.3 to 11.1.6 |
//! | `pins` | PINs | TS 102 221 11.1.9 to 11.1.13 |
//! | `usim` | AUTHENTICATE | TS 31.102 7.1, TS 33.102 |
//! | [`transport`] | the way to a card: in process, TCP | |
//! | [`serve`] | a card for other programs: TCP, stdio | |
//! | [`vpcd`] | a card in the virtual reader of PC/SC | ISO 7816-3 8 |
//! | [`codes`] | the names of codes | SGP.22 5.7 |
//! | [`es10_client`] | typed ES10 calls over APDUs, those of SGP.32 in a file of their own | SGP.22 5.7, SGP.32 5.9 |
//! | [`terminal`] | what a modem does with the enabled profile | TS 31.101, TS 31.102 |
//! | [`lpa`] | the procedures of an LPA | SGP.22 3.0 to 3.5 |
//! | [`ipa`] | the procedures of an IPA | SGP.32 3.1 to 3.5 |
//! | `install` | from the card's challenge to what it says of a package | SGP.22 3.1.3, SGP.32 3.2.3 |
//! | `delivery` | notifications to their recipients | SGP.22 3.5 |
//! | `rsp_server` | whom an installation is negotiated with | SGP.22 5.6, SGP.32 5.14 |

mod access;
pub mod apdu;
mod authenticate;
pub mod card;
pub mod codes;
mod delivery;
mod download;
mod eim_configuration;
mod es10;
pub mod es10_client;
mod es10_iot;
mod euicc_package;
mod fallback;
pub mod faults;
mod files;
mod immediate_enable;
mod install;
pub mod iot_state;
pub mod ipa;
pub mod isdr;
pub mod lpa;
mod notifications;
mod pins;
mod profile_info;
mod profiles;
mod psmo;
mod rollback;
mod rsp_server;
pub mod serve;
pub mod state;
pub mod terminal;
pub mod transport;
mod uicc;
mod usim;
pub mod vpcd;
