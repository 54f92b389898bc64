//! The lease table in DynamoDB: field by field as the Kinesis Client Library keeps it, and each write
//! with the same outcome as in memory.

use std::collections::HashMap;

use pipeline::adapters::aws::leases::DynamoLeases;
use pipeline::lease::table::{LeaseTable, MemoryLeases};
use pipeline::lease::{Change, Lease, LeaseKey, Progress, Reached, WorkerId};
use pipeline::record::Position;
use pipeline::shard::{HashRange, ShardId};
use pipeline::{Arrival, Error};
use tests::random::Random;
use tests::servers;

fn lease(number: u32) -> Lease {
    let key = LeaseKey(format!("123456789012:bets:1717000000:shardId-{number:012}"));
    let mut lease = Lease::new(key, Some("bets".into()), ShardId(number), Reached::TrimHorizon);
    lease.range = Some(HashRange::FULL);
    lease.parents = vec![ShardId(0), ShardId(1)];
    lease
}

fn change(random: &mut Random) -> Change {
    let worker = WorkerId(random.pick(&["a", "b", "c"]).into());
    let effective = Arrival(random.between(0, 1_000_000));
    let position: Position = "49545115243490985018280067714973144582180062593244200961".parse().unwrap();
    let snapshot = random.percent(50).then(|| position.with_sub(random.below(9) as u32));
    let progress = Progress { effective, frontier: effective.plus_ms(5), snapshot };
    match random.below(8) {
        0 | 1 => Change::Renew { throughput: random.below(2_000), progress },
        2 => Change::Checkpoint { to: Reached::At(position.with_sub(random.below(9) as u32)), progress },
        3 => Change::Take { by: worker },
        4 => Change::HandOff { to: worker },
        5 => Change::HandedOver,
        6 => Change::Release,
        _ => Change::NoteChildren(vec![ShardId(5), ShardId(7)]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_ends_as_in_memory() {
    let server = servers::ministack();
    let table = DynamoLeases::new(server.account(1), "leases");
    table.create_table().await.unwrap();
    assert!(!table.create_table().await.unwrap(), "it is there already");
    let (dynamo, memory) = (LeaseTable::Dynamo(table), LeaseTable::Memory(MemoryLeases::default()));
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let new = lease(seed as u32);
        assert!(dynamo.create(&new).await.unwrap() && memory.create(&new).await.unwrap());
        assert!(!dynamo.create(&new).await.unwrap());
        // What workers know: some of it is old.
        let mut seen = vec![new];
        for step in 0..25 {
            let change = change(&mut random);
            let from = &seen[random.below(seen.len() as u64) as usize].clone();
            let (one, other) = (dynamo.change(from, &change).await, memory.change(from, &change).await);
            match (one, other) {
                (Ok(one), Ok(other)) => {
                    assert_eq!(one, other, "seed {seed}, step {step}: {change:?}");
                    seen.push(one);
                }
                (Err(Error::Fenced(_)), Err(Error::Fenced(_))) => {}
                (one, other) => panic!("seed {seed}, step {step}: {change:?} from {from:?}: {one:?}, {other:?}"),
            }
            seen = seen.split_off(seen.len().saturating_sub(3));
        }
        let key = &seen[0].key;
        assert_eq!(dynamo.get(key).await.unwrap(), memory.get(key).await.unwrap());
    }
    let sorted = |mut leases: Vec<Lease>| {
        leases.sort_by(|a, b| a.key.cmp(&b.key));
        leases
    };
    assert_eq!(sorted(dynamo.scan().await.unwrap()), sorted(memory.scan().await.unwrap()));
    let all = sorted(dynamo.scan().await.unwrap());
    let stale = Lease { counter: all[0].counter + 1, ..all[0].clone() };
    assert!(!dynamo.remove(&stale).await.unwrap() && dynamo.remove(&all[0]).await.unwrap());
    assert_eq!(dynamo.get(&all[0].key).await.unwrap(), None);
}

/// What a row of the library looks like, by its own documentation of the table.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_the_library_is_taken_over_and_ours_reads_the_same() {
    let server = servers::ministack();
    let aws = server.account(2);
    let table = DynamoLeases::new(aws.clone(), "app");
    table.create_table().await.unwrap();
    let row = HashMap::from([
        ("leaseKey", text("shardId-000000000003")),
        ("leaseOwner", text("kcl-worker")),
        ("leaseCounter", number(41)),
        ("checkpoint", text("49545115243490985018280067714973144582180062593244200961")),
        ("checkpointSubSequenceNumber", number(2)),
        ("ownerSwitchesSinceCheckpoint", number(1)),
        ("startingHashKey", text("0")),
        ("endingHashKey", text("340282366920938463463374607431768211455")),
        ("parentShardId", texts(&["shardId-000000000000", "shardId-000000000001"])),
        ("throughputKBps", tests::items::number_text("12.5")),
    ]);
    put(&aws, "app", row).await;
    let stats = [("leaseKey", text("kcl-worker")), ("entityType", text("WORKER_METRIC_STATS"))];
    put(&aws, "app", HashMap::from(stats)).await;

    let leases = table.scan().await.unwrap();
    let [lease] = &leases[..] else { panic!("{leases:?}") };
    assert_eq!((lease.reached.sub(), lease.throughput, lease.counter), (2, 12, 41));
    let taken = table.change(lease, &Change::Take { by: WorkerId("ours".into()) }).await.unwrap();
    let progress = Progress { effective: Arrival(5), frontier: Arrival(6), snapshot: None };
    let renewed = table.change(&taken, &Change::Renew { throughput: 3, progress }).await.unwrap();
    table.change(&renewed, &Change::HandOff { to: WorkerId("kcl-worker".into()) }).await.unwrap();
    let row = get(&aws, "app", "shardId-000000000003").await;
    let expected = HashMap::from(
        [
            ("leaseKey", text("shardId-000000000003")),
            ("leaseOwner", text("kcl-worker")),
            ("checkpointOwner", text("ours")),
            ("leaseCounter", number(43)),
            ("checkpoint", text("49545115243490985018280067714973144582180062593244200961")),
            ("checkpointSubSequenceNumber", number(2)),
            ("ownerSwitchesSinceCheckpoint", number(2)),
            ("startingHashKey", text("0")),
            ("endingHashKey", text("340282366920938463463374607431768211455")),
            ("parentShardId", texts(&["shardId-000000000000", "shardId-000000000001"])),
            ("throughputKBps", number(3)),
            ("oddsmillEffective", number(5)),
            ("oddsmillFrontier", number(6)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    assert_eq!(row, expected);
}

use tests::items::{get, number, put, text, texts};
