//! A server for tests that answers as it is told, for what no server at hand can be brought to do.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::Aws;

/// A request: its path, and its body as text.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub path: String,
    pub body: String,
}

impl Asked {
    /// The values of a form whose names end so, in their order.
    pub(super) fn form(&self, end: &str) -> Vec<String> {
        let pairs = self.body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(name, _)| name.ends_with(end)).map(|(_, value)| value.to_owned()).collect()
    }
}

/// Status, type of error (empty where it is none), and body.
pub(super) type Answer = (u16, &'static str, String);

/// Serves an account on a free port of loopback; keeps what was asked.
pub(super) async fn serve(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Aws, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (asked, answer) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::new(answer));
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (seen, answer) = (seen.clone(), answer.clone());
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some(asked) = read(&mut stream).await {
                    let (status, kind, body) = answer(&asked);
                    seen.lock().unwrap().push(asked);
                    let head = format!(
                        "HTTP/1.1 {status} x\r\nx-amzn-errortype: {kind}\r\ncontent-length: {}\r\n\r\n",
                        body.len()
                    );
                    if stream.write_all([head.as_bytes(), body.as_bytes()].concat().as_slice()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (Aws::at(&endpoint, "111111111111"), asked)
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Asked> {
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1)?.to_owned();
        } else if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        } else if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked { path, body: String::from_utf8(body).ok()? })
}
