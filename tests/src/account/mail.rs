//! SES: what an account may send, every mail that it sent, and what came back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Answer;
use super::expression::decoded;
use super::queue::Queue;

/// Mails a second that the account may send.
const PER_SECOND: f64 = 50.0;
/// How long it takes until a server says that it knows no such address, in milliseconds.
const BOUNCED_AFTER_MS: i64 = 3_000;

/// What was sent, in order of sending.
#[derive(Debug, Default)]
pub struct Mails {
    /// By the Message-ID that its writer gave it: SES writes another one over it.
    sent: BTreeMap<String, Mailed>,
    /// An address that does not exist.
    pub bouncing: Option<String>,
    /// Since when our tables say so.
    pub ended: Option<i64>,
}

/// A mail as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mailed {
    /// To whom.
    pub to: String,
    /// How often.
    pub times: u64,
    /// When last, in milliseconds since 1970.
    pub last: i64,
}

impl Mails {
    /// Answers a request. What bounces goes into the queue.
    pub fn answer(&mut self, operation: &str, request: &Value, now: i64, queue: &mut Queue) -> Answer {
        match operation {
            "account" => Answer::ok(json!({
                "ProductionAccessEnabled": true,
                "SendingEnabled": true,
                "EnforcementStatus": "HEALTHY",
                "SendQuota": {"Max24HourSend": -1.0, "MaxSendRate": PER_SECOND, "SentLast24Hours": 0.0},
            })),
            "outbound-emails" => {
                let raw = decoded(request["Content"]["Raw"]["Data"].as_str().unwrap_or_default());
                let message = String::from_utf8_lossy(&raw);
                let id = message.lines().find_map(|line| line.strip_prefix("Message-ID: <")?.split(['@', '>']).next());
                let to = request["Destination"]["ToAddresses"][0].as_str().expect("a mail goes to somebody");
                let mailed = self.sent.entry(id.expect("a mail has a Message-ID").to_owned()).or_default();
                *mailed = Mailed { to: to.to_owned(), times: mailed.times + 1, last: now };
                if self.bouncing.as_deref() == Some(to) {
                    queue.push(bounce(to), now + BOUNCED_AFTER_MS);
                }
                Answer::ok(json!({"MessageId": self.sent.len().to_string()}))
            }
            other => panic!("the mailer's {other} is not modelled"),
        }
    }

    /// Each mail, by its id.
    pub fn sent(&self) -> &BTreeMap<String, Mailed> {
        &self.sent
    }
}

/// As SES tells of it: "Examples of event data that Amazon SES publishes to Amazon SNS".
fn bounce(address: &str) -> String {
    let recipient = json!({"emailAddress": address, "action": "failed", "diagnosticCode": "smtp; 550 no such user"});
    let bounce = json!({
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [recipient],
        "timestamp": "2026-01-01T00:00:00.000Z",
    });
    json!({"eventType": "Bounce", "bounce": bounce}).to_string()
}
