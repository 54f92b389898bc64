//! The calls of SNS, each with what its errors mean.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};

use super::Aws;
use super::error::{code, explain, is_denial, is_throttle, is_trouble};
use super::sns::PERSON;
use super::sns_message::{Message, filter};
use super::sns_people::{Directory, Subscription};
use super::sns_topics;
use crate::error::{Error, Result};

/// Codes that say that a topic, or the account, takes no more filters or subscriptions.
const FULL: [&str; 4] = [
    "FilterPolicyLimitExceeded",
    "FilterPolicyLimitExceededException",
    "SubscriptionLimitExceeded",
    "SubscriptionLimitExceededException",
];

/// The topics, found.
pub(super) struct Open {
    client: Client,
    /// Their names in AWS, by number.
    pub(super) topics: Vec<String>,
}

/// What became of one message of a batch.
pub(super) enum Outcome {
    /// SNS has it.
    Taken,
    /// Not now, and why.
    Again(String),
    /// Never, and why.
    Refused(String),
}

impl Open {
    /// Finds the topics of a prefix.
    pub(super) async fn of(aws: &Aws, prefix: &str) -> Result<Open> {
        Ok(Open { client: Client::new(&aws.config), topics: sns_topics::find(aws, prefix).await? })
    }

    /// Publishes messages of one topic together; an outcome each.
    pub(super) async fn batch(&self, topic: usize, numbers: &[usize], messages: &[Message]) -> Result<Vec<Outcome>> {
        let arn = &self.topics[topic];
        let mut request = self.client.publish_batch().topic_arn(arn);
        for (id, number) in numbers.iter().enumerate() {
            request = request.publish_batch_request_entries(entry(id, &messages[*number])?);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let its_own = code(&error).map(str::to_owned);
                let code = its_own.as_deref();
                let about_all = code.is_none() || is_throttle(code) || is_trouble(code) || is_denial(code);
                let error = explain(format!("publishing to {arn}"), error);
                if about_all || code == Some("NotFound") || code == Some("NotFoundException") {
                    return Err(mend(error));
                }
                let outcome = || match numbers.len() {
                    1 => Outcome::Refused(error.to_string()),
                    _ => Outcome::Again(error.to_string()),
                };
                return Ok(numbers.iter().map(|_| outcome()).collect());
            }
        };
        // What is in neither list was not taken.
        let mut outcomes: Vec<Outcome> = numbers.iter().map(|_| Outcome::Again("no answer of SNS".into())).collect();
        let place = |id: &str| id.parse::<usize>().ok().filter(|place| *place < numbers.len());
        for taken in answer.successful() {
            if let Some(place) = taken.id().and_then(place) {
                outcomes[place] = Outcome::Taken;
            }
        }
        for failed in answer.failed() {
            let why = format!("{}: {}", failed.code(), failed.message().unwrap_or("no details"));
            if let Some(place) = place(failed.id()) {
                let outcome = if failed.sender_fault() { Outcome::Refused(why) } else { Outcome::Again(why) };
                outcomes[place] = outcome;
            }
        }
        Ok(outcomes)
    }

    /// Asks for an email subscription with a filter; whether the topic had room for it.
    pub(super) async fn subscribe(&self, topic: usize, person: &str, email: &str) -> Result<bool> {
        let arn = &self.topics[topic];
        let request = self.client.subscribe().topic_arn(arn).protocol("email").endpoint(email);
        match request.attributes("FilterPolicy", filter(PERSON, person)).send().await {
            Ok(_) => Ok(true),
            Err(error) if code(&error).is_some_and(|code| FULL.contains(&code)) => Ok(false),
            Err(error) => {
                let error = explain(format!("subscribing {email} to {arn}"), error);
                Err(match error {
                    Error::Reject(why) if why.contains("already exists with different attributes") => Error::Reject(
                        format!("{why}; the address is subscribed for another account: one address, one account"),
                    ),
                    other => other,
                })
            }
        }
    }

    /// Ends a confirmed subscription.
    pub(super) async fn unsubscribe(&self, arn: &str) -> Result<()> {
        let ended = self.client.unsubscribe().subscription_arn(arn).send().await;
        ended.map_err(|error| explain(format!("ending the email subscription {arn}"), error))?;
        Ok(())
    }

    /// Every email subscription of the topics.
    pub(super) async fn list(&self) -> Result<Directory> {
        let mut directory = Directory::new(self.topics.len());
        for (topic, arn) in self.topics.iter().enumerate() {
            let mut token = None;
            loop {
                let request = self.client.list_subscriptions_by_topic().topic_arn(arn).set_next_token(token.take());
                let page = request.send().await;
                let page = page.map_err(|error| explain(format!("listing the subscriptions of {arn}"), error))?;
                for listed in page.subscriptions().iter().filter(|listed| listed.protocol() == Some("email")) {
                    let arn = match listed.subscription_arn() {
                        None | Some("Deleted") => continue,
                        Some("PendingConfirmation") => None,
                        Some(arn) => Some(arn.to_owned()),
                    };
                    directory.add(listed.endpoint().unwrap_or_default(), Subscription { topic, arn });
                }
                token = page.next_token;
                if token.is_none() {
                    break;
                }
            }
        }
        Ok(directory)
    }
}

fn entry(id: usize, message: &Message) -> Result<PublishBatchRequestEntry> {
    let built = || -> std::result::Result<_, aws_sdk_sns::error::BuildError> {
        let mut entry = PublishBatchRequestEntry::builder().id(id.to_string()).message(&message.body);
        entry = entry.message_structure("json").subject(&message.subject);
        for (name, value) in &message.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build()?;
            entry = entry.message_attributes(name, value);
        }
        entry.build()
    };
    built().map_err(|cause| Error::fatal("a message of SNS", cause))
}

/// What is wrong with the account or the topics waits until somebody has mended it, as the mailer's port
/// asks.
pub(super) fn mend(error: Error) -> Error {
    match error {
        Error::Reject(why) => Error::Fatal(why),
        other => other,
    }
}
