//! Records as producers write them, for tests that build their own.

/// A question's opening. Everyone may bet on its outcomes until `betting_end`.
pub fn opened(event: &str, question: &str, outcomes: u16, at: i64, betting_end: i64) -> String {
    let outcomes: Vec<String> = (0..outcomes).map(|outcome| format!("\"{outcome}\"")).collect();
    format!(
        r#"{{"event_uuid":"{event}","type":"question_opened","at":{at},"question":{{"question_uuid":"{question}","question":"Who wins?","game":"football","outcomes":[{}],"chain_id":137,"betting_end_time":{betting_end}}}}}"#,
        outcomes.join(",")
    )
}
