//! Text in headers and bodies that may hold only ASCII: RFC 2047 and RFC 2045.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of text in an encoded word: 39 are 52 in base64, and with `=?UTF-8?B?`, `?=` and
/// `Subject: ` 73 of the 76 that RFC 2047 allows a line.
const WORD_BYTES: usize = 39;

/// Longest line of a quoted-printable body, its soft break included.
const QUOTED_LINE: usize = 76;

/// Whether a header can hold the text as it is: printable ASCII that looks like no encoded word.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.contains("=?")
}

/// The text as encoded words, one a line, so that it holds nothing but base64.
pub(super) fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while !rest.is_empty() {
        let mut end = rest.len().min(WORD_BYTES);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        if !out.is_empty() {
            out.push_str("\r\n ");
        }
        out.push_str("=?UTF-8?B?");
        out.push_str(&STANDARD.encode(&rest[..end]));
        out.push_str("?=");
        rest = &rest[end..];
    }
    out
}

/// Words of printable ASCII, broken before a blank where the line would pass 76 bytes; `used`
/// are on the first line already.
pub(super) fn folded(text: &str, mut used: usize) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for word in text.split(' ') {
        if !out.is_empty() {
            let breaks = used + 1 + word.len() > 76;
            out.push_str(if breaks { "\r\n " } else { " " });
            used = if breaks { 1 } else { used + 1 };
        }
        out.push_str(word);
        used += word.len();
    }
    out
}

/// Appends lines ended by `\n` as quoted-printable lines ended by CRLF.
pub(super) fn quoted_printable(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for line in text.split_terminator('\n') {
        let mut used = 0;
        let last = line.len().saturating_sub(1);
        for (index, byte) in line.bytes().enumerate() {
            // A blank at a line's end may be lost on the way.
            let plain = matches!(byte, b'!'..=b'~' if byte != b'=') || (byte == b' ' && index != last);
            let width = if plain { 1 } else { 3 };
            if used + width >= QUOTED_LINE {
                out.extend_from_slice(b"=\r\n");
                used = 0;
            }
            if plain {
                out.push(byte);
            } else {
                out.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            used += width;
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_and_whole() {
        assert_eq!(words("Größe"), "=?UTF-8?B?R3LDtsOfZQ==?=");
        let long = words(&"ä€😀".repeat(20));
        let mut text = String::new();
        for word in long.split("\r\n ") {
            assert!(word.len() <= 75, "{word}");
            let inner = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
            // Each word is valid by itself, as RFC 2047 asks.
            text.push_str(&String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap());
        }
        assert_eq!(text, "ä€😀".repeat(20));
        assert!(is_plain("Bet accepted: Ada at 2.35"));
        assert!(!is_plain("=?UTF-8?B?eA==?=") && !is_plain("a\r\nb") && !is_plain("ä"));
    }

    #[test]
    fn folding_changes_blanks_only() {
        let text = "word ".repeat(40);
        let folded = folded(text.trim(), 9);
        assert!(folded.lines().enumerate().all(|(at, line)| line.len() + if at == 0 { 9 } else { 0 } <= 76));
        assert_eq!(folded.replace("\r\n", ""), text.trim());
    }

    #[test]
    fn quoted_lines_are_short() {
        let mut out = Vec::new();
        quoted_printable("a=b \n\nÄ.\n", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "a=3Db=20\r\n\r\n=C3=84.\r\n");
        for text in ["x".repeat(300), "ä".repeat(100), "ab=".repeat(80)] {
            let mut out = Vec::new();
            quoted_printable(&text, &mut out);
            let out = String::from_utf8(out).unwrap();
            assert!(out.lines().all(|line| line.len() <= 76), "{out}");
            let plain = out.replace("=\r\n", "").replace("=C3=A4", "ä").replace("=3D", "=");
            assert_eq!(plain.trim_end(), text);
        }
    }
}
