//! Notices through SNS: one message a change on a topic, for whoever subscribed. Queues, HTTP, functions
//! and phones get what they filter for; a person who wants mails has an email subscription that lets
//! nothing pass but what is about them.
//!
//! Life of an email subscription: none → pending ([`Sns::subscribe`]; SNS asks the address) → confirmed
//! (the owner opened SNS' link, which proves the address) → none ([`Sns::unsubscribe`], or SNS' own link in
//! every mail). A subscription without a filter would get everybody's mail: none is ever made.
//!
//! Limits (Amazon SNS quotas): 200 filter policies a topic, hence several topics `PREFIXmail-0`,
//! `PREFIXmail-1`, …; 10,000 an account and region. Above 10 messages a second SNS deactivates an email
//! subscription: whoever publishes must stay below that for each person. Mails are plain text, with a line
//! of SNS' under it, so HTML and volume go through [`super::ses`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::Aws;
use super::mail_check::People;
use super::sns_calls::{Open, Outcome, mend};
use super::sns_message::{Message, pack};
use super::sns_people::{Directory, Subscription};
use crate::error::{Error, Result};
use crate::mailer::{Mail, Notice, Sent};

pub use super::sns_people::Standing;

/// The attribute that subscriptions filter by.
pub const PERSON: &str = "user_id";
/// How often subscriptions are listed: people confirm and leave by SNS' own links. At 100 a page, 10,000 of
/// them are a hundred calls.
pub const REREAD: Duration = Duration::from_secs(300);
/// How old the list may be for whoever asks about one person.
const FRESH: Duration = Duration::from_secs(5);
/// Batches on their way at once.
const LANES: usize = 8;
/// Attempts of a message that SNS had trouble with, the first included; a longer pause before each.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// Which topics, and how much they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnsOptions {
    /// What the topics' names begin with; `mail-0`, `mail-1` and so on come after it.
    pub prefix: String,
    /// Filter policies a topic, at most: 200, unless AWS raised the account's quota.
    pub policies_per_topic: u32,
}

impl SnsOptions {
    /// Topics under this prefix, with AWS' usual quota.
    pub fn new(prefix: impl Into<String>) -> SnsOptions {
        SnsOptions { prefix: prefix.into(), policies_per_topic: 200 }
    }
}

/// The topics. Connects when there is something to publish.
pub struct Sns {
    options: SnsOptions,
    open: OnceCell<Open>,
    directory: Mutex<Option<(Arc<Directory>, Instant)>>,
}

impl Sns {
    /// The topics in the account that the environment names.
    pub fn new(options: SnsOptions) -> Sns {
        Sns { options, open: OnceCell::new(), directory: Mutex::new(None) }
    }

    /// The topics in this account.
    pub async fn of(aws: &Aws, options: SnsOptions) -> Result<Sns> {
        let open = OnceCell::new_with(Some(Open::of(aws, &options.prefix).await?));
        Ok(Sns { open, ..Sns::new(options) })
    }

    async fn open(&self) -> Result<&Open> {
        let connect = async || Open::of(&Aws::from_env().await?, &self.options.prefix).await;
        self.open.get_or_try_init(connect).await.map_err(mend)
    }

    /// Publishes the notices of mails; one outcome a mail, in their order. [`Sent::Delivered`] says that
    /// the topic has it: a person whose subscription is not confirmed gets no mail of it.
    ///
    /// # Errors
    /// See [`crate::mailer::Mailer::send`].
    pub async fn send(&self, mails: &[Mail]) -> Result<Vec<Sent>> {
        let mut sent = vec![Sent::Refused("the mail has no notice to publish".into()); mails.len()];
        let (places, notices): (Vec<usize>, Vec<_>) = mails
            .iter()
            .enumerate()
            .filter_map(|(n, mail)| Some((n, (mail.notice.as_ref()?, mail.to.as_str()))))
            .unzip();
        for (place, outcome) in places.into_iter().zip(self.publish(&notices).await?) {
            sent[place] = outcome;
        }
        Ok(sent)
    }

    /// Publishes notices, each with its person's email address (empty where there is none); one outcome a
    /// notice, in their order. Of notices to one person the order is not kept: standard topics have none.
    ///
    /// # Errors
    /// `Retry` when SNS is out of reach, `Fatal` where a person must mend permissions or topics; then no
    /// notice has an outcome, but some may have been published.
    pub async fn publish(&self, notices: &[(&Notice, &str)]) -> Result<Vec<Sent>> {
        if notices.is_empty() {
            return Ok(Vec::new());
        }
        let open = self.open().await?;
        let directory = self.directory(REREAD).await.map_err(mend)?;
        let messages: Vec<Message> = notices.iter().map(|(notice, _)| Message::of(notice, PERSON)).collect();
        let mut by_topic: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, (notice, email)) in notices.iter().enumerate() {
            by_topic.entry(directory.topic(&notice.person, email)).or_default().push(number);
        }
        let mut waiting = Vec::new();
        for (topic, numbers) in by_topic {
            let sizes: Vec<usize> = numbers.iter().map(|number| messages[*number].bytes()).collect();
            waiting.extend(pack(&sizes).into_iter().map(|range| (topic, numbers[range].to_vec())));
        }
        let (mut sent, mut trouble) = (vec![None; notices.len()], None);
        for attempt in 0..ATTEMPTS {
            sleep(PAUSE * attempt).await;
            let batches = std::mem::take(&mut waiting);
            let mut calls = Vec::with_capacity(batches.len());
            for (topic, numbers) in &batches {
                calls.push(open.batch(*topic, numbers, &messages));
            }
            let outcomes: Vec<_> = stream::iter(calls).buffered(LANES).collect().await;
            for ((topic, numbers), outcomes) in batches.iter().zip(outcomes) {
                match outcomes {
                    Err(error) => trouble = trouble.or(Some(error)),
                    Ok(outcomes) => {
                        for (number, outcome) in numbers.iter().zip(outcomes) {
                            sent[*number] = Some(match outcome {
                                Outcome::Taken => Sent::Delivered,
                                Outcome::Refused(why) => Sent::Refused(why),
                                Outcome::Again(why) => {
                                    // By itself: what is wrong may be a neighbour.
                                    waiting.push((*topic, vec![*number]));
                                    Sent::Later(why)
                                }
                            });
                        }
                    }
                }
            }
            if waiting.is_empty() {
                break;
            }
        }
        match trouble {
            Some(error) if sent.iter().all(Option::is_none) => Err(error),
            trouble => {
                let why = trouble.map(|error| error.to_string()).unwrap_or_default();
                Ok(sent.into_iter().map(|sent| sent.unwrap_or_else(|| Sent::Later(why.clone()))).collect())
            }
        }
    }

    /// Asks SNS to write to a person's address. Where it was asked before and is not confirmed, SNS sends its
    /// link again. Who changes their address gives up the old one first ([`Sns::unsubscribe`]).
    ///
    /// # Errors
    /// `Reject` when no topic has room, or the address is subscribed for somebody else.
    pub async fn subscribe(&self, person: &str, email: &str) -> Result<Standing> {
        if person.is_empty() || email.is_empty() {
            return Err(Error::Reject("a subscription needs a person and an email address; give both".into()));
        }
        let open = self.open().await?;
        // An old list does no harm: SNS answers a subscription that is there with itself.
        let directory = self.directory(REREAD).await?;
        let candidates = match directory.subscription(person, email) {
            Some(Subscription { arn: Some(_), .. }) => return Ok(Standing::Confirmed),
            Some(Subscription { topic, .. }) => vec![*topic],
            None => directory.room(person, self.options.policies_per_topic),
        };
        for topic in candidates {
            if open.subscribe(topic, person, email).await? {
                self.note(|directory| directory.add(email, Subscription { topic, arn: None }));
                return Ok(Standing::Pending);
            }
            self.note(|directory| directory.is_full(topic));
        }
        let (topics, most) = (open.topics.len(), self.options.policies_per_topic);
        Err(Error::Reject(format!(
            "all {topics} topics {prefix}mail-0 to {prefix}mail-{last} are full ({most} filter policies each); create \
             {prefix}mail-{topics}, or ask AWS for more filter policies a topic and an account (Service Quotas, Amazon SNS)",
            prefix = self.options.prefix,
            last = topics.saturating_sub(1)
        )))
    }

    /// Where a person's email subscription stands.
    pub async fn state(&self, person: &str, email: &str) -> Result<Standing> {
        Ok(self.directory(FRESH).await?.standing(person, email))
    }

    /// How many people read the topics by email.
    pub async fn people(&self) -> Result<People> {
        let topics = self.open().await?.topics.len();
        let (confirmed, pending) = self.directory(FRESH).await?.counts();
        Ok(People { topics, confirmed, pending })
    }

    /// Ends the subscriptions of an address. One that is still pending cannot be ended: it lapses two days
    /// after it was asked for, and until then this answers [`Standing::Pending`].
    pub async fn unsubscribe(&self, email: &str) -> Result<Standing> {
        let open = self.open().await?;
        let directory = self.directory(Duration::ZERO).await?;
        let mut standing = Standing::None;
        for subscription in directory.of(email) {
            let Some(arn) = &subscription.arn else {
                standing = Standing::Pending;
                continue;
            };
            open.unsubscribe(arn).await?;
        }
        if standing == Standing::None {
            self.note(|directory| directory.remove(email));
        }
        Ok(standing)
    }

    /// The subscriptions, listed again where the last list is older than this. A list that cannot be had
    /// anew is better than none.
    async fn directory(&self, oldest: Duration) -> Result<Arc<Directory>> {
        let known = self.directory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((directory, _)) = known.as_ref().filter(|(_, read)| read.elapsed() < oldest) {
            return Ok(directory.clone());
        }
        let listed = match self.open().await?.list().await {
            Ok(listed) => Arc::new(listed),
            Err(error) => {
                let Some((directory, _)) = known else { return Err(error) };
                tracing::warn!("the topics' subscriptions are taken as they were: {error}");
                directory
            }
        };
        let mut known = self.directory.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((listed.clone(), Instant::now()));
        Ok(listed)
    }

    /// Changes what is known without asking SNS again.
    fn note(&self, change: impl FnOnce(&mut Directory)) {
        if let Some((directory, _)) = &mut *self.directory.lock().unwrap_or_else(PoisonError::into_inner) {
            change(Arc::make_mut(directory));
        }
    }
}

impl std::fmt::Debug for Sns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sns").field("options", &self.options).finish_non_exhaustive()
    }
}
