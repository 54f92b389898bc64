//! Who gets what: a pure decision over a notification and what is known of its reader.
//!
//! A person who asked for none of it gets none; one who gets many in an hour gets the rest of that
//! hour as one digest. Hours are counted in the notifications' own time, so that a replay sends what
//! the live run sent.

use minicbor::{Decode, Encode};
use schemas::mail::DigestChoice;
use schemas::notification::Notification;
use schemas::row::Row;
use schemas::time::Timestamp;
use schemas::user::UserRow;

const HOUR_MS: i64 = 3_600_000;

/// A row of `mail_hours`: how many mails a person got in the latest hour that had any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct HourRow {
    /// Which hour, counted from 1970.
    #[n(0)]
    pub hour: i64,
    /// Mails of their own in it.
    #[n(1)]
    pub mails: u32,
}

impl Row for HourRow {
    const TABLE: &'static str = "mail_hours";
}

/// A row of `mail_suppressions`, keyed by the address: nothing is sent there any more.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SuppressionRow {
    /// What the mail server said.
    #[n(0)]
    pub reason: String,
    /// When.
    #[n(1)]
    pub at: Timestamp,
}

impl Row for SuppressionRow {
    const TABLE: &'static str = "mail_suppressions";
}

/// What is known of a reader.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// How mails get there.
    pub way: Way,
    /// The account, if there is a row of it.
    pub user: Option<&'a UserRow>,
    /// Whether the address bounced before.
    pub suppressed: bool,
    /// How many mails there were lately.
    pub hour: HourRow,
}

/// How the mailer reaches people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A letter to an address, which must be confirmed.
    Letter,
    /// A notice on a topic, for whoever subscribed: the topic asks its subscribers for confirmation, and
    /// not all of them are mailboxes.
    Topic,
}

/// What to do with a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Send it now.
    Send,
    /// Keep it for the digest that is due then.
    Digest(Timestamp),
    /// Try again then.
    Wait(Timestamp),
    /// Send nothing, and why.
    Skip(&'static str),
}

/// Chooses. `digest_after` mails of an hour come one by one.
pub fn choose(told: &Notification, reader: Reader<'_>, digest_after: u32) -> Choice {
    let Some(user) = reader.user else { return Choice::Skip("the account is not known") };
    let Some(reason) = unreachable(user, reader.way, reader.suppressed) else {
        if !user.mail.wants(told.event) {
            return Choice::Skip("unsubscribed from this");
        }
        let many = reader.hour.hour == hour(told.at) && reader.hour.mails >= digest_after;
        let digest = match user.mail.digest.unwrap_or(DigestChoice::Auto) {
            DigestChoice::Never => false,
            DigestChoice::Always => true,
            DigestChoice::Auto => many,
        };
        return if digest { Choice::Digest(end_of_hour(told.at)) } else { Choice::Send };
    };
    Choice::Skip(reason)
}

/// Why no mail can reach a person at all.
pub fn unreachable(user: &UserRow, way: Way, suppressed: bool) -> Option<&'static str> {
    match (way, &user.email, user.email_confirmed, suppressed) {
        (Way::Topic, ..) => None,
        (Way::Letter, None, ..) => Some("no email address"),
        (Way::Letter, Some(_), false, _) => Some("the email address is not confirmed"),
        (Way::Letter, Some(_), true, true) => Some("mails to this address bounced"),
        (Way::Letter, Some(_), true, false) => None,
    }
}

/// The hour after one more mail of its own.
pub fn one_more(before: HourRow, told: &Notification) -> HourRow {
    let hour = hour(told.at);
    let mails = if before.hour == hour { before.mails } else { 0 };
    HourRow { hour, mails: mails + 1 }
}

/// How long to wait after so many attempts in vain, if another makes sense: half a minute, doubling
/// up to an hour, for about half a day.
pub fn wait_ms(attempts: u32) -> Option<i64> {
    const MOST: u32 = 16;
    (attempts < MOST).then(|| (30_000i64 << attempts.saturating_sub(1).min(7)).min(HOUR_MS))
}

fn hour(at: Timestamp) -> i64 {
    at.millis() / HOUR_MS
}

fn end_of_hour(at: Timestamp) -> Timestamp {
    Timestamp::from_millis_clamped((hour(at) + 1) * HOUR_MS)
}

#[cfg(test)]
mod tests {
    use schemas::ids::Address;
    use schemas::mail::MailPreferences;
    use schemas::notification::NotificationEvent;

    use super::*;

    fn told() -> Notification {
        serde_json::from_str(
            r#"{"notification_id":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e6f","address":"0x00000000000000000000000000000000000000aa","event":"bet_won","bet_uuid":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e70","question_uuid":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e71","outcome_index":0,"status_version":2,"status":"won","buy_amount":"1","odds":"2","payout":"2","at":7300000}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_table_of_readers() {
        use Choice::{Digest, Send, Skip};
        let until = Timestamp::from_millis(3 * HOUR_MS).unwrap();
        let mail = |events: Option<&[NotificationEvent]>, digest| MailPreferences {
            events: events.map(<[_]>::to_vec),
            digest,
            time_zone: None,
        };
        let all = mail(None, None);
        let busy = HourRow { hour: 2, mails: 20 };
        let earlier = HourRow { hour: 1, mails: 20 };
        for (email, confirmed, suppressed, mail, hour, expected) in [
            (Some("a@b"), true, false, &all, HourRow::default(), Send),
            (None, true, false, &all, HourRow::default(), Skip("no email address")),
            (Some("a@b"), false, false, &all, HourRow::default(), Skip("the email address is not confirmed")),
            (Some("a@b"), true, true, &all, HourRow::default(), Skip("mails to this address bounced")),
            (Some("a@b"), true, false, &MailPreferences::unsubscribed(), busy, Skip("unsubscribed from this")),
            (Some("a@b"), true, false, &mail(Some(&[NotificationEvent::BetWon]), None), earlier, Send),
            (Some("a@b"), true, false, &all, busy, Digest(until)),
            (Some("a@b"), true, false, &all, HourRow { hour: 2, mails: 19 }, Send),
            (Some("a@b"), true, false, &mail(None, Some(DigestChoice::Never)), busy, Send),
            (Some("a@b"), true, false, &mail(None, Some(DigestChoice::Always)), earlier, Digest(until)),
        ] {
            let mut user = UserRow::new(Address::from_bytes([1; 20]));
            (user.email, user.email_confirmed, user.mail) = (email.map(str::to_owned), confirmed, mail.clone());
            let reader = Reader { way: Way::Letter, user: Some(&user), suppressed, hour };
            assert_eq!(choose(&told(), reader, 20), expected, "{reader:?}");
            // A topic needs no address; what the person wants holds for both.
            let about_address = matches!(expected, Skip(why) if why.contains("address"));
            let expected = if about_address { Send } else { expected };
            assert_eq!(choose(&told(), Reader { way: Way::Topic, ..reader }, 20), expected, "{reader:?}");
        }
        let nobody = Reader { way: Way::Topic, user: None, suppressed: false, hour: busy };
        assert!(matches!(choose(&told(), nobody, 1), Skip(_)));
    }

    #[test]
    fn counts_start_again_with_the_hour_and_waits_grow() {
        assert_eq!(one_more(HourRow { hour: 1, mails: 9 }, &told()), HourRow { hour: 2, mails: 1 });
        assert_eq!(one_more(HourRow { hour: 2, mails: 9 }, &told()), HourRow { hour: 2, mails: 10 });
        let waits: Vec<_> = (1..=17).map(wait_ms).collect();
        assert_eq!(waits[..4], [Some(30_000), Some(60_000), Some(120_000), Some(240_000)]);
        assert_eq!(waits[14..], [Some(HOUR_MS), None, None]);
    }
}
