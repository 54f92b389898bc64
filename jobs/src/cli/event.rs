//! Records as JSON, whatever they were written in.

use std::borrow::Cow;

use schemas::bet::Bet;
use schemas::codec::Event;
use schemas::frame::Frame;
use schemas::game_event::GameEvent;
use serde_json::value::RawValue;

/// A record's event as a JSON object: as it was sent where it was JSON, decoded where it was CBOR;
/// nothing where it is neither.
pub fn event_json<'a>(stream: &str, data: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let text = data.trim_ascii();
    if text.starts_with(b"{") {
        return serde_json::from_slice::<&RawValue>(text).is_ok().then_some(Cow::Borrowed(text));
    }
    let json = match stream {
        Bet::STREAM => Bet::decode(data).ok()?.to_json(),
        GameEvent::STREAM => GameEvent::decode(data).ok()?.to_json(),
        Frame::STREAM => Frame::decode(data).ok()?.to_json(),
        _ => return None,
    };
    Some(Cow::Owned(json))
}

/// JSON without line breaks: inside of strings it has none, outside they are blanks.
pub fn on_one_line(json: &[u8]) -> String {
    String::from_utf8_lossy(json).replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_stay_as_they_were_sent() {
        for (data, expected) in [
            (&b" {\"a\":1.10}\n"[..], Some("{\"a\":1.10}")),
            (b"{\"a\":\n1}", Some("{\"a\":\n1}")),
            (b"{\"a\":", None),
            (b"[1]", None),
            (b"", None),
            (b"\xff\x00", None),
        ] {
            let json = event_json("bets", data);
            assert_eq!(json.as_deref(), expected.map(str::as_bytes), "{data:?}");
        }
        assert_eq!(on_one_line(b"{\"a\":\n1}"), "{\"a\": 1}");
    }
}
