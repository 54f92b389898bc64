//! Which way of mail fits an account: what SES and SNS say of it, each problem with its fix.
//!
//! SES is for volume, HTML and links of our own, and asks for a verified domain, production access and a
//! reader of bounces. SNS asks for none of that: a topic or a few, plain text, and a person's subscription
//! for each of a few thousand people at most.

use super::Aws;
use super::bounces::{Bounces, NAME};
use super::check::Finding;
use super::ses::{Account, Ses};
use super::sns::{Sns, SnsOptions};
use super::sns_topics;
use crate::error::{Error, Result};

/// The way that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// SES.
    Ses,
    /// SNS.
    Sns,
    /// Neither: then nothing here is a problem.
    Neither,
}

/// What is known of an account; texts say why something is not.
#[derive(Debug, Clone, PartialEq)]
struct Facts {
    ses: std::result::Result<Account, String>,
    /// Whether SES knows the sender.
    verified: std::result::Result<bool, String>,
    queue: std::result::Result<bool, String>,
    sns: std::result::Result<People, String>,
}

/// How many the topics hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct People {
    /// Topics.
    pub topics: usize,
    /// Email subscriptions whose owners confirmed.
    pub confirmed: usize,
    /// Those that SNS has asked.
    pub pending: usize,
}

/// Checks the account for mails from this sender, and says which way fits it.
///
/// # Errors
/// `Retry` where AWS is out of reach; what is not allowed or not there is a finding.
pub async fn all(aws: &Aws, prefix: &str, from: &str, way: Way) -> Result<Vec<Finding>> {
    let ses = Ses::of(aws, None);
    let domain = from.rsplit('@').next().unwrap_or_default();
    let verified = async { Ok(ses.verified(domain).await? || ses.verified(from).await?) };
    let people = async { Sns::of(aws, SnsOptions::new(prefix)).await?.people().await };
    let facts = Facts {
        ses: known(ses.account().await)?,
        verified: known(verified.await)?,
        queue: known(Bounces::find(aws, prefix).await.map(|queue| queue.is_some()))?,
        sns: known(people.await)?,
    };
    Ok(judge(&facts, prefix, from, way))
}

fn known<T>(found: Result<T>) -> Result<std::result::Result<T, String>> {
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(Error::Reject(why) | Error::Fatal(why)) => Ok(Err(why)),
        Err(other) => Err(other),
    }
}

fn judge(facts: &Facts, prefix: &str, from: &str, way: Way) -> Vec<Finding> {
    let (ses, sns) = (ses(facts, prefix, from), sns(facts, prefix));
    let fit = fits(facts, ses.iter().any(Finding::is_problem));
    let mut findings = vec![Finding::Good(fit)];
    // What is not used need not be mended, yet may be of interest.
    let shown = |of: Way, all: Vec<Finding>| all.into_iter().filter(move |one| of == way || !one.is_problem());
    findings.extend(shown(Way::Ses, ses));
    findings.extend(shown(Way::Sns, sns));
    findings
}

fn problem(what: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding::Problem { what: what.into(), fix: fix.into() }
}

fn ses(facts: &Facts, prefix: &str, from: &str) -> Vec<Finding> {
    let domain = from.rsplit('@').next().unwrap_or_default();
    let mut findings = Vec::new();
    match &facts.ses {
        Err(why) => findings.push(problem(why, "allow ses:GetAccount")),
        Ok(account) if !account.production => findings.push(problem(
            format!("SES is in its sandbox: {}, to verified addresses only", limits(account)),
            "ask for production access in the SES console; a day or two",
        )),
        Ok(account) => match account.check() {
            Ok(()) => findings.push(Finding::Good(format!("SES sends {}", limits(account)))),
            Err(why) => findings.push(problem(why.to_string(), "see above")),
        },
    }
    findings.push(match &facts.verified {
        Err(why) => problem(why, "allow ses:GetEmailIdentity"),
        Ok(true) => Finding::Good(format!("SES knows the sender {from}")),
        Ok(false) => problem(
            format!("SES does not know the sender {from}"),
            format!(
                "aws sesv2 create-email-identity --email-identity {domain}, then publish the DKIM records it shows"
            ),
        ),
    });
    let queue = format!("{prefix}{NAME}");
    findings.push(match &facts.queue {
        Err(why) => problem(why, format!("allow sqs:GetQueueUrl, sqs:ReceiveMessage and sqs:DeleteMessage on {queue}")),
        Ok(true) => Finding::Good(format!("queue {queue} brings bounces and complaints")),
        Ok(false) => problem(
            format!(
                "queue {queue} is missing: who bounced or complained is written to again, and SES pauses such accounts"
            ),
            "create the queue and a topic in front of it, and have SES report bounces and complaints to the topic",
        ),
    });
    findings
}

fn sns(facts: &Facts, prefix: &str) -> Vec<Finding> {
    match &facts.sns {
        Ok(People { topics, confirmed, pending }) => {
            let most = *topics * SnsOptions::new(prefix).policies_per_topic as usize;
            let of =
                format!("{topics} topics {prefix}mail-… for {most} people: {confirmed} confirmed, {pending} asked");
            match confirmed + pending >= most {
                true => vec![problem(
                    format!("{of}; they are full"),
                    format!("create {}", sns_topics::name(prefix, *topics)),
                )],
                false => vec![Finding::Good(of)],
            }
        }
        Err(why) => {
            vec![problem(why, "allow sns:ListTopics, sns:ListSubscriptionsByTopic, sns:Subscribe and sns:Publish")]
        }
    }
}

fn fits(facts: &Facts, trouble: bool) -> String {
    match (trouble, &facts.ses, &facts.sns) {
        (false, ..) => "mail.server = ses fits: HTML, links of our own, any number of people".into(),
        (true, Ok(account), _) if account.production => {
            "mail.server = ses fits once its problems are mended; sns till then, in plain text for a few thousand people".into()
        }
        (true, _, Ok(People { topics, .. })) => format!(
            "mail.server = sns fits: plain text for {} people, each by a subscription; ses needs production access",
            topics * 200
        ),
        (true, ..) => "mail.server = sns fits: a topic is all that it needs; ses needs production access".into(),
    }
}

fn limits(account: &Account) -> String {
    match account.per_day {
        Some(most) => format!("{} mails a second, {most:.0} a day ({:.0} sent)", account.per_second, account.sent),
        None => format!("{} mails a second", account.per_second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_that_fits_is_said_and_only_the_chosen_one_has_problems() {
        let account = Account {
            production: true,
            enabled: true,
            standing: "HEALTHY".into(),
            per_second: 14.0,
            per_day: Some(50_000.0),
            sent: 7.0,
        };
        let good = Facts {
            ses: Ok(account.clone()),
            verified: Ok(true),
            queue: Ok(true),
            sns: Ok(People { topics: 2, confirmed: 10, pending: 3 }),
        };
        let sandbox = Facts { ses: Ok(Account { production: false, ..account.clone() }), ..good.clone() };
        let paused = Facts { ses: Ok(Account { enabled: false, ..account }), ..good.clone() };
        let unknown = Facts { verified: Ok(false), queue: Ok(false), ..good.clone() };
        let full = Facts { sns: Ok(People { topics: 1, confirmed: 150, pending: 50 }), ..good.clone() };
        let nothing = Facts {
            ses: Err("denied".into()),
            verified: Err("denied".into()),
            queue: Err("denied".into()),
            sns: Err("there is no topic o-mail-0".into()),
        };
        for (facts, way, fit, problems) in [
            (&good, Way::Ses, "ses fits: HTML", &[][..]),
            (&good, Way::Sns, "ses fits: HTML", &[]),
            (&sandbox, Way::Ses, "sns fits: plain text for 400 people", &["sandbox"]),
            (&sandbox, Way::Sns, "sns fits", &[]),
            (&paused, Way::Ses, "once its problems are mended", &["sending-enabled"]),
            (
                &unknown,
                Way::Ses,
                "once its problems are mended",
                &["does not know the sender", "o-mail-bounces is missing"],
            ),
            (&full, Way::Sns, "ses fits", &["create o-mail-1"]),
            (
                &nothing,
                Way::Ses,
                "a topic is all that it needs",
                &["ses:GetAccount", "ses:GetEmailIdentity", "sqs:GetQueueUrl"],
            ),
            (&nothing, Way::Sns, "a topic is all that it needs", &["sns:ListTopics"]),
            (&nothing, Way::Neither, "a topic is all that it needs", &[]),
        ] {
            let findings = judge(facts, "o-", "bets@example.com", way);
            assert!(findings[0].to_string().contains(fit), "{}", findings[0]);
            let found: Vec<String> = findings.iter().filter(|one| one.is_problem()).map(ToString::to_string).collect();
            assert_eq!(found.len(), problems.len(), "{way:?} {found:#?}");
            assert!(found.iter().zip(problems).all(|(found, says)| found.contains(says)), "{found:#?}");
        }
    }
}
