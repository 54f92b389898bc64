//! A Kinesis of somebody else's, ferrokinesis, in a process of its own: what it uses is not counted as ours.

use std::io::{BufRead, BufReader, Read};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use axum::extract::DefaultBodyLimit;
use ferrokinesis::store::StoreOptions;
use futures::{StreamExt, stream};
use pipeline::adapters::aws::shard_reader::{Budget, Source};
use pipeline::adapters::aws::{Aws, streams};
use pipeline::shard::Shard;

/// The hidden verb of the process that serves.
pub const SERVE_VERB: &str = "serve-kinesis";

/// A server that runs for as long as this value lives.
pub struct Kinesis {
    child: Child,
    port: u16,
}

impl Kinesis {
    pub fn start() -> Kinesis {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg(SERVE_VERB).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Kinesis { child, port: said.trim().parse().unwrap() }
    }

    pub fn aws(&self) -> Aws {
        Aws::at(&format!("http://127.0.0.1:{}", self.port), "000000000000")
    }
}

impl Drop for Kinesis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until whoever started this process ends, however that ends.
pub fn serve() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let options = StoreOptions { create_stream_ms: 1, shard_limit: 10_000, ..StoreOptions::default() };
        let (app, _) = ferrokinesis::create_app(options);
        // A request to Kinesis has ten megabytes and more, axum takes two.
        let app = app.layer(DefaultBodyLimit::disable());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        println!("{}", listener.local_addr().unwrap().port());
        axum::serve(listener, app).await.unwrap();
    });
}

/// Makes a stream, and gives its shards.
pub async fn create(aws: &Aws, stream: &str, shards: u64) -> Vec<Shard> {
    aws.kinesis.create_stream().stream_name(stream).shard_count(shards as i32).send().await.unwrap();
    loop {
        let summary = streams::describe(aws, stream).await.unwrap();
        if summary.is_some_and(|summary| summary.stream_status().as_str() == "ACTIVE") {
            break streams::shards(aws, stream).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Puts records, so many a request and four requests at once.
pub async fn put_all(aws: &Aws, stream: &str, a_request: usize, records: impl Iterator<Item = PutRecordsRequestEntry>) {
    let requests = stream::iter(chunks(records, a_request)).map(|request| async move {
        let put = aws.kinesis.put_records().stream_name(stream).set_records(Some(request));
        assert_eq!(put.send().await.unwrap().failed_record_count.unwrap_or(0), 0);
    });
    requests.buffer_unordered(4).collect::<Vec<()>>().await;
}

fn chunks<T>(mut items: impl Iterator<Item = T>, size: usize) -> impl Iterator<Item = Vec<T>> {
    std::iter::from_fn(move || {
        let chunk: Vec<T> = items.by_ref().take(size).collect();
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// How a worker's readers see a stream.
pub async fn source(aws: &Aws, stream: &str, budget: Budget) -> Source {
    let padding = streams::padding(aws, stream).await.unwrap();
    let idle = Duration::from_millis(1_000);
    Source { aws: aws.clone(), stream: stream.into(), consumer: None, budget, padding, idle }
}
