//! A notice as SNS takes it: one message with a form for people and one for programs, its attributes, its
//! size; and which messages go together.
//!
//! Source: "PublishBatch" and "Publish" of the SNS API, "Amazon SNS message attributes".

use std::ops::Range;

use crate::mailer::Notice;

/// Messages of a batch, at most.
pub(super) const BATCH_MESSAGES: usize = 10;
/// Bytes of a batch, and of a message, at most: bodies with names, types and values of attributes.
pub(super) const BATCH_BYTES: usize = 256 << 10;
/// Characters of a subject, at most: fewer than 100.
const SUBJECT_CHARS: usize = 99;

/// A message, ready to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// One line.
    pub subject: String,
    /// JSON: the form for each kind of subscriber.
    pub body: String,
    /// Names and values, in the notice's order.
    pub attributes: Vec<(String, String)>,
}

impl Message {
    /// The message of a notice. The attribute `person` is the one that subscriptions filter by.
    ///
    /// `email` gets the text, and `sms` the subject, since a text of a page is a dozen messages on a phone.
    /// What is left (queues, HTTP, functions) is read by programs and gets the data as `default`; the text
    /// where there is none.
    pub(super) fn of(notice: &Notice, person: &str) -> Message {
        let programs = if notice.data.is_empty() { &notice.text } else { &notice.data };
        let subject = subject(&notice.subject);
        let forms = [("default", programs.as_str()), ("email", &notice.text), ("sms", &subject)];
        let body = object(forms);
        let mut attributes = vec![(person.to_owned(), notice.person.clone())];
        attributes.extend(notice.attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        // SNS refuses empty values.
        attributes.retain(|(_, value)| !value.is_empty());
        Message { subject, body, attributes }
    }

    /// Bytes that count against [`BATCH_BYTES`], or a few more.
    pub(super) fn bytes(&self) -> usize {
        let attributes: usize =
            self.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len()).sum();
        self.subject.len() + self.body.len() + attributes
    }
}

/// The filter of one person's subscription: a notice about anybody else does not pass it.
pub(super) fn filter(attribute: &str, person: &str) -> String {
    format!("{{{}:[{}]}}", quoted(attribute), quoted(person))
}

/// Which neighbours go in one batch, given each message's bytes. One that is too large goes by itself, and
/// SNS says so.
pub(super) fn pack(sizes: &[usize]) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, size) in sizes.iter().enumerate() {
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_MESSAGES && bytes + size <= BATCH_BYTES => {
                batch.end = index + 1;
                bytes += size;
            }
            _ => {
                batches.push(index..index + 1);
                bytes = *size;
            }
        }
    }
    batches
}

/// A line of at most [`SUBJECT_CHARS`], without what SNS refuses.
fn subject(text: &str) -> String {
    let line: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    let line = line.trim();
    match line.char_indices().nth(SUBJECT_CHARS) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}...", line[..end].chars().take(SUBJECT_CHARS - 3).collect::<String>()),
    }
}

fn object<const N: usize>(members: [(&str, &str); N]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
    format!("{{{}}}", members.join(","))
}

/// A JSON string (RFC 8259).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            char if char < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_text_and_programs_data() {
        let notice = Notice {
            person: "0xaa".into(),
            subject: "You \"won\"\r\n".into(),
            text: "Hello\n\\o/\u{1}ä".into(),
            data: r#"{"a":1}"#.into(),
            attributes: vec![("event", "bet_won".into()), ("about", String::new())],
        };
        let message = Message::of(&notice, "user_id");
        let expected = r#"{"default":"{\"a\":1}","email":"Hello\n\\o/\u0001ä","sms":"You \"won\""}"#;
        assert_eq!(message.body, expected);
        assert_eq!(message.subject, "You \"won\"");
        let attributes =
            [("user_id", "0xaa"), ("event", "bet_won")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(message.attributes, attributes);
        assert_eq!(message.bytes(), message.subject.len() + message.body.len() + (7 + 6 + 4) + (5 + 6 + 7));
        let plain = Message::of(&Notice { data: String::new(), ..notice }, "user_id");
        assert!(plain.body.starts_with(r#"{"default":"Hello\n"#), "{}", plain.body);
        assert_eq!(filter("user_id", "a\"b"), r#"{"user_id":["a\"b"]}"#);
    }

    #[test]
    fn a_subject_stays_below_a_hundred_characters() {
        for (length, expected) in [(0, 0), (99, 99), (100, 99), (300, 99)] {
            let short = subject(&"ä".repeat(length));
            assert_eq!((short.chars().count(), short.ends_with("...")), (expected, length > 99), "{length}");
        }
    }

    #[test]
    fn batches_keep_both_limits_and_the_order() {
        const KB: usize = 1 << 10;
        let check = |sizes: &[usize], expected: &[usize]| {
            let batches = pack(sizes);
            assert_eq!(batches.iter().map(Range::len).collect::<Vec<_>>(), expected, "{sizes:?}");
            let all: Vec<usize> = batches.into_iter().flatten().collect();
            assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
        };
        check(&[], &[]);
        check(&[KB; 10], &[10]);
        check(&[KB; 21], &[10, 10, 1]);
        check(&[100 * KB; 5], &[2, 2, 1]);
        check(&[256 * KB, 1], &[1, 1]);
        check(&[300 * KB, KB, KB, 255 * KB], &[1, 2, 1]);
        check(&[255 * KB, KB, 256 * KB], &[2, 1]);
    }
}
