//! A story on a terminal: under its days, at each time what happened, and where that is written.

use crate::sql::output::printable;

/// What stands before a line's text: the time to the millisecond and a gap.
const INDENT: usize = 14;
/// Text is not broken into lines shorter than this.
const MIN_TEXT: usize = 20;

/// The story of a bet on lines of `width` at most; its lines are when, where and what.
pub fn page(bet: &str, lines: &[[String; 3]], width: usize) -> String {
    let mut out = format!("bet {bet}\n");
    let mut day = "";
    for [at, place, what] in lines {
        let (date, time) = moment(at);
        if date != day {
            out.push_str(&format!("\n{date}, UTC\n"));
            day = date;
        }
        let mut before = format!("{time:<INDENT$}");
        for text in wrapped(what, place, width.saturating_sub(INDENT).max(MIN_TEXT)) {
            out.push_str(&before);
            out.push_str(&text);
            out.push('\n');
            before = " ".repeat(INDENT);
        }
    }
    out
}

/// The day and the time of day, of a time as RFC 3339 has it.
fn moment(at: &str) -> (&str, &str) {
    let (date, time) = at.split_once('T').unwrap_or((at, ""));
    let time = time.trim_end_matches('Z');
    (date, time.get(..INDENT - 2).unwrap_or(time))
}

/// What happened, word by word, then the place as one.
fn wrapped(what: &str, place: &str, width: usize) -> Vec<String> {
    let (what, place) = (printable(what), format!("[{}]", printable(place)));
    let mut lines = vec![String::new()];
    for word in what.split_whitespace().chain([place.as_str()]) {
        for (number, part) in parts(word, width).into_iter().enumerate() {
            let room = lines.last().map_or(0, |line| width.saturating_sub(line.chars().count()));
            match lines.last_mut() {
                Some(line) if line.is_empty() => line.push_str(&part),
                // A part of a word is followed by the next one on a line of its own.
                Some(line) if number == 0 && part.chars().count() < room => line.extend([" ", &part]),
                _ => lines.push(part),
            }
        }
    }
    lines
}

/// A word, cut where it is longer than a line.
fn parts(word: &str, width: usize) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    chars.chunks(width).map(|part| part.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_wrapped_between_words() {
        for (what, place, width, expected) in [
            ("bet sent: 10 at 2.5", "bets/0/17", 40, &["bet sent: 10 at 2.5 [bets/0/17]"][..]),
            ("bet sent: 10 at 2.5", "bets/0/17", 31, &["bet sent: 10 at 2.5 [bets/0/17]"]),
            ("bet sent: 10 at 2.5", "bets/0/17", 30, &["bet sent: 10 at 2.5", "[bets/0/17]"]),
            ("now accepted", "table bets, from x", 12, &["now accepted", "[table bets,", " from x]"]),
            ("a longestword b", "p", 8, &["a", "longestw", "ord b", "[p]"]),
            ("two\nlines \u{1b}[2J", "p", 40, &["two lines \\u{1b}[2J [p]"]),
            ("", "p", 40, &["[p]"]),
        ] {
            assert_eq!(wrapped(what, place, width), expected, "{what} in {width}");
        }
    }

    #[test]
    fn a_page_has_its_days() {
        let line = |at: &str, what: &str| [at, "bets/0/1", what].map(str::to_owned);
        let lines = [
            line("2026-07-29T23:59:58.004Z", "first"),
            line("2026-07-29T23:59:59Z", "second"),
            line("2026-07-30T00:00:00.100Z", "third"),
        ];
        assert_eq!(
            page("0b0a", &lines, 80),
            "bet 0b0a\n\n2026-07-29, UTC\n23:59:58.004  first [bets/0/1]\n23:59:59      second [bets/0/1]\n\
             \n2026-07-30, UTC\n00:00:00.100  third [bets/0/1]\n"
        );
    }
}
