//! SQS: one queue, of what SES tells about addresses that do not exist.

use serde_json::{Value, json};

use super::{Answer, refused};

/// Its name, after a prefix.
const NAME: &str = "mail-bounces";
/// How long a message that was received is hidden from others, in milliseconds.
const HIDDEN_MS: i64 = 30_000;
/// Messages of a receive, at most.
const BATCH: usize = 10;

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    /// Whether there is one.
    pub exists: bool,
    waiting: Vec<Message>,
    /// Messages so far.
    count: u64,
}

#[derive(Debug)]
struct Message {
    number: u64,
    body: String,
    visible: i64,
}

impl Queue {
    /// Adds a message.
    pub fn push(&mut self, body: String, visible: i64) {
        self.count += 1;
        self.waiting.push(Message { number: self.count, body, visible });
    }

    /// Whether a receive would bring something.
    pub fn has(&self, now: i64) -> bool {
        self.waiting.iter().any(|message| message.visible <= now)
    }

    /// Answers a request.
    pub fn answer(&mut self, operation: &str, request: &Value, now: i64) -> Answer {
        match operation {
            "GetQueueUrl" if self.exists && request["QueueName"].as_str().is_some_and(|name| name.ends_with(NAME)) => {
                Answer::ok(json!({"QueueUrl": format!("http://in-this-process/111111111111/{NAME}")}))
            }
            "GetQueueUrl" => refused("QueueDoesNotExist", "there is no such queue"),
            "ReceiveMessage" => {
                let visible = self.waiting.iter_mut().filter(|message| message.visible <= now).take(BATCH);
                let received = visible.map(|message| {
                    message.visible = now + HIDDEN_MS;
                    let id = message.number.to_string();
                    json!({"MessageId": id, "ReceiptHandle": id, "Body": message.body})
                });
                Answer::ok(json!({"Messages": received.collect::<Vec<_>>()}))
            }
            "DeleteMessageBatch" => {
                let entries = request["Entries"].as_array().map_or(&[][..], Vec::as_slice);
                let gone = |message: &Message| {
                    entries.iter().any(|entry| entry["ReceiptHandle"] == message.number.to_string().as_str())
                };
                self.waiting.retain(|message| !gone(message));
                let done: Vec<Value> = entries.iter().map(|entry| json!({"Id": entry["Id"]})).collect();
                Answer::ok(json!({"Successful": done, "Failed": []}))
            }
            other => panic!("SQS' {other} is not modelled"),
        }
    }
}
