//! Mails: every status change once, whatever crashes; digests; and a mail server that is difficult.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use jobs::node::{Node, NodeOptions};
use jobs::notify::choose::SuppressionRow;
use jobs::notify::due::{self, Due};
use jobs::notify::letter::Sender;
use jobs::notify::{MailOptions, MailServer};
use pipeline::adapters::embedded::Durability;
use pipeline::adapters::mail;
use pipeline::fault::{CrashPoint, Faults};
use pipeline::record::{Append, Position};
use pipeline::tables::Commit;
use pipeline::{Arrival, Clock, Error};
use schemas::notification::Notification;
use schemas::outbox::{OutboxRow, OutboxState};
use schemas::row::Row;
use schemas::time::Timestamp;
use tests::drive::{self, Feed};
use tests::invariants::{each_change_is_mailed_once, rows};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

fn options(dir: &Path) -> NodeOptions {
    NodeOptions { data_dir: Some(dir.into()), durability: Durability::Os, ..NodeOptions::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_sending_and_recording_leaves_one_mail_each() {
    let feed = Feed { lines: drive::lines(13, 1_500), chunk: 300 };
    let calm = tempfile::tempdir().unwrap();
    let expected = {
        let node = drive::feed(&options(calm.path()), &feed, Faults::none()).await.unwrap();
        each_change_is_mailed_once(&node)
    };
    assert!(expected.sent > 100 && expected.skipped > expected.sent, "{expected:?}");
    for point in [CrashPoint::AfterSend, CrashPoint::BeforeCommit] {
        let rough = tempfile::tempdir().unwrap();
        let mut crashes = 0;
        for nth in (0..12).map(|n| n % 2) {
            match drive::feed(&options(rough.path()), &feed, Faults::crash_at(point, nth)).await {
                Ok(_) => break,
                Err(Error::Crashed(_)) => crashes += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(crashes > 1, "{point:?}: {crashes}");
        let node = drive::feed(&options(rough.path()), &feed, Faults::none()).await.unwrap();
        assert_eq!(each_change_is_mailed_once(&node), expected, "{point:?}");
        assert_eq!(files(rough.path()), files(calm.path()), "{point:?}");
    }
}

/// The inbox: every file's name and bytes.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let all = mail::list(&dir.join("inbox"), usize::MAX, "").unwrap();
    all.into_iter().map(|entry| (format!("{} {}", entry.at, entry.id), std::fs::read(entry.path).unwrap())).collect()
}

/// A node with notifications of so many bets of each of these people, at one moment.
async fn node(dir: &Path, people: &[&str], bets: u64, clock: &Clock) -> Node {
    let node = Node::open(options(dir), clock.clone()).unwrap();
    let mut commit = Commit::default();
    for (number, email) in (0u8..).zip(people) {
        let address = format!("0x{}", format!("{:02x}", number + 1).repeat(20));
        let user = format!(
            r#"{{"event_uuid":"00000000-0000-4000-8000-0000000000{number:02x}","type":"account_upserted","at":1000,"user":{{"address":"{address}","username":"person {number}","email":"{email}","email_confirmed":true}}}}"#
        );
        let record = Append::new(address.clone(), user).arrived(Arrival(1_000));
        commit.emits.entry("game-events").or_default().push(record);
        for bet in 0..bets {
            let told = format!(
                r#"{{"notification_id":"00000000-0000-4000-8001-{number:04x}{bet:08x}","address":"{address}","event":"bet_accepted","bet_uuid":"00000000-0000-4000-8002-{number:04x}{bet:08x}","question_uuid":"00000000-0000-4000-8003-000000000000","outcome_index":0,"status_version":1,"status":"accepted","buy_amount":"1","odds":"2","at":{}}}"#,
                2_000 + bet
            );
            let record = Append::new(address.clone(), told).arrived(Arrival(2_000));
            commit.emits.entry("notifications").or_default().push(record);
        }
    }
    node.tables.commit(commit).unwrap();
    // Accounts first: in life a notification comes of a bet, long after.
    node.start(true).task.await.unwrap().unwrap();
    node
}

fn mail_options(server: MailServer, digest_after: u32) -> MailOptions {
    let sender = Sender::new("Oddsmill <bets@example.com>", "Oddsmill", "USDC").unwrap();
    MailOptions { server, sender, digest_after, rate: 0 }
}

fn states(node: &Node) -> BTreeMap<(String, OutboxState), usize> {
    let mut states = BTreeMap::new();
    for row in rows::<OutboxRow>(node) {
        *states.entry((row.email.unwrap_or_default(), row.state)).or_default() += 1;
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_many_gets_a_digest() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Arrival(10_000));
    let node = node(dir.path(), &["ada@example.test", "bob@example.test"], 130, &clock).await;
    let mail = mail_options(MailServer::Inbox, 5);
    node.start_with_mail(true, &mail).unwrap().task.await.unwrap().unwrap();
    assert_eq!(files(dir.path()).len(), 10, "five each, and the rest waits for the hour's end");
    clock.advance_to(Arrival(3_600_000));
    node.start_with_mail(true, &mail).unwrap().task.await.unwrap().unwrap();
    // 125 in letters of a hundred.
    assert_eq!(files(dir.path()).len(), 14);
    let (ada, bob) = ("ada@example.test".to_owned(), "bob@example.test".to_owned());
    let expected = BTreeMap::from([((ada, OutboxState::Sent), 130), ((bob, OutboxState::Sent), 130)]);
    assert_eq!(states(&node), expected);
    let digests = files(dir.path()).into_iter().filter(|(name, _)| name.starts_with("19700101T010000"));
    let text: String = digests.map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect();
    assert!(text.contains("125") || text.contains("100"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_mail_and_its_digest_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let until = Timestamp::from_millis(3_600_000).unwrap();
    let node = node(dir.path(), &["ada@example.test"], 0, &Clock::manual(Arrival(3_600_000))).await;
    // In one look at the outbox: thirty mails, most of which join a digest, and that digest.
    let mut commit = Commit::default();
    for number in 0..33u64 {
        let told: Notification = serde_json::from_str(&format!(
            r#"{{"notification_id":"00000000-0000-4000-8009-{number:012x}","address":"0x0101010101010101010101010101010101010101","event":"bet_lost","bet_uuid":"00000000-0000-4000-8002-{number:012x}","question_uuid":"00000000-0000-4000-8003-000000000000","outcome_index":0,"status_version":2,"status":"lost","buy_amount":"1","odds":"2","at":{}}}"#,
            2_000 + number
        ))
        .unwrap();
        let (id, address, at) = (told.notification_id, told.address, told.at);
        let digest = (number >= 30).then_some(until);
        let (due, at) = match digest {
            Some(until) => (Due::Digest(address), until),
            None => (Due::Mail(id), at),
        };
        if digest.is_some() {
            commit.put(due::DIGESTS, due::digest_key(address, until, id), Vec::new());
        }
        let (key, value) = due.entry(at, Position::new(number.into()));
        commit.put(due::TABLE, key, value);
        let row = OutboxRow { digest, ..OutboxRow::pending(told) };
        commit.put(OutboxRow::TABLE, id.as_bytes().to_vec(), row.to_bytes());
    }
    node.tables.commit(commit).unwrap();
    node.start_with_mail(true, &mail_options(MailServer::Inbox, 5)).unwrap().task.await.unwrap().unwrap();
    let ada = "ada@example.test".to_owned();
    assert_eq!(states(&node), BTreeMap::from([((ada, OutboxState::Sent), 33)]));
    assert_eq!(files(dir.path()).len(), 5 + 1, "five by themselves, the rest in one digest");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_unsubscribes_before_the_digest_gets_none() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Arrival(10_000));
    let node = node(dir.path(), &["ada@example.test"], 30, &clock).await;
    let mail = mail_options(MailServer::Inbox, 5);
    node.start_with_mail(true, &mail).unwrap().task.await.unwrap().unwrap();
    let user = r#"{"event_uuid":"00000000-0000-4000-8000-0000000000ff","type":"account_upserted","at":20000,"user":{"address":"0x0101010101010101010101010101010101010101","mail":{"events":[]}}}"#;
    node.log.append("game-events", &[Append::new("k", user).arrived(Arrival(20_000))]).unwrap();
    clock.advance_to(Arrival(30_000));
    node.start(true).task.await.unwrap().unwrap();
    clock.advance_to(Arrival(3_600_000));
    node.start_with_mail(true, &mail).unwrap().task.await.unwrap().unwrap();
    assert_eq!(files(dir.path()).len(), 5);
    let skipped = rows::<OutboxRow>(&node).into_iter().filter(|row| row.state == OutboxState::Skipped).count();
    assert_eq!(skipped, 25);
}

/// A mail server that answers by the reader's name, and remembers whom it was asked to write to.
async fn difficult(asked: Arc<Mutex<Vec<String>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk(stream, asked.clone()));
        }
    });
    port
}

async fn talk(stream: TcpStream, asked: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 difficult\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer = match line.split(' ').next().unwrap_or_default() {
            "EHLO" => "250 difficult",
            "RCPT" => {
                let before = asked.lock().unwrap().iter().filter(|earlier| **earlier == line).count();
                asked.lock().unwrap().push(line.clone());
                match line {
                    line if line.contains("gone@") => "550 5.1.1 no such mailbox",
                    line if line.contains("slow@") && before == 0 => "450 4.2.1 try later",
                    _ => "250 ok",
                }
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                while lines.next_line().await?.is_some_and(|line| line != ".") {}
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_ends_it_and_a_busy_server_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Arrival(10_000));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let port = difficult(asked.clone()).await;
    let node = node(dir.path(), &["good@example.test", "gone@example.test", "slow@example.test"], 1, &clock).await;
    let mail = mail_options(MailServer::Smtp(format!("smtp://127.0.0.1:{port}")), 100);
    node.start_with_mail(true, &mail).unwrap().task.await.unwrap().unwrap();
    let state = |name: &str| {
        let all = rows::<OutboxRow>(&node);
        let found = all.iter().find(|row| row.email.as_deref() == Some(name));
        found.unwrap_or_else(|| panic!("{name}: {all:?}")).clone()
    };
    assert_eq!(state("good@example.test").state, OutboxState::Sent);
    let gone = state("gone@example.test");
    assert_eq!(gone.state, OutboxState::Failed);
    assert!(gone.last_error.unwrap().contains("no such mailbox"));
    let slow = state("slow@example.test");
    assert_eq!((slow.state, slow.attempts), (OutboxState::Pending, 1));
    let suppressed = node.tables.get(SuppressionRow::TABLE, b"gone@example.test").unwrap().unwrap();
    assert!(SuppressionRow::from_bytes(&suppressed).unwrap().reason.contains("no such mailbox"));

    // Half a minute later the busy one is asked again; the one that bounced never is.
    clock.advance_to(Arrival(10_000 + 30_000));
    let again = r#"{"notification_id":"00000000-0000-4000-8001-ffffffffffff","address":"0x0202020202020202020202020202020202020202","event":"bet_lost","bet_uuid":"00000000-0000-4000-8002-000100000000","question_uuid":"00000000-0000-4000-8003-000000000000","outcome_index":0,"status_version":2,"status":"lost","buy_amount":"1","odds":"2","at":30000}"#;
    let mut commit = Commit::default();
    commit.emits.entry("notifications").or_default().push(Append::new("k", again).arrived(Arrival(30_000)));
    node.tables.commit(commit).unwrap();
    node.start_with_mail(true, &mail).unwrap().task.await.unwrap().unwrap();
    assert_eq!(state("slow@example.test").state, OutboxState::Sent);
    let skipped = rows::<OutboxRow>(&node).into_iter().find(|row| row.notification.status_version == 2).unwrap();
    assert_eq!((skipped.state, skipped.attempts), (OutboxState::Skipped, 0));
    let to = |name: &str| asked.lock().unwrap().iter().filter(|line| line.contains(name)).count();
    assert_eq!([to("good@"), to("gone@"), to("slow@")], [1, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_wait_for_a_server_that_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::manual(Arrival(10_000));
    let node = node(dir.path(), &["good@example.test"], 3, &clock).await;
    // Nobody listens there.
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mail = mail_options(MailServer::Smtp(format!("smtp://{away}")), 100);
    let outcome = node.start_with_mail(true, &mail).unwrap().task.await.unwrap();
    assert!(matches!(outcome, Err(Error::Retry(_))), "{outcome:?}");
    assert!(rows::<OutboxRow>(&node).iter().all(|row| row.state == OutboxState::Pending));
    let mail = mail_options(MailServer::Inbox, 100);
    node.start_with_mail(true, &mail).unwrap().task.await.unwrap().unwrap();
    assert_eq!(files(dir.path()).len(), 3);
}
