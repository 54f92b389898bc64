//! SES: what an account may send, and every mail that it sent.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Answer;
use super::expression::decoded;

/// Mails a second that the account may send.
const PER_SECOND: f64 = 50.0;

/// What was sent, in order of sending.
#[derive(Debug, Default)]
pub struct Mails {
    /// How often, by the Message-ID that its writer gave it: SES writes another one over it.
    sent: BTreeMap<String, u64>,
}

impl Mails {
    /// Answers a request.
    pub fn answer(&mut self, operation: &str, request: &Value) -> Answer {
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
                *self.sent.entry(id.expect("a mail has a Message-ID").to_owned()).or_default() += 1;
                Answer::ok(json!({"MessageId": self.sent.len().to_string()}))
            }
            other => panic!("the mailer's {other} is not modelled"),
        }
    }

    /// How often each mail was sent, by its id.
    pub fn sent(&self) -> &BTreeMap<String, u64> {
        &self.sent
    }
}
