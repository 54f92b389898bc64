//! Where mails go: a folder on this machine, or a mail server.

mod browse;
mod inbox;

mod conversation;
mod smtp;
mod smtp_url;

pub use browse::{Entry, find, list};
pub use inbox::Inbox;
pub use smtp::Smtp;

#[cfg(test)]
mod smtp_tests;
