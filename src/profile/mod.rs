//! Profile packages: read, personalise, and what an eUICC makes of them.
//!
//! The wire types are in `simyard_asn1::saip`. A package is read once into an [`identity::PackageIdentity`] when it
//! comes in; [`image::ProfileImage`] is the file system with its codes and keys that an eUICC builds from it at
//! installation; [`shipped`] are our own templates, and [`plan`] makes packages from any template for [`personal_data`],
//! which [`personal_row`] reads from rows, and [`personal_csv`] from files of them.
//! The tables of the standard's file system templates stand in [`templates`], what the contents of files say in
//! [`content`], load files of applets in [`cap`], the data of a multi-IMSI applet in [`multi_imsi`]. [`description`] is a
//! package as text, both ways.
//!
//! [`tree`] is what a package says, read to its end whatever is wrong with it; [`overview`] puts that into words,
//! [`comparison`] says what two packages mean differently, and [`lint`] what is wrong with a package. [`needs`] is what a
//! package asks of an eUICC, [`test_profile`] whether everybody has its keys ([`published`]). A package becomes a bound one
//! by [`metadata`], with an [`icon`], and [`bind`].

pub mod bind;
pub mod cap;
pub mod comparison;
pub mod content;
pub mod description;
pub mod icon;
pub mod identity;
pub mod image;
pub mod lint;
pub mod metadata;
pub mod multi_imsi;
pub mod needs;
pub mod overview;
pub mod personal_csv;
pub mod personal_data;
pub mod personal_row;
pub mod plan;
pub mod published;
pub mod shipped;
pub mod templates;
pub mod test_profile;
pub mod tree;
