//! Mails on AWS: letters through SES, notices through SNS with a queue as a tap, and bounces from SQS.
//!
//! The server keeps no subscription pending, so a person's email subscription is confirmed at once here;
//! on AWS the owner confirms it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jobs::node::{Node, NodeOptions};
use jobs::notify::bounce_queue;
use jobs::notify::choose::SuppressionRow;
use jobs::notify::due::Due;
use jobs::notify::letter;
use jobs::notify::sender::Sender;
use jobs::notify::subscribe::AskedRow;
use jobs::notify::{MailOptions, MailServer};
use pipeline::adapters::aws::bounces::Bounces;
use pipeline::adapters::aws::mail_check::{self, Way};
use pipeline::adapters::aws::ses::Ses;
use pipeline::adapters::aws::sns::{Sns, SnsOptions, Standing};
use pipeline::adapters::aws::{Aws, sns_topics};
use pipeline::engine::Stop;
use pipeline::fault::Faults;
use pipeline::mailer::{Mail, Mailer, Notice, Sent};
use pipeline::metrics::Metrics;
use pipeline::record::Position;
use pipeline::tables::{Commit, Tables};
use pipeline::{Arrival, Clock, Error};
use schemas::ids::{Address, NotificationId};
use schemas::mail::DigestChoice;
use schemas::notification::Notification;
use schemas::outbox::{OutboxRow, OutboxState};
use schemas::row::Row;
use schemas::user::UserRow;
use serde_json::Value;
use tests::{http, servers};

fn mail(to: &str, message: &str) -> Mail {
    let (id, from, at) = (to.replace('@', "-"), "bets@example.com".into(), Arrival(0));
    Mail { id, from, to: to.into(), at, message: message.into(), notice: None }
}

fn notice(person: &str, text: &str) -> Notice {
    let (subject, data) = (format!("about {person}"), format!("{{\"text\":\"{text}\"}}"));
    let attributes = vec![("event", "bet_won".to_owned()), ("question_uuid", "q-1".to_owned())];
    Notice { person: person.into(), subject, text: text.into(), data, attributes }
}

/// A queue subscribed to topics, with a filter or without.
struct Tap {
    client: aws_sdk_sqs::Client,
    url: String,
}

/// A message as a subscriber gets it.
#[derive(Debug)]
struct Tapped {
    subject: String,
    message: String,
    attributes: BTreeMap<String, String>,
}

impl Tap {
    async fn new(aws: &Aws, name: &str, topics: &[String], filter: Option<&str>) -> Tap {
        let client = aws_sdk_sqs::Client::new(&aws.config);
        let url = client.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap();
        let arn = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
        let found = client.get_queue_attributes().queue_url(&url).attribute_names(arn.clone()).send().await.unwrap();
        let arn = found.attributes().unwrap()[&arn].clone();
        let sns = aws_sdk_sns::Client::new(&aws.config);
        for topic in topics {
            let request = sns.subscribe().topic_arn(topic).protocol("sqs").endpoint(&arn);
            let filter = filter.map(|filter| HashMap::from([("FilterPolicy".to_owned(), filter.to_owned())]));
            request.set_attributes(filter).send().await.unwrap();
        }
        Tap { client, url }
    }

    /// What came, until nothing comes for a second.
    async fn take(&self) -> Vec<Tapped> {
        let mut all = Vec::new();
        loop {
            let request = self.client.receive_message().queue_url(&self.url).max_number_of_messages(10);
            let messages = request.wait_time_seconds(1).send().await.unwrap().messages.unwrap_or_default();
            if messages.is_empty() {
                return all;
            }
            for message in messages {
                let receipt = message.receipt_handle().unwrap();
                self.client.delete_message().queue_url(&self.url).receipt_handle(receipt).send().await.unwrap();
                let body: Value = serde_json::from_str(message.body().unwrap()).unwrap();
                let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
                let attributes = body["MessageAttributes"].as_object().cloned().unwrap_or_default();
                let value = |value: &Value| value["Value"].as_str().unwrap_or_default().to_owned();
                let attributes = attributes.iter().map(|(name, attribute)| (name.clone(), value(attribute))).collect();
                all.push(Tapped { subject: text("Subject"), message: text("Message"), attributes });
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ses_sends_each_mail_as_it_is() {
    let server = servers::ministack();
    let aws = server.account(31);
    let identities = aws_sdk_sesv2::Client::new(&aws.config);
    identities.create_email_identity().email_identity("bets@example.com").send().await.unwrap();
    let ses = Ses::of(&aws, None);
    assert_eq!(ses.batch(), 5, "the sandbox's rate until the account is known");
    let message = "From: bets@example.com\r\nTo: ada@mail.test\r\nSubject: You won\r\n\r\nHello Ada\r\n";
    let mails = [mail("ada@mail.test", message), mail("j\u{f6}rg@mail.test", message), mail("bob@mail.test", message)];
    let sent = ses.send(&mails).await.unwrap();
    assert_eq!((&sent[0], &sent[2]), (&Sent::Delivered, &Sent::Delivered));
    assert!(matches!(&sent[1], Sent::Refused(why) if why.contains("xn--")), "{sent:?}");
    let account = ses.account().await.unwrap();
    assert!(account.enabled && account.per_second > 0.0, "{account:?}");
    let page = http::get(&server.endpoint(), "/_ministack/ses/messages").await;
    let text = page.to_string();
    assert!(text.contains("You won") && text.contains("bob@mail.test"), "{text}");
    let missing = Ses::of(&Aws::at("http://127.0.0.1:1", "100000000000"), None);
    assert!(matches!(missing.send(&mails).await, Err(Error::Retry(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_told_which_way_fits() {
    let server = servers::ministack();
    let aws = server.account(36);
    let check = async || -> Vec<String> {
        let findings = mail_check::all(&aws, "o-", "bets@example.com", Way::Ses).await.unwrap();
        findings.iter().map(ToString::to_string).collect()
    };
    let missing = check().await.concat();
    assert!(missing.contains("SES does not know the sender bets@example.com"), "{missing}");
    assert!(missing.contains("queue o-mail-bounces is missing"), "{missing}");
    aws_sdk_sesv2::Client::new(&aws.config).create_email_identity().email_identity("example.com").send().await.unwrap();
    aws_sdk_sqs::Client::new(&aws.config).create_queue().queue_name("o-mail-bounces").send().await.unwrap();
    sns_topics::create(&aws, "o-", 2).await.unwrap();
    let there = check().await.concat();
    assert!(there.contains("SES knows the sender") && there.contains("brings bounces"), "{there}");
    assert!(there.contains("2 topics o-mail-… for 400 people: 0 confirmed, 0 asked"), "{there}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sns_tells_each_subscriber_what_they_filter_for() {
    let server = servers::ministack();
    let aws = server.account(32);
    let missing = Sns::of(&aws, SnsOptions::new("o-")).await.unwrap_err();
    assert!(matches!(&missing, Error::Reject(why) if why.contains("no topic o-mail-0")), "{missing}");
    let topics = sns_topics::create(&aws, "o-", 3).await.unwrap();
    let sns = Sns::of(&aws, SnsOptions::new("o-")).await.unwrap();
    let everybody = Tap::new(&aws, "everybody", &topics, None).await;
    let ada = Tap::new(&aws, "ada", &topics, Some(r#"{"user_id":["ada"]}"#)).await;
    let people = ["ada", "bob", "eve"];
    let notices: Vec<Notice> = (0..45).map(|number| notice(people[number % 3], &format!("text {number}"))).collect();
    let mut given: Vec<(&Notice, &str)> = notices.iter().map(|notice| (notice, "")).collect();
    let large = notice("ada", &"x".repeat(300_000));
    given.push((&large, ""));
    let sent = sns.publish(&given).await.unwrap();
    assert!(sent[..45].iter().all(|sent| *sent == Sent::Delivered), "{sent:?}");
    assert!(matches!(sent[45], Sent::Refused(_)), "{:?}", sent[45]);
    assert_eq!(everybody.take().await.len(), 45);
    let hers = ada.take().await;
    assert_eq!(hers.len(), 15);
    for tapped in &hers {
        assert_eq!(tapped.subject, "about ada");
        assert!(tapped.message.starts_with(r#"{"text":"text "#), "{tapped:?}");
        let expected = [("event", "bet_won"), ("question_uuid", "q-1"), ("user_id", "ada")];
        assert_eq!(tapped.attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_subscribed_without_a_filter_and_full_topics_are_said() {
    let server = servers::ministack();
    let aws = server.account(33);
    let topics = sns_topics::create(&aws, "o-", 2).await.unwrap();
    let options = SnsOptions { policies_per_topic: 2, ..SnsOptions::new("o-") };
    let sns = Sns::of(&aws, options.clone()).await.unwrap();
    let people = ["ada", "bob", "eve", "joe"].map(|name| (name, format!("{name}@mail.test")));
    for (person, email) in &people {
        assert_eq!(sns.state(person, email).await.unwrap(), Standing::None);
        assert_ne!(sns.subscribe(person, email).await.unwrap(), Standing::None);
        // Asked again it is the same subscription.
        sns.subscribe(person, email).await.unwrap();
    }
    let full = sns.subscribe("max", "max@mail.test").await.unwrap_err();
    let says = "all 2 topics o-mail-0 to o-mail-1 are full (2 filter policies each); create o-mail-2";
    assert!(matches!(&full, Error::Reject(why) if why.contains(says)), "{full}");
    assert!(matches!(sns.subscribe("", "x@mail.test").await, Err(Error::Reject(_))));
    let client = aws_sdk_sns::Client::new(&aws.config);
    let mut filters = BTreeMap::new();
    for topic in &topics {
        let listed = client.list_subscriptions_by_topic().topic_arn(topic).send().await.unwrap();
        assert_eq!(listed.subscriptions().len(), 2, "{listed:?}");
        for subscription in listed.subscriptions() {
            let arn = subscription.subscription_arn().unwrap();
            // A pending one has no name to ask for.
            if arn.starts_with("arn:") {
                let found = client.get_subscription_attributes().subscription_arn(arn).send().await.unwrap();
                let filter = found.attributes().unwrap()["FilterPolicy"].clone();
                filters.insert(subscription.endpoint().unwrap().to_owned(), filter);
            }
        }
    }
    for (email, filter) in &filters {
        assert_eq!(*filter, format!(r#"{{"user_id":["{}"]}}"#, email.split('@').next().unwrap()));
    }
    // Another process finds the same people where they are, and a new topic has room.
    sns_topics::create(&aws, "o-", 3).await.unwrap();
    let other = Sns::of(&aws, options).await.unwrap();
    for (person, email) in &people {
        assert_ne!(other.state(person, email).await.unwrap(), Standing::None, "{person}");
    }
    assert_ne!(other.subscribe("max", "max@mail.test").await.unwrap(), Standing::None);
    if other.unsubscribe("max@mail.test").await.unwrap() == Standing::None {
        assert_eq!(other.state("max", "max@mail.test").await.unwrap(), Standing::None);
    }
}

/// Changes of one person's bets, all at once, and how they are told through topics.
struct Burst {
    aws: Aws,
    tap: Tap,
    node: Node,
    ids: Vec<NotificationId>,
}

impl Burst {
    async fn new(aws: Aws, changes: u64, digest: Option<DigestChoice>) -> Burst {
        let topics = sns_topics::create(&aws, "o-", 2).await.unwrap();
        let tap = Tap::new(&aws, "tap", &topics, None).await;
        let node = Node::open(NodeOptions::default(), Clock::manual(Arrival(10_000))).unwrap();
        let (mut commit, mut ids) = (Commit::default(), Vec::new());
        // Nobody has confirmed anything, and there is no address: queues are told all the same.
        let mut user = UserRow::new(Address::from_bytes([1; 20]));
        user.mail.digest = digest;
        commit.put(UserRow::TABLE, user.address.as_bytes().to_vec(), user.to_bytes());
        for number in 0..changes {
            let told: Notification = serde_json::from_str(&format!(
                r#"{{"notification_id":"00000000-0000-4000-8001-{number:012x}","address":"{}","event":"bet_won","bet_uuid":"00000000-0000-4000-8002-{number:012x}","question_uuid":"00000000-0000-4000-8003-000000000000","outcome_index":0,"status_version":2,"status":"won","buy_amount":"1","odds":"2","payout":"2","at":{}}}"#,
                user.address,
                2_000 + number
            ))
            .unwrap();
            ids.push(told.notification_id);
            let (key, value) = Due::Mail(told.notification_id).entry(told.at, Position::new(number.into()));
            commit.put(jobs::notify::due::TABLE, key, value);
            commit.put(OutboxRow::TABLE, told.notification_id.as_bytes().to_vec(), OutboxRow::pending(told).to_bytes());
        }
        node.tables.commit(commit).unwrap();
        Burst { aws, tap, node, ids }
    }

    /// Sends what is due at this time, and says what the topics were told of each kind.
    async fn told(&self, at: i64) -> BTreeMap<String, Vec<String>> {
        self.node.clock.advance_to(Arrival(at));
        let writer = letter::Sender::new("Oddsmill <bets@example.com>", "Oddsmill", "USDC").unwrap();
        let server = MailServer::Sns { prefix: "o-".into() };
        let sender = Sender {
            tables: Tables::Embedded(self.node.tables.clone()),
            clock: self.node.clock.clone(),
            metrics: Metrics::default(),
            faults: Faults::none(),
            mailer: Arc::new(Mailer::Sns(Sns::of(&self.aws, SnsOptions::new("o-")).await.unwrap())),
            options: MailOptions { server, sender: writer, digest_after: 1_000, rate: 0 },
        };
        let stop = Stop::default();
        stop.when_drained();
        sender.run(stop).await.unwrap();
        let mut told = BTreeMap::<String, Vec<String>>::new();
        for tapped in self.tap.take().await {
            told.entry(tapped.attributes["event"].clone()).or_default().push(tapped.message);
        }
        told
    }

    fn states(&self) -> BTreeMap<OutboxState, usize> {
        let keys: Vec<Vec<u8>> = self.ids.iter().map(|id| id.as_bytes().to_vec()).collect();
        let mut states = BTreeMap::new();
        for row in self.node.tables.get_all(OutboxRow::TABLE, &keys).unwrap() {
            *states.entry(OutboxRow::from_bytes(&row.unwrap()).unwrap().state).or_default() += 1;
        }
        states
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_for_one_person_is_five_messages_and_digests() {
    let server = servers::ministack();
    let burst = Burst::new(server.account(34), 640, None).await;
    let first = burst.told(10_000).await;
    assert_eq!(first.iter().map(|(kind, all)| (kind.as_str(), all.len())).collect::<Vec<_>>(), [("bet_won", 5)]);
    // The rest comes at the minute's end, a hundred in a message; of those too five in a second.
    let since = tokio::time::Instant::now();
    let rest = burst.told(60_000).await;
    assert!(since.elapsed() > Duration::from_secs(1 + 1), "a second between them, and one until the tap is empty");
    assert_eq!(rest.keys().collect::<Vec<_>>(), ["digest"]);
    let lists = rest["digest"].iter().map(|text| serde_json::from_str::<Vec<Notification>>(text).unwrap());
    let told: BTreeSet<NotificationId> = lists.flatten().map(|told| told.notification_id).collect();
    assert_eq!((rest["digest"].len(), told.len()), (7, 635));
    assert_eq!(burst.states(), BTreeMap::from([(OutboxState::Sent, 640)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_to_subscribe_once_an_address() {
    let server = servers::ministack();
    let burst = Burst::new(server.account(38), 12, Some(DigestChoice::Never)).await;
    let client = aws_sdk_sns::Client::new(&burst.aws.config);
    let addresses = async || -> Vec<String> {
        let listed = client.list_subscriptions().send().await.unwrap();
        let emails = listed.subscriptions().iter().filter(|listed| listed.protocol() == Some("email"));
        emails.map(|listed| listed.endpoint().unwrap().to_owned()).collect()
    };
    let address = Address::from_bytes([1; 20]);
    let key = address.as_bytes().to_vec();
    let set = |email: &str| {
        let mut user = UserRow::new(address);
        (user.email, user.mail.digest) = (Some(email.to_owned()), Some(DigestChoice::Never));
        let mut commit = Commit::default();
        commit.put(UserRow::TABLE, key.clone(), user.to_bytes());
        burst.node.tables.commit(commit).unwrap();
    };
    set("old@mail.test");
    assert_eq!(burst.told(10_000).await["bet_won"].len(), 5);
    assert_eq!(addresses().await, ["old@mail.test"]);
    set("ada@mail.test");
    assert_eq!(burst.told(11_000).await["bet_won"].len(), 5);
    assert_eq!(addresses().await, ["ada@mail.test"], "the address given up is subscribed no more");
    let row = burst.node.tables.get(AskedRow::TABLE, &key).unwrap().unwrap();
    assert_eq!(AskedRow::from_bytes(&row).unwrap().email, "ada@mail.test");
    // Whoever left is not asked again.
    let sns = Sns::of(&burst.aws, SnsOptions::new("o-")).await.unwrap();
    assert_eq!(sns.unsubscribe("ada@mail.test").await.unwrap(), Standing::None);
    assert_eq!(burst.told(12_000).await["bet_won"].len(), 2);
    assert!(addresses().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_no_digests_waits_instead() {
    let server = servers::ministack();
    let burst = Burst::new(server.account(37), 12, Some(DigestChoice::Never)).await;
    for (second, expected) in [(10, 5), (11, 5), (12, 2)] {
        let told = burst.told(second * 1_000).await;
        assert_eq!(told.get("bet_won").map(Vec::len), Some(expected), "{told:?}");
    }
    assert_eq!(burst.states(), BTreeMap::from([(OutboxState::Sent, 12)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_is_stored_before_it_is_deleted_and_a_bad_message_stays() {
    let server = servers::ministack();
    let aws = server.account(35);
    assert!(Bounces::find(&aws, "o-").await.unwrap().is_none());
    let client = aws_sdk_sqs::Client::new(&aws.config);
    let visible = aws_sdk_sqs::types::QueueAttributeName::VisibilityTimeout;
    let create = client.create_queue().queue_name("o-mail-bounces").attributes(visible, "1");
    let url = create.send().await.unwrap().queue_url.unwrap();
    let bounce = r#"{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bounceSubType":"General","bouncedRecipients":[{"emailAddress":"gone@mail.test","diagnosticCode":"smtp; 550 5.1.1 no such mailbox"}],"timestamp":"2022-07-11T14:47:28.100Z"}}"#;
    for body in [bounce, "not for us"] {
        client.send_message().queue_url(&url).message_body(body).send().await.unwrap();
    }
    let queue = Bounces::find(&aws, "o-").await.unwrap().unwrap();
    let node = Node::open(NodeOptions::default(), Clock::System).unwrap();
    // A receive brings what it likes of a queue, and the bad one comes again.
    for _ in 0..3 {
        bounce_queue::step(&queue, &Tables::Embedded(node.tables.clone())).await.unwrap();
    }
    let row = node.tables.get(SuppressionRow::TABLE, b"gone@mail.test").unwrap().unwrap();
    assert!(SuppressionRow::from_bytes(&row).unwrap().reason.contains("no such mailbox"));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let left = queue.receive().await.unwrap();
    let bodies: Vec<&str> = left.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, ["not for us"]);
}
