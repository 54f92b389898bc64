//! What clients say: the messages of the protocol, version 3, as they arrive.

use bytes::{Buf, Bytes};

use super::refusal::{PROTOCOL, Refusal};

/// A message of a client.
#[derive(Debug)]
pub enum Message {
    /// Statements to run, and their rows to send.
    Query(String),
    /// A statement to keep.
    Parse(Parse),
    /// Values for a statement.
    Bind(Bind),
    /// What would come back.
    Describe(Target),
    /// Rows to send, so many at most; 0 is all.
    Execute {
        /// The portal.
        portal: String,
        /// How many rows.
        rows: u32,
    },
    /// Forgets a statement or a portal.
    Close(Target),
    /// Ends a series of messages.
    Sync,
    /// Sends what is ready.
    Flush,
    /// Ends the connection.
    Terminate,
    /// What belongs to a COPY that has been refused.
    Copy,
}

/// A statement to keep.
#[derive(Debug)]
pub struct Parse {
    /// Its name; empty for the one without.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The types of its first parameters; 0 where the client does not say.
    pub types: Vec<u32>,
}

/// Values for a statement.
#[derive(Debug)]
pub struct Bind {
    /// What the outcome is called.
    pub portal: String,
    /// The statement's name.
    pub statement: String,
    /// How the values are written: none for text, one for all, or one each.
    pub formats: Vec<i16>,
    /// The values; nothing is NULL.
    pub values: Vec<Option<Bytes>>,
    /// How columns are to be written: none for text, one for all, or one each.
    pub results: Vec<i16>,
}

/// A statement's name or a portal's.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// A statement.
    Statement(String),
    /// A portal.
    Portal(String),
}

impl Message {
    /// Reads a message's body.
    ///
    /// # Errors
    /// A message that breaks the protocol; nothing after it can be understood.
    pub fn read(tag: u8, body: Bytes) -> Result<Message, Refusal> {
        let mut body = Body(body);
        Ok(match tag {
            b'Q' => Message::Query(body.text()?),
            b'P' => {
                let (name, text) = (body.text()?, body.text()?);
                Message::Parse(Parse { name, text, types: body.list(Body::u32)? })
            }
            b'B' => {
                let (portal, statement) = (body.text()?, body.text()?);
                let (formats, values) = (body.list(Body::i16)?, body.list(Body::value)?);
                Message::Bind(Bind { portal, statement, formats, values, results: body.list(Body::i16)? })
            }
            b'D' => Message::Describe(body.target()?),
            b'E' => Message::Execute { portal: body.text()?, rows: body.u32()? },
            b'C' => Message::Close(body.target()?),
            b'S' => Message::Sync,
            b'H' => Message::Flush,
            b'X' => Message::Terminate,
            b'd' | b'c' | b'f' => Message::Copy,
            other => return Err(broken(&format!("messages of type {:?} are not known", char::from(other)))),
        })
    }

    /// Whether an error in it makes the server ignore all that comes before the next Sync.
    pub fn is_extended(&self) -> bool {
        !matches!(self, Message::Query(_) | Message::Sync | Message::Terminate | Message::Copy)
    }
}

/// What is left of a message's body.
pub struct Body(pub Bytes);

impl Body {
    /// A text that ends with a zero byte.
    pub fn text(&mut self) -> Result<String, Refusal> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or_else(|| broken("a text has no end"))?;
        let text = self.0.split_to(end);
        self.0.advance(1);
        String::from_utf8(text.to_vec()).map_err(|_| Refusal::fatal("22021", "a text is not UTF-8"))
    }

    /// A number of four bytes.
    pub fn u32(&mut self) -> Result<u32, Refusal> {
        self.0.try_get_u32().map_err(|_| short())
    }

    fn i16(&mut self) -> Result<i16, Refusal> {
        self.0.try_get_i16().map_err(|_| short())
    }

    fn value(&mut self) -> Result<Option<Bytes>, Refusal> {
        let length = self.u32()?;
        if length == u32::MAX {
            return Ok(None);
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.0.len() {
            return Err(short());
        }
        Ok(Some(self.0.split_to(length)))
    }

    /// As many things as the two bytes before them say.
    fn list<T>(&mut self, one: impl Fn(&mut Body) -> Result<T, Refusal>) -> Result<Vec<T>, Refusal> {
        let count = self.0.try_get_u16().map_err(|_| short())?;
        (0..count).map(|_| one(self)).collect()
    }

    fn target(&mut self) -> Result<Target, Refusal> {
        match self.0.try_get_u8().map_err(|_| short())? {
            b'S' => Ok(Target::Statement(self.text()?)),
            b'P' => Ok(Target::Portal(self.text()?)),
            _ => Err(broken("neither a statement nor a portal is named")),
        }
    }
}

fn short() -> Refusal {
    broken("a message is shorter than it says")
}

fn broken(what: &str) -> Refusal {
    Refusal::fatal(PROTOCOL, format!("{what}; the connection ends"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_and_broken_ones_refused() {
        let bind = b"p\0s\0\0\x01\0\x01\0\x02\xff\xff\xff\xff\0\0\0\x02hi\0\0";
        let Ok(Message::Bind(read)) = Message::read(b'B', Bytes::from_static(bind)) else { panic!() };
        assert_eq!((read.portal.as_str(), read.statement.as_str()), ("p", "s"));
        assert_eq!(read.values, [None, Some(Bytes::from_static(b"hi"))]);
        assert_eq!((read.formats, read.results), (vec![1], vec![]));
        for end in 0..bind.len() {
            let refusal = Message::read(b'B', Bytes::copy_from_slice(&bind[..end])).unwrap_err();
            assert!(refusal.fatal && refusal.code == PROTOCOL);
        }
        assert!(Message::read(b'Z', Bytes::new()).is_err() && Message::read(b'Q', Bytes::from_static(b"x")).is_err());
    }
}
