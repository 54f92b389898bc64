//! SES' and SNS' less usual answers, from a server that gives them.

use super::fake::{Answer, Asked, serve};
use super::ses::Ses;
use super::sns::{Sns, SnsOptions, Standing};
use crate::clock::Arrival;
use crate::error::Error;
use crate::mailer::{Mail, Notice, Sent};

const ACCOUNT: &str = r#"{"SendingEnabled":true,"ProductionAccessEnabled":false,"EnforcementStatus":"HEALTHY","SendQuota":{"Max24HourSend":200,"MaxSendRate":100,"SentLast24Hours":3}}"#;

fn mail(to: &str) -> Mail {
    let (from, to) = ("bets@example.com".into(), format!("{to}@mail.test"));
    Mail { id: to.clone(), from, to, at: Arrival(0), message: "Subject: hi\r\n\r\nhi\r\n".into(), notice: None }
}

fn says(sent: &Sent, what: &str) -> bool {
    matches!(sent, Sent::Later(why) | Sent::Bounced(why) | Sent::Refused(why) if why.contains(what))
}

#[tokio::test]
async fn each_mail_to_ses_has_its_own_answer() {
    let (aws, asked) = serve(|asked: &Asked| {
        let text = |kind, message: &str| (400, kind, format!(r#"{{"message":"{message}"}}"#));
        match asked.path.as_str() {
            "/v2/email/account" => (200, "", ACCOUNT.into()),
            _ if asked.body.contains("none@") => text("BadRequestException", "Illegal address"),
            _ if asked.body.contains("sandbox@") => text(
                "MessageRejected",
                "Email address is not verified. The following identities failed the check in region US-EAST-1: sandbox@mail.test",
            ),
            _ => (200, "", r#"{"MessageId":"1"}"#.into()),
        }
    })
    .await;
    let ses = Ses::of(&aws, Some("bets".into()));
    let mails = ["ada", "none", "sandbox", "bob"].map(mail);
    let sent = ses.send(&mails).await.unwrap();
    assert_eq!((&sent[0], &sent[3]), (&Sent::Delivered, &Sent::Delivered));
    assert!(matches!(sent[1], Sent::Bounced(_)) && says(&sent[1], "Illegal address"), "{sent:?}");
    assert!(matches!(sent[2], Sent::Refused(_)) && says(&sent[2], "production access"), "{sent:?}");
    let account = ses.account().await.unwrap();
    assert_eq!(
        (account.production, account.per_second, account.per_day, account.sent),
        (false, 100.0, Some(200.0), 3.0)
    );
    assert_eq!(ses.batch(), 500);
    let asked = asked.lock().unwrap();
    let sends: Vec<&Asked> = asked.iter().filter(|asked| asked.path == "/v2/email/outbound-emails").collect();
    assert_eq!(sends.len(), 4);
    // The limits are read once, and when they are asked for.
    assert_eq!(asked.len() - sends.len(), 2);
    assert!(sends.iter().all(|asked| asked.body.contains(r#""ConfigurationSetName":"bets""#)), "{}", sends[0].body);
}

#[tokio::test]
async fn what_all_mails_have_is_the_mailers_trouble() {
    for (path, answer, says) in [
        ("outbound", (400, "SendingPausedException", r#"{"message":"paused"}"#), "put-account-sending-attributes"),
        ("outbound", (403, "AccessDeniedException", r#"{"message":"not authorized"}"#), "allow ses:SendEmail"),
        ("account", (403, "AccessDeniedException", r#"{"message":"not authorized"}"#), "ses:GetAccount"),
        ("account", (200, "", r#"{"SendingEnabled":false,"EnforcementStatus":"SHUTDOWN"}"#), "SHUTDOWN"),
    ] {
        let (aws, _) = serve(move |asked: &Asked| match asked.path.contains(path) {
            true => (answer.0, answer.1, answer.2.to_owned()),
            false => (200, "", ACCOUNT.to_owned()),
        })
        .await;
        let error = Ses::of(&aws, None).send(&["a", "b"].map(mail)).await.unwrap_err();
        assert!(matches!(&error, Error::Fatal(why) if why.contains(says)), "{error}");
    }
    let used = ACCOUNT.replace(":3}", ":200}");
    let (aws, _) = serve(move |_: &Asked| (200, "", used.clone())).await;
    let error = Ses::of(&aws, None).send(&[mail("a")]).await.unwrap_err();
    assert!(matches!(&error, Error::Retry(why) if why.contains("200 of 200")), "{error}");
}

/// One topic, and who is subscribed to it.
fn topic(asked: &Asked, topics: usize) -> Option<Answer> {
    let xml = |name: &str, inside: &str| {
        Some((
            200,
            "",
            format!(
                "<{name}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><{name}Result>{inside}</{name}Result></{name}Response>"
            ),
        ))
    };
    match asked.form("Action").first()?.as_str() {
        "ListTopics" => {
            let member = |n| format!("<member><TopicArn>arn:aws:sns:us-east-1:1:o-mail-{n}</TopicArn></member>");
            xml("ListTopics", &format!("<Topics>{}</Topics>", (0..topics).map(member).collect::<String>()))
        }
        "ListSubscriptionsByTopic" if asked.body.contains("mail-0") => xml(
            "ListSubscriptionsByTopic",
            "<Subscriptions><member><Endpoint>joe@mail.test</Endpoint><Protocol>email</Protocol><SubscriptionArn>PendingConfirmation</SubscriptionArn></member>\
             <member><Endpoint>ann@mail.test</Endpoint><Protocol>email</Protocol><SubscriptionArn>arn:x</SubscriptionArn></member>\
             <member><Endpoint>gone@mail.test</Endpoint><Protocol>email</Protocol><SubscriptionArn>Deleted</SubscriptionArn></member>\
             <member><Endpoint>arn:queue</Endpoint><Protocol>sqs</Protocol><SubscriptionArn>arn:y</SubscriptionArn></member></Subscriptions>",
        ),
        "ListSubscriptionsByTopic" => xml("ListSubscriptionsByTopic", "<Subscriptions/>"),
        _ => None,
    }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    let error = format!("<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>");
    (
        status,
        "",
        format!(
            "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error>{error}</Error></ErrorResponse>"
        ),
    )
}

fn notice(text: &str) -> Notice {
    let (person, subject) = ("ada".into(), "hi".into());
    Notice { person, subject, text: text.into(), data: String::new(), attributes: vec![] }
}

#[tokio::test]
async fn what_fails_in_a_batch_is_tried_alone() {
    let (aws, asked) = serve(|asked: &Asked| {
        if let Some(answer) = topic(asked, 1) {
            return answer;
        }
        let messages = asked.form(".Message");
        let alone = messages.len() == 1;
        let member = |(id, text): (usize, &String)| {
            let failed = match () {
                () if text.contains("bad") => Some(("InvalidParameter", true)),
                () if text.contains("never") || (text.contains("flaky") && !alone) => Some(("InternalError", false)),
                () => None,
            };
            match failed {
                None => (format!("<member><Id>{id}</Id><MessageId>m</MessageId></member>"), String::new()),
                Some((code, fault)) => (
                    String::new(),
                    format!("<member><Id>{id}</Id><Code>{code}</Code><SenderFault>{fault}</SenderFault></member>"),
                ),
            }
        };
        let (taken, failed): (String, String) = messages.iter().enumerate().map(member).unzip();
        let inside = format!("<Successful>{taken}</Successful><Failed>{failed}</Failed>");
        (200, "", format!("<PublishBatchResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishBatchResult>{inside}</PublishBatchResult></PublishBatchResponse>"))
    })
    .await;
    let sns = Sns::of(&aws, SnsOptions::new("o-")).await.unwrap();
    let mut texts = ["good"; 12];
    (texts[3], texts[7], texts[11]) = ("bad", "flaky", "never");
    let notices: Vec<Notice> = texts.iter().map(|text| notice(text)).collect();
    let sent = sns.publish(&notices.iter().map(|notice| (notice, "")).collect::<Vec<_>>()).await.unwrap();
    for (text, sent) in texts.iter().zip(&sent) {
        match *text {
            "bad" => assert!(matches!(sent, Sent::Refused(why) if why.contains("InvalidParameter")), "{sent:?}"),
            "never" => assert!(matches!(sent, Sent::Later(why) if why.contains("InternalError")), "{sent:?}"),
            _ => assert_eq!(*sent, Sent::Delivered, "{text}"),
        }
    }
    let sizes: Vec<usize> =
        asked.lock().unwrap().iter().map(|asked| asked.form(".Message").len()).filter(|n| *n > 0).collect();
    // Ten and two; then the two that failed by themselves; then the one that still does.
    let mut sorted = sizes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [1, 1, 1, 2, 10], "{sizes:?}");
}

#[tokio::test]
async fn topics_say_what_must_be_mended() {
    let (aws, _) = serve(|asked: &Asked| {
        topic(asked, 1).unwrap_or_else(|| error(403, "AuthorizationError", "not authorized to perform: SNS:Publish"))
    })
    .await;
    let sns = Sns::of(&aws, SnsOptions::new("o-")).await.unwrap();
    let failed = sns.publish(&[(&notice("good"), "")]).await.unwrap_err();
    assert!(matches!(&failed, Error::Fatal(why) if why.contains("SNS:Publish")), "{failed}");
    // A request that is refused as a whole is the fault of one of its messages, or of the only one.
    let (aws, asked) = serve(|asked: &Asked| {
        topic(asked, 1).unwrap_or_else(|| error(400, "InvalidParameter", "Invalid parameter: Message"))
    })
    .await;
    let sns = Sns::of(&aws, SnsOptions::new("o-")).await.unwrap();
    let notices = [notice("a"), notice("b")];
    let sent = sns.publish(&notices.each_ref().map(|notice| (notice, ""))).await.unwrap();
    assert!(sent.iter().all(|sent| matches!(sent, Sent::Refused(why) if why.contains("Message"))), "{sent:?}");
    assert_eq!(asked.lock().unwrap().iter().filter(|asked| asked.body.contains("PublishBatch&")).count(), 3);
}

#[tokio::test]
async fn a_full_topic_hands_people_to_the_next() {
    let (aws, asked) = serve(|asked: &Asked| {
        if let Some(answer) = topic(asked, 2) {
            return answer;
        }
        match asked.body.as_str() {
            body if body.contains("Action=Unsubscribe") => (200, "", "<UnsubscribeResponse/>".into()),
            body if body.contains("other%40") => {
                error(400, "InvalidParameter", "Invalid parameter: Attributes Reason: Subscription already exists with different attributes")
            }
            body if body.contains("mail-1") => error(403, "FilterPolicyLimitExceeded", "too many"),
            _ => (200, "", "<SubscribeResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><SubscribeResult><SubscriptionArn>pending confirmation</SubscriptionArn></SubscribeResult></SubscribeResponse>".into()),
        }
    })
    .await;
    let sns = Sns::of(&aws, SnsOptions::new("o-")).await.unwrap();
    // As listed.
    assert_eq!(sns.state("p", "ann@mail.test").await.unwrap(), Standing::Confirmed);
    assert_eq!(sns.state("p", "joe@mail.test").await.unwrap(), Standing::Pending);
    assert_eq!(sns.state("p", "gone@mail.test").await.unwrap(), Standing::None);
    assert_eq!(sns.state("p", "arn:queue").await.unwrap(), Standing::None);
    let people = sns.people().await.unwrap();
    assert_eq!((people.topics, people.confirmed, people.pending), (2, 1, 1));
    assert_eq!(sns.subscribe("p", "ann@mail.test").await.unwrap(), Standing::Confirmed);
    for person in 0..8 {
        assert_eq!(
            sns.subscribe(&person.to_string(), &format!("{person}@mail.test")).await.unwrap(),
            Standing::Pending
        );
    }
    {
        let asked = asked.lock().unwrap();
        let subscribes: Vec<&Asked> = asked.iter().filter(|asked| asked.body.contains("Action=Subscribe")).collect();
        // The full one is asked once; each has a filter.
        assert_eq!(subscribes.iter().filter(|asked| asked.body.contains("mail-1")).count(), 1);
        assert_eq!(subscribes.len(), 9);
        assert!(subscribes.iter().all(|asked| asked.body.contains("FilterPolicy") && asked.body.contains("user_id")));
    }
    let shared = sns.subscribe("q", "other@mail.test").await.unwrap_err();
    assert!(matches!(&shared, Error::Reject(why) if why.contains("one address, one account")), "{shared}");
    assert_eq!(sns.unsubscribe("joe@mail.test").await.unwrap(), Standing::Pending);
    assert_eq!(sns.unsubscribe("ann@mail.test").await.unwrap(), Standing::None);
}
