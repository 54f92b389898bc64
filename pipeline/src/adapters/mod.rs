//! Adapters: the only place that names a storage engine or a vendor SDK.

#[cfg(feature = "aws")]
pub mod aws;
pub mod embedded;
pub mod mail;
