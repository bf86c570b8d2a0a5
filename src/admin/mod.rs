//! Who may administer, what they may do, and what the audit says of it.
//!
//! | file | what |
//! |---|---|
//! | [`audit`] | is the audit whole? Checkpoints, and what is erased by age |
//! | [`identities`] | named identities, their tokens and certificates; who calls? |
//! | [`token`] | the form of a token |
//! | [`calls`] | calls that may be repeated and are done once |

pub mod audit;
pub mod calls;
pub mod identities;
pub mod token;
