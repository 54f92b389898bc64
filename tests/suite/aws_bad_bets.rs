//! Good, repeated, conflicting, late and broken bets on AWS' APIs: decided and refused as on a laptop, whether
//! shards are polled or subscribed to.

use jobs::cluster::Cluster;
use pipeline::Error;
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::producer::{Producer, ProducerOptions};
use pipeline::record::Append;
use schemas::bet_row::BetStatus;
use schemas::notification::Notification;
use schemas::user::UserRow;
use tests::cluster::{Site, bets, dead_letters, events, rows, until};
use tests::{records, servers};

use crate::bad_bets::{DECIDED, Mix, mix, now_ms};

const UNKNOWN: &str = "0a000000-0000-4000-8000-000000000009";

async fn put(aws: &Aws, stream: &str, lines: &[String]) {
    let producer = Producer::new(aws.clone(), ProducerOptions::default());
    let records: Vec<Append> = lines.iter().map(|line| Append::new("one-shard", line.clone())).collect();
    assert_eq!(producer.append(stream, &records).await.unwrap().missing(), 0);
    let oversized = [Append::new("one-shard", "x".repeat((1 << 20) + 1))];
    assert!(matches!(producer.append(stream, &oversized).await, Err(Error::Reject(_))));
}

async fn decided(cluster: &Cluster) -> Vec<(String, Option<String>)> {
    let bets = bets(cluster).await;
    let reason = |row: &schemas::bet_row::BetRow| row.reject_reason.map(|reason| reason.to_string());
    bets.values().map(|row| (row.status.to_string(), reason(row))).collect()
}

async fn each_bet_ends_where_it_should(aws: Aws, fan_out: bool) {
    let Mix { games, lines, refused } = mix(now_ms());
    let site = Site::create(aws.clone(), |options| {
        options.idle_clock = true;
        options.fan_out = fan_out;
    })
    .await;
    let cluster = &site.cluster;
    put(&aws, "test-game-events", &games).await;
    put(&aws, "test-bets", &lines).await;
    let worker = site.start("worker");
    until("everything is decided or refused", 120, async || {
        (decided(cluster).await.len(), dead_letters(cluster).await.len()) == (DECIDED.len(), refused.len())
    })
    .await;
    let expected = DECIDED.map(|(status, reason)| (status.to_owned(), reason.map(ToOwned::to_owned)));
    assert_eq!(decided(cluster).await, expected);
    let letters = dead_letters(cluster).await;
    for (line, reason, told) in &refused {
        let letter = letters.iter().find(|letter| letter.bytes == line.as_bytes());
        let letter = letter.unwrap_or_else(|| panic!("no dead letter for {line}"));
        assert_eq!(letter.reject.reason.as_str(), *reason, "{line}");
        assert!(letter.reject.detail.contains(told) && !letter.reject.detail.is_empty(), "{letter:?}");
    }
    let [user] = &rows::<UserRow>(cluster).await[..] else { panic!("one bettor") };
    assert_eq!((user.profile.bets_placed, user.profile.staked.micros()), (2, 10_600_000));

    // Once its question is there, the provisional rejection is decided again.
    let now = now_ms();
    let opened = records::opened("0e000000-0000-4000-8000-000000000003", UNKNOWN, 2, now, now + 3_600_000);
    put(&aws, "test-game-events", &[opened]).await;
    let unknown: Vec<String> = lines.iter().filter(|line| line.contains(UNKNOWN)).cloned().collect();
    put(&aws, "test-bets", &unknown).await;
    until("it is accepted and all is told", 60, async || {
        let bets = bets(cluster).await;
        let again = bets.values().any(|row| (row.status, row.status_version) == (BetStatus::Accepted, 2));
        again && events::<Notification>(cluster).await.len() > DECIDED.len()
    })
    .await;
    worker.stop().await;
    assert_eq!(dead_letters(cluster).await.len(), refused.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bet_ends_where_it_should_on_aws() {
    let server = servers::ministack();
    each_bet_ends_where_it_should(server.account(50), false).await;
    each_bet_ends_where_it_should(server.account(51), true).await;
}
