//! The eIM (SGP.32): its services, and what its jobs do.

pub mod forward;
