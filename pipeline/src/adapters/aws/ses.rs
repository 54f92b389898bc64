//! Mails through SES: for volume, HTML, and readers who confirmed their address by a link of ours.
//!
//! A mail goes out as the message it is (`SendEmail` of the API v2, raw content). SES writes a Message-ID
//! of its own over ours, so a mail that is sent again after a crash is another mail to its reader: the
//! sender works in small batches here ([`Ses::batch`]). Bounces and complaints come later, through a topic
//! and a queue (see [`super::bounces`]).
//!
//! Neither faster nor more than the account may: its limits are read at first and then every
//! [`REREAD`], and mails wait for their turn.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, RawMessage};
use futures::stream::{self, StreamExt};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep_until};

use super::Aws;
use super::error::{code, explain};
use super::ses_answer::{Answer, answer};
use super::ses_quota::Pace;
use crate::error::{Error, Result};
use crate::mailer::{Mail, Sent};

pub use super::ses_quota::Account;

/// How often the account's limits are read: they change by hand, and the day's count by sending.
pub const REREAD: Duration = Duration::from_secs(180);
/// Mails on their way at once, at most. A call takes a quarter of a second, more or less, so this is
/// enough for 256 mails a second; accounts start at 14.
const LANES: usize = 64;
/// Seconds of mails in a batch: what a crash may send twice.
const BATCH_SECONDS: f64 = 5.0;

/// SES as a mailer. Connects when there is something to send.
pub struct Ses {
    configuration_set: Option<String>,
    client: OnceCell<Client>,
    limits: Mutex<Limits>,
}

struct Limits {
    account: Option<(Account, Instant)>,
    pace: Pace,
}

impl Ses {
    /// The account that the environment names. A configuration set says where SES reports to, and more.
    pub fn new(configuration_set: Option<String>) -> Ses {
        let limits = Mutex::new(Limits { account: None, pace: Pace::new(1.0) });
        Ses { configuration_set, client: OnceCell::new(), limits }
    }

    /// The same in this account.
    pub fn of(aws: &Aws, configuration_set: Option<String>) -> Ses {
        let client = OnceCell::new_with(Some(Client::new(&aws.config)));
        Ses { client, ..Ses::new(configuration_set) }
    }

    async fn client(&self) -> Result<&Client> {
        let connect = async || Ok(Client::new(&Aws::from_env().await?.config));
        // What the environment lacks, a person must set.
        self.client.get_or_try_init(connect).await.map_err(|error: Error| Error::Fatal(error.to_string()))
    }

    /// How many mails to hand over at once: some seconds' worth.
    pub fn batch(&self) -> usize {
        let limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        let per_second = limits.account.as_ref().map_or(1.0, |(account, _)| account.per_second);
        // At most a few thousand, where the cast is exact.
        (per_second * BATCH_SECONDS).clamp(1.0, 10_000.0) as usize
    }

    /// What the account may send.
    ///
    /// # Errors
    /// `Retry` when SES is out of reach, `Fatal` where it may not be asked.
    pub async fn account(&self) -> Result<Account> {
        let client = self.client().await?;
        let found = client.get_account().send().await.map_err(|error| {
            match explain("reading what the account may send (ses:GetAccount)", error) {
                Error::Reject(why) => Error::Fatal(why),
                other => other,
            }
        })?;
        let quota = found.send_quota();
        Ok(Account {
            production: found.production_access_enabled(),
            enabled: found.sending_enabled(),
            standing: found.enforcement_status().unwrap_or("unknown").to_owned(),
            per_second: quota.map_or(1.0, |quota| quota.max_send_rate()),
            // -1 stands for no limit.
            per_day: quota.map(|quota| quota.max24_hour_send()).filter(|most| *most >= 0.0),
            sent: quota.map_or(0.0, |quota| quota.sent_last24_hours()),
        })
    }

    /// Whether SES knows an address or a domain as one that mails may be from.
    ///
    /// # Errors
    /// As [`Ses::account`].
    pub async fn verified(&self, identity: &str) -> Result<bool> {
        let client = self.client().await?;
        match client.get_email_identity().email_identity(identity).send().await {
            Ok(found) => Ok(found.verified_for_sending_status()),
            Err(error) if code(&error) == Some("NotFoundException") => Ok(false),
            Err(error) => Err(explain(format!("asking SES for {identity} (ses:GetEmailIdentity)"), error)),
        }
    }

    /// Reads the limits where they are old, and says whether mails may go.
    async fn allowed(&self) -> Result<()> {
        let known = {
            let limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
            limits.account.clone().filter(|(_, read)| read.elapsed() < REREAD)
        };
        if let Some((account, _)) = known {
            return account.check();
        }
        let account = self.account().await?;
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.pace.set(account.per_second);
        limits.account = Some((account.clone(), Instant::now()));
        account.check()
    }

    /// Sends mails; one outcome a mail, in their order.
    ///
    /// # Errors
    /// See [`crate::mailer::Mailer::send`]: `Retry` when SES is out of reach or the day's mails are sent,
    /// `Fatal` where a person must mend the account, its permissions or its sender.
    pub async fn send(&self, mails: &[Mail]) -> Result<Vec<Sent>> {
        if mails.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.client().await?;
        self.allowed().await?;
        let trouble = OnceCell::new();
        let mut sending = Vec::with_capacity(mails.len());
        for mail in mails {
            sending.push(self.one(client, mail, &trouble));
        }
        let answers: Vec<Option<Sent>> = stream::iter(sending).buffered(LANES).collect().await;
        match trouble.into_inner() {
            Some(error) if answers.iter().all(Option::is_none) => Err(error),
            trouble => {
                let why = trouble.map(|error| error.to_string()).unwrap_or_default();
                Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(|| Sent::Later(why.clone()))).collect())
            }
        }
    }

    /// Sends one mail when its turn comes; nothing where there is trouble that all mails have.
    async fn one(&self, client: &Client, mail: &Mail, trouble: &OnceCell<Error>) -> Option<Sent> {
        if let Some(problem) = unfit(mail) {
            return Some(problem);
        }
        if trouble.initialized() {
            return None;
        }
        let turn = self.limits.lock().unwrap_or_else(PoisonError::into_inner).pace.turn(Instant::now());
        sleep_until(turn).await;
        if trouble.initialized() {
            return None;
        }
        match self.call(client, mail).await {
            Answer::Sent(sent) => Some(sent),
            Answer::Trouble(error) => {
                // The first says it for all.
                let _ = trouble.set(error);
                None
            }
        }
    }

    async fn call(&self, client: &Client, mail: &Mail) -> Answer {
        let raw = match RawMessage::builder().data(Blob::new(mail.message.clone())).build() {
            Ok(raw) => raw,
            Err(cause) => return Answer::Trouble(Error::fatal("a raw message", cause)),
        };
        let request = client
            .send_email()
            .from_email_address(&mail.from)
            .destination(Destination::builder().to_addresses(&mail.to).build())
            .content(EmailContent::builder().raw(raw).build())
            .set_configuration_set_name(self.configuration_set.clone());
        match request.send().await {
            Ok(_) => {
                self.count();
                Answer::Sent(Sent::Delivered)
            }
            Err(SdkError::ServiceError(context)) => {
                let (error, set) = (context.err(), self.configuration_set.as_deref());
                let code = error.code().unwrap_or("unknown error");
                let answer = answer(code, error.message().unwrap_or("no details"), mail, set);
                if matches!(answer, Answer::Sent(Sent::Later(_))) {
                    self.limits.lock().unwrap_or_else(PoisonError::into_inner).pace.ease(Instant::now());
                }
                answer
            }
            // Nobody knows what became of it.
            Err(error @ (SdkError::TimeoutError(_) | SdkError::ResponseError(_))) => {
                Answer::Sent(Sent::Later(format!("no answer of SES: {}", DisplayErrorContext(&error))))
            }
            Err(error) => Answer::Trouble(match explain("sending a mail through SES", error) {
                Error::Reject(why) => Error::Fatal(why),
                other => other,
            }),
        }
    }

    /// One more of the day's mails, until the next look at the account.
    fn count(&self) {
        if let Some((account, _)) = &mut self.limits.lock().unwrap_or_else(PoisonError::into_inner).account {
            account.sent += 1.0;
        }
    }
}

/// Why SES takes no such mail, known without asking.
fn unfit(mail: &Mail) -> Option<Sent> {
    if !mail.to.is_ascii() {
        return Some(Sent::Refused(format!(
            "SES takes no address with letters beyond ASCII, such as {:?}; use the domain's form with xn--, or an SMTP server",
            mail.to
        )));
    }
    // The account's rows may hold what no header can; then there is no message.
    mail.message.is_empty().then(|| Sent::Bounced(format!("{:?} is no address", mail.to)))
}

impl std::fmt::Debug for Ses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ses").field("configuration_set", &self.configuration_set).finish_non_exhaustive()
    }
}
