//! To come.

crate::tests!();
