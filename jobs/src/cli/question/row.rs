//! What a question's row tells beyond the table `questions`: what it waits for, who said what, how it
//! came to where it stands.

use std::io::Write;

use schemas::question::{Observation, QuestionRow};
use serde_json::{Value, json};

use crate::settle::standing;

/// What it waits for, by label.
pub fn waiting(row: &QuestionRow, out: &mut impl Write) -> std::io::Result<()> {
    let emergency = row.emergency.as_ref().map(|asked| standing::emergency(&row.spec, asked));
    for (label, text) in [("proposed", standing::proposal(row)), ("emergency", emergency)] {
        if let Some(text) = text {
            writeln!(out, "{label:<13} {text}")?;
        }
    }
    let wins = match row.spec.winners.0 {
        1 => String::new(),
        many => format!("; {many} outcomes win"),
    };
    writeln!(out, "{:<13} {}{wins}", "quorum", standing::quorum(row))
}

/// What sources say, oldest first.
pub fn sources(row: &QuestionRow, out: &mut impl Write) -> std::io::Result<()> {
    if !row.observations.is_empty() {
        writeln!(out, "\nsources")?;
    }
    for seen in &row.observations {
        writeln!(out, "  {}  {:<8} {}", seen.at, seen.source.as_str(), outcome(row, seen))?;
        if let Some(evidence) = &seen.evidence {
            writeln!(out, "{:38}{evidence}", "")?;
        }
    }
    Ok(())
}

/// How it came to where it stands, from the close on.
pub fn history(row: &QuestionRow, out: &mut impl Write) -> std::io::Result<()> {
    if !row.steps.is_empty() {
        writeln!(out, "\nhistory")?;
    }
    for (step, text) in standing::steps(row) {
        writeln!(out, "  {}  {text}", step.at)?;
    }
    Ok(())
}

/// The same for programs, each under its name.
pub fn in_json(row: &QuestionRow) -> [(&'static str, Value); 3] {
    let sources = row.observations.iter().map(|seen| {
        json!({
            "source": seen.source,
            "outcome_index": seen.outcome_index,
            "outcome": outcome(row, seen),
            "at": seen.at.to_rfc3339(),
            "confidence": seen.confidence,
            "evidence": seen.evidence,
        })
    });
    let emergency = row.emergency.as_ref().map(|asked| {
        json!({
            "payouts": asked.payouts,
            "operators": asked.operators,
            "reason": asked.reason,
            "takes_effect_at": asked.due.map(|due| due.to_rfc3339()),
        })
    });
    let steps = row.steps.iter().map(|step| json!({ "at": step.at.to_rfc3339(), "state": step.state, "by": step.by }));
    [("sources", sources.collect()), ("emergency", json!(emergency)), ("steps", steps.collect())]
}

fn outcome<'a>(row: &'a QuestionRow, seen: &Observation) -> &'a str {
    row.spec.outcomes.get(usize::from(seen.outcome_index)).map_or("?", String::as_str)
}
