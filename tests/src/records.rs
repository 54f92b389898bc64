//! Records as producers write them, for tests that build their own.

use pipeline::Clock;
use pipeline::record::Append;

/// A question's opening. Everyone may bet on its outcomes until `betting_end`.
pub fn opened(event: &str, question: &str, outcomes: u16, at: i64, betting_end: i64) -> String {
    let outcomes: Vec<String> = (0..outcomes).map(|outcome| format!("\"{outcome}\"")).collect();
    format!(
        r#"{{"event_uuid":"{event}","type":"question_opened","at":{at},"question":{{"question_uuid":"{question}","question":"Who wins?","game":"football","outcomes":[{}],"chain_id":137,"betting_end_time":{betting_end}}}}}"#,
        outcomes.join(",")
    )
}

/// An event that opens a question by its number.
pub fn opening(number: u64) -> Append {
    let (question, now) = (question(number), Clock::System.now().0);
    let event = format!("0e000000-0000-4000-8000-{number:012x}");
    Append::new(question.clone(), opened(&event, &question, 2, now, now + 3_600_000))
}

/// A bet by its number, on one of so many questions.
pub fn bet(number: u64, questions: u64, now: i64) -> Append {
    let question = question(number % questions);
    let json = format!(
        r#"{{"bet_uuid":"0b000000-0000-4000-8000-{number:012x}","question_uuid":"{question}","outcome_index":{},"bettor":"0x{:040x}","buy_amount":"{}.25","odds":"2.5","chain_id":137,"placed_at":{now}}}"#,
        number / questions % 2,
        0xb0 + number % 7,
        1 + number % 50
    );
    Append::new(question, json)
}

fn question(number: u64) -> String {
    format!("0a000000-0000-4000-8000-{number:012x}")
}
