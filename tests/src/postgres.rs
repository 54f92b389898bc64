//! A client of the PostgreSQL protocol for tests: what it sends and gets is the bytes themselves.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A session.
pub struct Client {
    stream: TcpStream,
    address: SocketAddr,
    key: Vec<u8>,
    /// What the server has said of itself.
    pub settings: Vec<(String, String)>,
}

/// What came back, up to the next time the server was ready or gone.
#[derive(Debug, Default)]
pub struct Answer {
    /// Names and types of the last rows' columns.
    pub columns: Vec<(String, u32)>,
    /// Values as they were sent.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// Types of parameters.
    pub parameters: Vec<u32>,
    /// What statements did.
    pub tags: Vec<String>,
    /// The code and the text of the last error.
    pub error: Option<(String, String)>,
    /// I, T or E; nothing where the server is gone.
    pub ready: Option<char>,
    /// How often a portal had more rows.
    pub suspended: usize,
}

impl Answer {
    /// Rows of text.
    pub fn texts(&self) -> Vec<String> {
        let text = |value: &Option<Vec<u8>>| {
            value.as_ref().map_or_else(|| "NULL".to_owned(), |value| String::from_utf8_lossy(value).into_owned())
        };
        self.rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect()
    }

    /// The code of the error.
    pub fn code(&self) -> &str {
        self.error.as_ref().map_or("", |(code, _)| code)
    }
}

/// A message: its type and its body.
pub fn message(tag: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&[tag][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), &body].concat()
}

/// A text and its end.
pub fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// Parse, Bind, Describe and Execute of an unnamed statement, with parameters in text, and columns
/// in one format.
pub fn statement(sql: &str, params: &[Option<&str>], format: i16, rows: u32) -> Vec<u8> {
    let count = u16::try_from(params.len()).unwrap().to_be_bytes();
    let value = |value: &Option<&str>| match value {
        None => u32::MAX.to_be_bytes().to_vec(),
        Some(value) => [&u32::try_from(value.len()).unwrap().to_be_bytes()[..], value.as_bytes()].concat(),
    };
    let values: Vec<u8> = params.iter().flat_map(value).collect();
    [
        message(b'P', &[&text(""), &text(sql), &[0, 0]]),
        message(b'D', &[b"S", &text("")]),
        message(b'B', &[&text(""), &text(""), &[0, 0], &count, &values, &[0, 1], &format.to_be_bytes()]),
        message(b'E', &[&text(""), &rows.to_be_bytes()]),
    ]
    .concat()
}

impl Client {
    /// Opens a session.
    pub async fn connect(address: SocketAddr) -> Result<Client, Answer> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // As libpq does: encryption is asked for, and declined.
        stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'N');
        let body = [&[0, 3, 0, 0][..], &text("user"), &text("ann"), &text("database"), &text("db"), &[0]].concat();
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        stream.write_all(&[&length[..], &body].concat()).await.unwrap();
        let mut client = Client { stream, address, key: Vec::new(), settings: Vec::new() };
        let answer = client.answer().await;
        if answer.ready == Some('I') { Ok(client) } else { Err(answer) }
    }

    /// A simple query's answer.
    pub async fn query(&mut self, sql: &str) -> Answer {
        self.send(&message(b'Q', &[&text(sql)])).await;
        self.answer().await
    }

    /// The answer to messages, with a Sync behind them.
    pub async fn series(&mut self, messages: &[u8]) -> Answer {
        self.send(messages).await;
        self.send(&message(b'S', &[])).await;
        self.answer().await
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Asks for the running statement to be cancelled, as another connection.
    pub fn cancel(&self) -> impl Future<Output = ()> + use<> {
        let (address, key) = (self.address, self.key.clone());
        async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = [&[0, 0, 0, 16, 4, 210, 22, 46][..], &key].concat();
            stream.write_all(&request).await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the server closes without a word");
        }
    }

    /// Reads until the server is ready or gone.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = Answer::default();
        loop {
            let Ok(tag) = self.stream.read_u8().await else { return answer };
            let length = self.stream.read_u32().await.unwrap() as usize - 4;
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await.unwrap();
            let mut body = Body(&body);
            match tag {
                b'K' => self.key = body.0.to_vec(),
                b'S' => self.settings.push((body.text(), body.text())),
                b'T' => answer.columns = (0..body.u16()).map(|_| body.column()).collect(),
                b't' => answer.parameters = (0..body.u16()).map(|_| body.u32()).collect(),
                b'D' => answer.rows.push((0..body.u16()).map(|_| body.value()).collect()),
                b'C' => answer.tags.push(body.text()),
                b'E' => answer.error = Some(body.error()),
                b's' => answer.suspended += 1,
                b'Z' => {
                    answer.ready = body.0.first().map(|status| char::from(*status));
                    return answer;
                }
                _ => {}
            }
        }
    }
}

struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn text(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap();
        let text = String::from_utf8(self.take(end).to_vec()).unwrap();
        self.take(1);
        text
    }

    fn column(&mut self) -> (String, u32) {
        let name = self.text();
        self.take(6);
        let oid = self.u32();
        self.take(8);
        (name, oid)
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        let length = self.u32();
        (length != u32::MAX).then(|| self.take(length as usize).to_vec())
    }

    fn error(&mut self) -> (String, String) {
        let mut error = (String::new(), String::new());
        while self.0[0] != 0 {
            match self.take(1)[0] {
                b'C' => error.0 = self.text(),
                b'M' => error.1 = self.text(),
                _ => drop(self.text()),
            }
        }
        error
    }
}
