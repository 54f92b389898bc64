//! The protocol over a socket pair: what goes in on one side comes out on the other.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use pipeline::record::{Append, Position};
use pipeline::shard::ShardId;
use pipeline::{Arrival, Clock, Error};
use schemas::ids::QuestionId;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::message::{Hello, Request, Response, Status};
use super::question::Standing;
use super::server::{Service, converse};
use super::*;
use crate::node::{Node, NodeOptions};
use crate::redrive::Selection;
use crate::sql::tests::ENDLESS;

fn node() -> Node {
    Node::open(NodeOptions::default(), Clock::manual(Arrival(1_000))).unwrap()
}

fn service(node: &Node, writable: bool) -> Arc<Service> {
    let status = Status { command: "run".into(), pid: 7, version: "1".into(), writable };
    Arc::new(Service { node: node.clone(), status, fills: tokio::sync::Semaphore::new(1) })
}

/// Serves one end of a socket pair and gives the other.
fn serve(node: &Node, writable: bool) -> (UnixStream, watch::Sender<bool>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (service, stop) = (service(node, writable), watch::Sender::new(false));
    let stopped = stop.subscribe();
    tokio::spawn(async move { converse(theirs, &service, stopped).await });
    (ours, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered() {
    let node = node();
    let (stream, _stop) = serve(&node, true);
    let client = Client::greet(node.dir().to_path_buf(), stream).await.unwrap();
    assert_eq!((client.status.pid, client.status.writable), (7, true));
    assert_eq!(client.streams().await.unwrap(), node.log.streams());
    assert_eq!(client.shards("bets").await.unwrap(), node.log.shards("bets").unwrap());

    let before = client.wait(0, Duration::ZERO).await.unwrap();
    let records: Vec<Append> = (0..600).map(|n| Append::new(format!("key {n}"), vec![n as u8; 900])).collect();
    let places = client.append("game-events", &records).await.unwrap();
    assert_eq!(places.len(), 600);
    assert_eq!(places[599], (ShardId(0), Position::new(600)));
    assert!(client.wait(before, Duration::from_secs(5)).await.unwrap() > before);

    let mut after = Position::START;
    let mut read = Vec::new();
    loop {
        let chunk = client.read("game-events", ShardId(0), after, 64 << 10).await.unwrap();
        let Some(last) = chunk.records.last() else { break };
        after = last.position;
        read.extend(chunk.records);
    }
    assert!(read.iter().map(|r| &r.data).eq(records.iter().map(|r| &r.data)));
    assert!(read.iter().all(|record| record.arrived_at == Arrival(1_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_shown_as_it_stands() {
    let node = node();
    let (stream, _stop) = serve(&node, true);
    let client = Client::greet(node.dir().to_path_buf(), stream).await.unwrap();
    let id = "0a000000-0000-4000-8000-000000000001";
    let none = Standing { row: None, now: Arrival(1_000), current: true };
    assert_eq!(client.question(QuestionId::parse(id).unwrap()).await.unwrap(), none);

    let opened = format!(
        r#"{{"event_uuid":"0e000000-0000-4000-8000-000000000001","type":"question_opened","at":1000,"question":{{"question_uuid":"{id}","game":"g","question":"Who?","outcomes":["a","b"],"chain_id":137,"betting_end_time":9000}}}}"#
    );
    client.append("game-events", &[Append::new(id, opened)]).await.unwrap();
    let waiting = Standing { current: false, ..none };
    assert_eq!(client.question(QuestionId::parse(id).unwrap()).await.unwrap(), waiting);

    node.clock.advance_to(Arrival(2_000));
    node.start(true).task.await.unwrap().unwrap();
    let known = client.question(QuestionId::parse(id).unwrap()).await.unwrap();
    assert_eq!((known.current, known.now), (true, Arrival(2_000)));
    assert_eq!(known.row.unwrap().spec.outcomes, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_keep_their_kind_and_the_conversation_goes_on() {
    let node = node();
    let (stream, _stop) = serve(&node, false);
    let client = Client::greet(node.dir().to_path_buf(), stream).await.unwrap();
    let rejected = |outcome: Result<(), Error>, part: &str| match outcome {
        Err(Error::Reject(text)) => assert!(text.contains(part), "{text}"),
        other => panic!("{other:?} is not a rejection with {part:?}"),
    };
    rejected(client.shards("nothing").await.map(drop), "there is no stream \"nothing\"");
    rejected(client.append("bets", &[Append::new("k", "v")]).await.map(drop), "takes no records but its own");
    rejected(client.read("bets", ShardId(9), Position::START, 1).await.map(drop), "has no shard");
    rejected(client.redrive(&Selection::default()).await.map(drop), "takes no records");
    assert_eq!(client.streams().await.unwrap().len(), crate::partition::STREAMS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_are_refused() {
    let node = node();
    let (mut stream, _stop) = serve(&node, true);
    let hello = Hello { protocol: PROTOCOL + 1, ..Hello::ours() };
    frame::send(&mut stream, &Request::Hello(hello.clone())).await.unwrap();
    let answer = frame::receive_message::<Response>(&mut stream).await.unwrap();
    assert!(matches!(answer, Some(Response::Hello(ours)) if ours.protocol == PROTOCOL));
    assert!(frame::receive(&mut stream).await.unwrap().is_none(), "the server hangs up");
    assert!(hello.check().unwrap_err().to_string().contains("use the same program for both"));
}

#[tokio::test]
async fn frames_are_bounded() {
    for (bytes, expected) in [
        (&[0, 0, 0, 0, 0][..], "a control frame of 0 bytes"),
        (&[255, 255, 255, 255, 0], "a control frame of 4294967295 bytes"),
        (&[0, 0, 0, 2, 9, 9], "a control frame of kind 9"),
        (&[0, 0, 0, 9, 1, 1], "within a frame"),
    ] {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.write_all(bytes).await.unwrap();
        drop(ours);
        let text = frame::receive(&mut theirs).await.unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_answers_queries_until_it_stops() {
    let node = node();
    let server = Server::start(node.clone(), "run", Mode::Live).unwrap();
    let client = Client::connect(node.dir()).await.unwrap().unwrap();
    let mut rows = client.sql("SELECT count(*) AS n FROM bets").await.unwrap();
    let batch = rows.batches.next().await.unwrap().unwrap();
    assert_eq!((rows.schema.field(0).name().as_str(), batch.column(0).as_primitive::<Int64Type>().value(0)), ("n", 0));
    assert!(rows.batches.next().await.is_none());
    assert!(matches!(client.sql("DROP TABLE bets").await, Err(Error::Reject(_))));
    server.stop().await;
    assert!(Client::connect(node.dir()).await.unwrap().is_none());
    assert!(!node.dir().join(SOCKET_NAME).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_ends_with_its_client() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let (service, stop) = (service(&node(), true), watch::Sender::new(false));
    let stopped = stop.subscribe();
    let serving = tokio::spawn(async move { converse(theirs, &service, stopped).await });
    frame::send(&mut ours, &Request::Hello(Hello::ours())).await.unwrap();
    frame::receive(&mut ours).await.unwrap();
    frame::send(&mut ours, &Request::Sql { query: ENDLESS.into() }).await.unwrap();
    drop(ours);
    assert!(serving.await.unwrap().is_err());
}
