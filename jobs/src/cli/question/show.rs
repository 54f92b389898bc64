//! Finding a question by what people know of it, and showing all about it.

use std::io::Write;

use schemas::ids::QuestionId;
use schemas::question::QuestionRow;
use serde_json::{Value, json};

use super::row;
use crate::cli::Context;
use crate::cli::answers::{cells, literal, objects};
use crate::cli::exit::Failure;
use crate::cli::output::{OutputFormat, print_json, stdout};
use crate::control::Access;

/// A question that was found.
pub struct Known {
    /// Its id.
    pub id: QuestionId,
    /// What is asked.
    pub text: String,
    /// The possible answers.
    pub outcomes: Vec<String>,
}

/// Finds a question by its id, the start of it, or its `source_id`.
pub async fn find(access: &Access, what: &str) -> Result<Known, Failure> {
    let filter = match QuestionId::parse(what) {
        Ok(id) => format!("question_uuid = '{id}'"),
        Err(_) => {
            let text = literal(what);
            format!("starts_with(question_uuid, lower({text})) OR source_id = {text}")
        }
    };
    let sql = format!("SELECT question_uuid, question, outcomes FROM questions WHERE {filter} LIMIT 2");
    let found = objects(access, &sql).await?;
    let hint = "`oddsmill question list` shows them";
    match &found[..] {
        [] => Err(Failure::Failed(format!("there is no question {what:?}; {hint}"))),
        [one] => {
            let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
            let outcomes = one["outcomes"].as_array().into_iter().flatten();
            let id = QuestionId::parse(&text("question_uuid"));
            Ok(Known {
                id: id.map_err(|error| Failure::Failed(error.to_string()))?,
                text: text("question"),
                outcomes: outcomes.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
            })
        }
        _ => Err(Failure::Failed(format!("more than one question begins with {what:?}; give more of its id; {hint}"))),
    }
}

impl Known {
    /// An outcome by its number or its name.
    pub fn outcome(&self, what: &str) -> Result<u16, Failure> {
        let by_name = || self.outcomes.iter().position(|name| name.eq_ignore_ascii_case(what));
        let by_number = || what.parse::<usize>().ok().filter(|number| *number < self.outcomes.len());
        let found = by_name().or_else(by_number).and_then(|index| u16::try_from(index).ok());
        found.ok_or_else(|| {
            let list = self.outcomes.iter().enumerate().map(|(number, name)| format!("  {number}  {name}"));
            Failure::Usage(format!(
                "there is no outcome {what:?}; choose one of\n{}",
                list.collect::<Vec<_>>().join("\n")
            ))
        })
    }
}

/// Prints all about a question.
pub async fn show(context: &Context, access: &Access, what: &str) -> Result<(), Failure> {
    let known = find(access, what).await?;
    let id = known.id;
    let one = |table: &str, columns: &str| format!("SELECT {columns} FROM {table} WHERE question_uuid = '{id}'");
    let columns = "question_uuid, question, game, state, source_id, outcomes, bets_by_outcome, stake_by_outcome, payouts, \
                   quorum, winners, betting_end_time, closed_at, challenge_until, settling_from, settled_at, flag_reason, void_reason";
    let question = objects(access, &one("questions", columns)).await?.pop().unwrap_or_default();
    let settlement = objects(access, &one("settlements", "*")).await?.pop();
    let row = access.question(id).await?.row;
    let audit = format!("{} ORDER BY at", one("audit", "at, operator, action, \"before\", \"after\", detail"));
    if matches!(context.output, Some(OutputFormat::Json | OutputFormat::Jsonl)) {
        let audit = objects(access, &audit).await?;
        let mut all = json!({ "question": question, "settlement": settlement, "audit": audit });
        for (name, value) in row.iter().flat_map(row::in_json) {
            all[name] = value;
        }
        return print_json(&all);
    }
    let mut out = stdout();
    in_text(&question, row.as_ref(), settlement.as_ref(), &mut out)?;
    if let Some(row) = &row {
        row::sources(row, &mut out)?;
        row::history(row, &mut out)?;
    }
    let acts = cells(access, &audit).await?;
    if !acts.is_empty() {
        writeln!(out, "\naudit")?;
    }
    for row in &acts {
        let [at, operator, action, before, after, detail] = &row[..] else { continue };
        writeln!(out, "  {at}  {operator:<12} {action:<18} {before} -> {after}  {detail}")?;
    }
    Ok(out.flush()?)
}

fn in_text(
    question: &Value,
    row: Option<&QuestionRow>,
    settlement: Option<&Value>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (label, name) in [
        ("question", "question"),
        ("id", "question_uuid"),
        ("source", "source_id"),
        ("state", "state"),
        ("flag", "flag_reason"),
        ("void", "void_reason"),
        ("betting ends", "betting_end_time"),
        ("closed", "closed_at"),
        ("final since", "settling_from"),
        ("settled", "settled_at"),
    ] {
        if !question[name].is_null() {
            writeln!(out, "{label:<13} {}", text(&question[name]))?;
        }
    }
    row.map_or(Ok(()), |row| row::waiting(row, out))?;
    for (number, name) in question["outcomes"].as_array().into_iter().flatten().enumerate() {
        let of = |list: &str| question[list].get(number).map(text).unwrap_or_else(|| "0".to_owned());
        let mark = if of("payouts") == "0" { ' ' } else { '*' };
        let (bets, stake) = (of("bets_by_outcome"), of("stake_by_outcome"));
        writeln!(out, "  {mark} {number}  {:<32} {bets:>8} bets {stake:>18}", text(name))?;
    }
    if let Some(done) = settlement {
        let of = |name: &str| text(&done[name]);
        writeln!(
            out,
            "settlement    {} won, {} lost, {} void of {}; staked {}, returned {}",
            of("bets_won"),
            of("bets_lost"),
            of("bets_void"),
            of("bets_accepted"),
            of("staked"),
            of("returned")
        )?;
    }
    Ok(())
}
