//! Requests to servers on this machine that are not AWS' own, such as a server's page of what it has sent.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Reads a page of JSON.
pub async fn get(endpoint: &str, path: &str) -> Value {
    request(endpoint, "GET", path, "").await
}

/// Posts JSON, and reads the answer.
pub async fn post(endpoint: &str, path: &str, body: &Value) -> Value {
    request(endpoint, "POST", path, &body.to_string()).await
}

async fn request(endpoint: &str, method: &str, path: &str, body: &str) -> Value {
    let host = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{method} {path}: {answer}");
    serde_json::from_str(body).unwrap()
}
