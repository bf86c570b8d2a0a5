//! Who may administer, and what the audit says of it.
//!
//! | file | what |
//! |---|---|
//! | [`audit`] | is the audit whole? Checkpoints, and what is erased by age |

pub mod audit;
