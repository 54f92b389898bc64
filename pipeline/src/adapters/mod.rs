//! Adapters: the only place that names a storage engine or a vendor SDK.

pub mod embedded;
pub mod mail;
