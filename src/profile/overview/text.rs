//! The model as text for people.
