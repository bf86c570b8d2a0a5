//! The eIM (SGP.32): its services, and what its jobs do.

pub mod campaigns;
pub mod ecos;
pub mod foreign;
pub mod forward;
pub mod keys;
pub mod killed;
pub mod laboratory;
pub mod listening;
pub mod notifications;
pub mod operations;
pub mod relay;
pub mod relayed;
pub mod report;
pub mod results;
pub mod switch;
pub mod world;
