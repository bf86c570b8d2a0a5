//! The eIM: profiles of devices without a user are added, switched and deleted from afar (SGP.32).
//!
//! | module | what |
//! |---|---|
//! | [`caller`] | who calls on ESipa, and for which EID it may speak |
//! | [`device_certificates`] | certificates that stand for an EID by a list |
//! | [`refusals`] | what was refused on ESipa: counted, and kept for people |

pub mod caller;
pub mod device_certificates;
pub mod refusals;
