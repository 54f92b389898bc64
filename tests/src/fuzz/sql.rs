//! What asks a node: statements, and the bytes of PostgreSQL's protocol.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use futures::StreamExt as _;
use jobs::node::{Node, NodeOptions};
use jobs::sql::STACK_BYTES;
use jobs::sql::postgres::{Endpoint, SqlOptions};
use pipeline::fault::Faults;
use tokio::runtime::{Builder, Runtime};

use crate::drive::{self, Feed};

/// How long a statement may take, in milliseconds: what is not planned by then is a finding.
const TIMEOUT_MS: i64 = 5_000;
/// Batches of an answer that are looked at.
const BATCHES: usize = 4;

/// A node with a few bets, and what serves it.
struct Served {
    runtime: Runtime,
    node: Node,
    address: SocketAddr,
    _endpoint: Endpoint,
}

fn served() -> &'static Served {
    static SERVED: OnceLock<Served> = OnceLock::new();
    SERVED.get_or_init(|| {
        let mut threads = Builder::new_multi_thread();
        let runtime = threads.worker_threads(2).thread_stack_size(STACK_BYTES).enable_all().build().expect("a runtime");
        let serve = async {
            let feed = Feed { lines: drive::lines(7, 60), chunk: 60 };
            let node = drive::feed(&NodeOptions::default(), &feed, Faults::none()).await.expect("a node");
            let options = SqlOptions { timeout_ms: TIMEOUT_MS, memory_bytes: 64 << 20, ..SqlOptions::default() };
            let endpoint = Endpoint::start(node.clone(), &options, "127.0.0.1:0").await.expect("a port");
            (node, endpoint)
        };
        let (node, endpoint) = runtime.block_on(serve);
        Served { node, address: endpoint.address(), _endpoint: endpoint, runtime }
    })
}

/// A statement: planned, and the beginning of its answer read.
pub fn query(bytes: &[u8]) {
    let (served, text) = (served(), String::from_utf8_lossy(bytes).into_owned());
    let node = served.node.clone();
    let asked = async move {
        if let Ok((_, mut batches)) = jobs::sql::query(&node, &text).await {
            for _ in 0..BATCHES {
                let Some(Ok(_)) = batches.next().await else { break };
            }
        }
    };
    let limited = served
        .runtime
        .spawn(async { tokio::time::timeout(Duration::from_millis(TIMEOUT_MS.unsigned_abs()), asked).await });
    // A join that multiplies everything may take longer; what must not be is a panic.
    _ = served.runtime.block_on(limited).expect("a statement does not panic");
}

/// A connection's bytes. Somebody else is served after it.
pub fn postgres(bytes: &[u8]) {
    let served = served();
    _ = converse(served.address, bytes, Duration::from_millis(100));
    let hello = b"\0\0\0\x10\0\x03\0\0user\0a\0\0";
    let query = b"Q\0\0\0\x0dSELECT 1\0X\0\0\0\x04";
    let answer = converse(served.address, &[&hello[..], query].concat(), Duration::from_secs(20)).expect("an answer");
    let ends = |tag: u8| answer.windows(5).any(|window| window[0] == tag && window[1..4] == [0, 0, 0]);
    assert!(ends(b'D') && ends(b'Z'), "no answer after it: {:?}", String::from_utf8_lossy(&answer));
}

/// Sends, and reads until the other side is done or says nothing for a while.
fn converse(address: SocketAddr, bytes: &[u8], patience: Duration) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(bytes)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => Ok(answer),
        Err(error) if answer.is_empty() => Err(error),
        Err(_) => Ok(answer),
    }
}
