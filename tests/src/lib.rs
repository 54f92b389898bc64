//! What the integration tests share: fixtures, a driver that feeds a node at a source's own
//! times, and a dump of everything a node holds as comparable text.

pub mod cricket_reference;
pub mod drive;
pub mod dump;
pub mod fixture;
