//! Bounces and complaints: whom to write to no more, read from what SES tells through SNS and SQS.
//!
//! Pure: the queue is read by `bounce_queue`, which a build with AWS has.
//!
//! Sources: "Amazon SNS notification contents for Amazon SES" (`notificationType`), "Examples of event
//! data that Amazon SES publishes to Amazon SNS" (`eventType`, of configuration sets), and SNS' envelope.

use schemas::time::Timestamp;
use serde::{Deserialize, Deserializer, de};

use super::choose::SuppressionRow;

/// An address that nothing is sent to any more, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// The address as it was written to.
    pub email: String,
    /// The row, keyed by that address.
    pub row: SuppressionRow,
}

/// Longest reason that is kept, in characters; mail servers write whole paragraphs.
const MAX_REASON: usize = 300;

/// SNS' envelope; absent where raw message delivery is on.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Message")]
    message: Option<String>,
    #[serde(rename = "TopicArn")]
    topic: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe: Option<String>,
}

/// What SES says; of the two names for its kind, one is there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(alias = "eventType")]
    notification_type: String,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    #[serde(default)]
    bounce_sub_type: String,
    bounced_recipients: Vec<Recipient>,
    #[serde(deserialize_with = "rfc3339")]
    timestamp: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complained_recipients: Vec<Recipient>,
    complaint_feedback_type: Option<String>,
    #[serde(deserialize_with = "rfc3339")]
    timestamp: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
    diagnostic_code: Option<String>,
}

/// Our own events have times as numbers, SES has them as text.
fn rfc3339<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(de::Error::custom)
}

/// The addresses that a message of the queue ends; none for deliveries and for what may pass.
///
/// # Errors
/// Why the message is none of SES', with the way out.
pub fn read(body: &str) -> Result<Vec<Suppression>, String> {
    let told: Told = match serde_json::from_str::<Envelope>(body) {
        Err(_) => parse(body)?,
        Ok(Envelope { kind, message: Some(message), .. }) if kind == "Notification" => parse(&message)?,
        Ok(Envelope { kind, topic, subscribe, .. }) => {
            let (topic, url) = (topic.unwrap_or_default(), subscribe.unwrap_or_default());
            return Err(match kind.as_str() {
                "SubscriptionConfirmation" => format!("topic {topic} waits for this queue; open {url} to confirm it"),
                _ => format!("a {kind} of topic {topic} says nothing about mails"),
            });
        }
    };
    let suppressions = match told.notification_type.as_str() {
        "Bounce" => bounced(told.bounce.ok_or("a bounce without the object `bounce`")?),
        "Complaint" => complained(told.complaint.ok_or("a complaint without the object `complaint`")?),
        // Sent, delivered, delayed, opened; and SES' word that the topic was set.
        _ => Vec::new(),
    };
    Ok(suppressions)
}

fn parse(text: &str) -> Result<Told, String> {
    serde_json::from_str(text).map_err(|cause| {
        let start: String = text.chars().take(80).collect();
        format!("no notification of SES ({cause}): {start:?}")
    })
}

/// A permanent bounce ends an address. Of the others SES has tried for hours already: a mailbox that is
/// full or away can be there again for the next mail.
fn bounced(bounce: Bounce) -> Vec<Suppression> {
    if bounce.bounce_type != "Permanent" {
        return Vec::new();
    }
    let Bounce { bounce_sub_type, bounced_recipients, timestamp, .. } = bounce;
    let suppress = |recipient: Recipient| {
        let said = recipient.diagnostic_code.unwrap_or_else(|| "no details".into());
        suppression(&recipient.email_address, format!("bounced ({bounce_sub_type}): {said}"), timestamp)
    };
    bounced_recipients.into_iter().map(suppress).collect()
}

/// Who called a mail unwanted gets no other. `not-spam` is the opposite: a mail that a provider took
/// for unwanted, and its reader did not.
fn complained(complaint: Complaint) -> Vec<Suppression> {
    let kind = complaint.complaint_feedback_type.unwrap_or_else(|| "no kind given".into());
    if kind == "not-spam" {
        return Vec::new();
    }
    let at = complaint.timestamp;
    let suppress = |recipient: Recipient| suppression(&recipient.email_address, format!("complained ({kind})"), at);
    complaint.complained_recipients.into_iter().map(suppress).collect()
}

fn suppression(email: &str, reason: String, at: Timestamp) -> Suppression {
    // Some mail servers give back the header's form, with a name.
    let bare =
        email.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<')).map_or(email.trim(), |(_, bare)| bare);
    let reason = reason.chars().map(|char| if char.is_control() { ' ' } else { char }).take(MAX_REASON).collect();
    Suppression { email: bare.to_owned(), row: SuppressionRow { reason, at } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = r#""mail":{"timestamp":"2022-07-11T14:47:27.000Z","source":"bets@example.com","messageId":"0-1","destination":["ada@example.com"]}"#;

    fn bounce(kind: &str, key: &str, recipients: &str) -> String {
        format!(
            r#"{{"{key}":"Bounce","bounce":{{"bounceType":"{kind}","bounceSubType":"General","bouncedRecipients":[{recipients}],"timestamp":"2022-07-11T14:47:28.100Z","feedbackId":"f","remoteMtaIp":"127.0.2.0","reportingMTA":"dsn; a8-70.smtp-out.amazonses.com"}},{MAIL}}}"#
        )
    }

    fn complaint(kind: &str) -> String {
        format!(
            r#"{{"notificationType":"Complaint","complaint":{{"userAgent":"x","complainedRecipients":[{{"emailAddress":"ada@example.com"}}],"complaintSubType":null,{kind}"arrivalDate":"2022-07-11T14:47:20.000Z","timestamp":"2022-07-11T14:47:28.100Z","feedbackId":"f"}},{MAIL}}}"#
        )
    }

    /// In SNS' envelope, as a queue without raw delivery gets it.
    fn wrapped(kind: &str, message: &str) -> String {
        let message = serde_json::to_string(message).unwrap();
        format!(
            r#"{{"Type":"{kind}","MessageId":"m","TopicArn":"arn:aws:sns:us-east-1:1:bounces","Message":{message},"Timestamp":"2022-07-11T14:47:28.200Z","SignatureVersion":"1","Signature":"x","SigningCertURL":"https://x","SubscribeURL":"https://sns/confirm"}}"#
        )
    }

    #[test]
    fn what_is_over_is_suppressed_and_the_rest_is_not() {
        const ADA: &str = r#"{"emailAddress":"ada@example.com","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 unknown\r\nuser"}"#;
        const BOB: &str = r#"{"emailAddress":"Bob <bob@example.com>"}"#;
        let both = format!("{ADA},{BOB}");
        let (ada, bob) = (
            ("ada@example.com", "bounced (General): smtp; 550 5.1.1 unknown  user"),
            ("bob@example.com", "bounced (General): no details"),
        );
        for (message, expected) in [
            (bounce("Permanent", "notificationType", ADA), vec![ada]),
            (bounce("Permanent", "eventType", &both), vec![ada, bob]),
            (bounce("Transient", "notificationType", ADA), vec![]),
            (bounce("Undetermined", "eventType", BOB), vec![]),
            (complaint(r#""complaintFeedbackType":"abuse","#), vec![("ada@example.com", "complained (abuse)")]),
            (complaint(""), vec![("ada@example.com", "complained (no kind given)")]),
            (complaint(r#""complaintFeedbackType":"not-spam","#), vec![]),
            (
                format!(r#"{{"notificationType":"Delivery","delivery":{{"recipients":["ada@example.com"]}},{MAIL}}}"#),
                vec![],
            ),
            (format!(r#"{{"eventType":"DeliveryDelay","deliveryDelay":{{}},{MAIL}}}"#), vec![]),
            (
                r#"{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have set the topic."}"#.into(),
                vec![],
            ),
        ] {
            for body in [message.clone(), wrapped("Notification", &message)] {
                let found = read(&body).unwrap_or_else(|why| panic!("{why}: {body}"));
                assert!(found.iter().all(|found| found.row.at.millis() == 1_657_550_848_100), "{found:?}");
                let found: Vec<_> =
                    found.iter().map(|found| (found.email.as_str(), found.row.reason.as_str())).collect();
                assert_eq!(found, expected, "{body}");
            }
        }
    }

    #[test]
    fn what_is_no_notification_is_said() {
        let headless = r#"{"notificationType":"Bounce"}"#;
        for (body, says) in [
            ("", "no notification of SES"),
            ("hello", "hello"),
            ("{}", "no notification of SES"),
            (headless, "without the object `bounce`"),
            (&headless.replace("Bounce", "Complaint"), "without the object `complaint`"),
            (
                &bounce("Permanent", "eventType", "").replace("2022-07-11T14:47:28.100Z", "soon"),
                "no notification of SES",
            ),
            (&wrapped("Notification", "hello"), "hello"),
            (&wrapped("SubscriptionConfirmation", "You have chosen"), "open https://sns/confirm to confirm it"),
            (&wrapped("UnsubscribeConfirmation", "You have chosen"), "UnsubscribeConfirmation"),
        ] {
            let why = read(body).unwrap_err();
            assert!(why.contains(says), "{body}: {why}");
        }
    }

    #[test]
    fn a_long_answer_is_kept_short() {
        let long = format!(r#"{{"emailAddress":"ada@example.com","diagnosticCode":"{}"}}"#, "ä".repeat(9_000));
        let found = read(&bounce("Permanent", "notificationType", &long)).unwrap();
        assert_eq!(found[0].row.reason.chars().count(), MAX_REASON);
    }
}
