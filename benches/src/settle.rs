//! Settling and mailing: a question with a million bets, and as many mails as the inbox takes.

use std::path::Path;

use jobs::node::{Node, NodeOptions};
use jobs::notify::letter::Sender;
use jobs::notify::{MailOptions, MailServer};
use pipeline::metrics::Metric;
use pipeline::record::Append;
use pipeline::{Arrival, Clock};
use schemas::row::Row;
use schemas::settlement::SettlementRow;

use crate::usage::{Meter, Report};
use crate::{Work, median, ours};

/// Settles one question with all of the work's bets, several times, and prints the median.
pub fn settle(work: &Work, runs: u64) {
    let work = Work { questions: 1, ..work.clone() };
    let mut seconds: Vec<f64> = (1..=runs)
        .map(|run| {
            let report = settle_once(&work);
            println!("run {run}: settled {report}");
            work.count as f64 / report.rate()
        })
        .collect();
    println!("median of {runs}: {} bets on one question settled in {:.1} s", work.count, median(&mut seconds));
}

fn settle_once(work: &Work) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let dir = tempfile::tempdir_in(".").unwrap();
    ours::fill(dir.path(), work);
    let clock = Clock::manual(Arrival(0));
    let (batch_records, buffer_bytes) = (work.batch as usize, (work.buffer as usize) << 20);
    let options =
        NodeOptions { data_dir: Some(dir.path().into()), batch_records, buffer_bytes, ..NodeOptions::default() };
    let node = Node::open(options, clock.clone()).unwrap();
    runtime.block_on(async {
        let at = node.high_water().await.unwrap().plus_ms(3_600_000);
        clock.advance_to(at);
        node.start(true).task.await.unwrap().unwrap();
        let (id, _) = node.tables.scan("questions", &[]).unwrap().remove(0);
        let question = schemas::ids::QuestionId::from_bytes(id.clone().try_into().unwrap());
        let event = |number: u8, body: &str| {
            let json = format!(
                r#"{{"event_uuid":"00000000-0000-4000-8000-0000000000{number:02x}","at":{},"question_uuid":"{question}",{body}}}"#,
                at.0
            );
            Append::new(question.to_string(), json).arrived(at)
        };
        let seen = |source: &str| {
            format!(r#""type":"outcome_observed","outcome_index":0,"source":"{source}","confidence":"1""#)
        };
        let events = [
            event(1, r#""type":"betting_closed""#),
            event(2, &seen("feed")),
            event(3, &seen("streamer")),
            event(4, r#""type":"question_approved""#),
        ];
        node.log.append("game-events", &events).unwrap();
        // Pages are a millisecond of the pipeline's time apart.
        clock.advance_to(at.plus_ms(3_600_000));
        let meter = Meter::start();
        node.start(true).task.await.unwrap().unwrap();
        let report = meter.stop(work.count);
        let row = SettlementRow::from_bytes(&node.tables.get("settlements", &id).unwrap().unwrap()).unwrap();
        assert_eq!((row.settled(), row.settled_at.is_some()), (work.count, true), "every bet is settled");
        report
    })
}

/// Sends a mail for each of so many notifications into the local inbox, fsynced, several times.
pub fn mails(count: u64, runs: u64) {
    // Kept to the end: for minutes after files were deleted, ext4 looks past each of their inodes
    // one by one before it makes a new file, and a run would pay for the one before.
    let mut dirs = Vec::new();
    let mut rates: Vec<f64> = (1..=runs)
        .map(|run| {
            dirs.push(tempfile::tempdir_in(".").unwrap());
            let report = mails_once(count, dirs.last().unwrap().path());
            println!("run {run}: mailed {report}");
            report.rate()
        })
        .collect();
    println!("median of {runs}: {:.0} mails/s", median(&mut rates));
}

fn mails_once(count: u64, dir: &Path) -> Report {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clock = Clock::manual(Arrival(10_000));
    let node = Node::open(NodeOptions { data_dir: Some(dir.into()), ..NodeOptions::default() }, clock).unwrap();
    let person = |number: u64| format!("0x{number:040x}");
    let people = 1_000;
    let users = (0..people).map(|number| {
        let user = format!(
            r#"{{"event_uuid":"00000000-0000-4000-8000-{number:012x}","type":"account_upserted","at":1000,"user":{{"address":"{}","username":"p{number}","email":"p{number}@example.test","email_confirmed":true,"mail":{{"digest":"never"}}}}}}"#,
            person(number)
        );
        Append::new(person(number), user).arrived(Arrival(1_000))
    });
    node.log.append("game-events", &users.collect::<Vec<_>>()).unwrap();
    let told: Vec<Append> = (0..count)
        .map(|number| {
            let told = format!(
                r#"{{"notification_id":"00000000-0000-4000-8001-{number:012x}","address":"{}","event":"bet_won","bet_uuid":"00000000-0000-4000-8002-{number:012x}","question_uuid":"00000000-0000-4000-8003-000000000000","outcome_index":0,"status_version":2,"status":"won","buy_amount":"10","odds":"2.5","payout":"25","at":2000}}"#,
                person(number % people)
            );
            Append::new(person(number % people), told).arrived(Arrival(2_000))
        })
        .collect();
    for chunk in told.chunks(4_000) {
        node.log.append("notifications", chunk).unwrap();
    }
    let sender = Sender::new("Oddsmill <bets@example.com>", "Oddsmill", "USDC").unwrap();
    let mail = MailOptions { server: MailServer::Inbox, sender, digest_after: 20, rate: 0 };
    runtime.block_on(async {
        node.start(true).task.await.unwrap().unwrap();
        let meter = Meter::start();
        node.start_with_mail(true, &mail).unwrap().task.await.unwrap().unwrap();
        let report = meter.stop(count);
        assert_eq!(node.metrics.get(Metric::MailSent), count, "every mail is sent");
        report
    })
}
