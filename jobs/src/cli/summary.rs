//! What a replay came to: counts that can be compared with the file's publisher, and what to try next.

use std::io::Write;
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::StreamExt;
use pipeline::Error;
use schemas::ids::QuestionId;
use schemas::money::Total;
use schemas::question::{QuestionRow, QuestionState};
use schemas::row::Row;
use schemas::settlement::SettlementRow;
use serde_json::{Value, json};

use super::Context;
use super::exit::Failure;
use super::next::try_next;
use super::output::{OutputFormat, grouped, print_json, stdout};
use crate::bets::totals::TotalsRow;
use crate::control::access::query;
use crate::node::Node;
use crate::replay::Outcome;

/// Questions shown one by one; a file may hold thousands.
const SHOWN: usize = 20;

/// Commands that have something to show.
const NEXT: [&str; 4] = [
    "sql \"SELECT window_start, bets, avg_odds FROM odds_windows LIMIT 5\"",
    "sql",
    "mail list",
    "tap settlements --limit 5",
];

/// One replayed market.
struct Market {
    question: QuestionRow,
    bets: u64,
    staked: Total,
    windows: i64,
    rejected: i64,
    settlement: Option<SettlementRow>,
}

/// Prints the summary of a finished replay.
pub async fn print(context: &Context, node: &Node, file: &Path, outcome: &Outcome) -> Result<(), Failure> {
    let mut markets = Vec::new();
    for id in outcome.survey.questions.iter().take(SHOWN) {
        markets.extend(market(node, *id).await?);
    }
    let dead = number(node, "SELECT count(*) FROM dead_letters").await?;
    let mails = number(node, "SELECT count(*) FROM outbox WHERE state = 'sent'").await?;
    if matches!(context.output, Some(OutputFormat::Json | OutputFormat::Jsonl)) {
        let markets: Vec<Value> = markets.iter().map(in_json).collect();
        return print_json(&json!({
            "file": file.display().to_string(), "records": outcome.survey.records, "new_records": outcome.new,
            "markets": markets, "mails_sent": mails, "dead_letters": dead,
        }));
    }
    let mut out = stdout();
    match outcome.new {
        0 => writeln!(out, "already replayed: 0 new records")?,
        new => writeln!(out, "replayed {}: {} new records", file.display(), grouped(new))?,
    }
    for market in &markets {
        in_text(market, &mut out)?;
    }
    if outcome.survey.questions.len() > SHOWN {
        writeln!(out, "and {} markets more", outcome.survey.questions.len() - SHOWN)?;
    }
    if context.config.mail.is_some() {
        writeln!(out, "mails         {} sent", grouped(mails.unsigned_abs()))?;
    }
    writeln!(out, "dead letters  {dead}")?;
    if !context.quiet {
        try_next(&mut out, &context.config.data_dir, &NEXT.map(str::to_owned))?;
    }
    Ok(out.flush()?)
}

async fn market(node: &Node, id: QuestionId) -> Result<Option<Market>, Failure> {
    let Some(bytes) = node.tables.get(QuestionRow::TABLE, id.as_bytes())? else { return Ok(None) };
    let question = QuestionRow::from_bytes(&bytes).map_err(Error::corrupt)?;
    let totals = match node.tables.get(TotalsRow::TABLE, id.as_bytes())? {
        Some(bytes) => TotalsRow::from_bytes(&bytes).map_err(Error::corrupt)?,
        None => TotalsRow::default(),
    };
    let settlement = node.tables.get(SettlementRow::TABLE, id.as_bytes())?;
    let settlement = settlement.map(|bytes| SettlementRow::from_bytes(&bytes).map_err(Error::corrupt)).transpose()?;
    // A sum of i64 micro-units in i128 cannot overflow.
    let staked = totals.stake.iter().map(|stake| i128::from(stake.micros())).sum();
    let windows = format!("SELECT count(DISTINCT window_start) FROM odds_windows WHERE question_uuid = '{id}'");
    let rejected = format!("SELECT count(*) FROM bets WHERE question_uuid = '{id}' AND status = 'rejected'");
    Ok(Some(Market {
        question,
        bets: totals.bets.iter().sum(),
        staked: Total::from_micros(staked)
            .ok_or_else(|| Failure::Failed(format!("stakes of question {id} are out of range")))?,
        windows: number(node, &windows).await?,
        rejected: number(node, &rejected).await?,
        settlement,
    }))
}

async fn number(node: &Node, sql: &str) -> Result<i64, Failure> {
    let mut rows = query(node, sql).await?;
    while let Some(batch) = rows.batches.next().await {
        let batch = batch?;
        if let Some(column) = batch.column(0).as_primitive_opt::<Int64Type>().filter(|column| !column.is_empty()) {
            return Ok(column.value(0));
        }
    }
    Err(Failure::Failed(format!("no number came back from {sql}")))
}

/// The outcomes that won, or were seen to, by name and by the source's id.
fn answer(question: &QuestionRow) -> Vec<String> {
    let won = |n: usize| question.payouts.get(n).is_some_and(|payout| *payout > 0);
    let seen = |n: usize| question.observations.iter().any(|seen| usize::from(seen.outcome_index) == n);
    let decided = question.payouts.iter().any(|payout| *payout > 0);
    let names = question.spec.outcomes.iter().enumerate();
    let winners = names.filter(|(n, _)| if decided { won(*n) } else { seen(*n) });
    winners
        .map(|(n, name)| match question.spec.outcome_ids.get(n) {
            // A file without names gives its ids as names.
            Some(id) if !name.contains(id.as_str()) => format!("{name} ({id})"),
            _ => name.clone(),
        })
        .collect()
}

fn in_text(market: &Market, out: &mut impl Write) -> Result<(), Failure> {
    let question = &market.question;
    let source = question.spec.source_id.as_deref().unwrap_or_default();
    writeln!(out, "\nmarket        {} ({source})", question.spec.question)?;
    writeln!(out, "bets          {} accepted, {} rejected", grouped(market.bets), market.rejected)?;
    writeln!(out, "staked        {}", market.staked)?;
    writeln!(out, "windows       {} of five minutes with bets", market.windows)?;
    if let Some(closed) = question.closed_at {
        writeln!(out, "closed        {closed}")?;
    }
    let answer = answer(question);
    match (question.state, answer.is_empty()) {
        (QuestionState::Voided, _) => {
            writeln!(out, "answer        void: {}", question.void_reason.as_deref().unwrap_or("no reason given"))?
        }
        (state, true) => writeln!(out, "answer        none yet ({state})")?,
        (state, false) => writeln!(out, "answer        {} ({state})", answer.join(", "))?,
    }
    if let Some(done) = &market.settlement {
        let [won, lost, void] = [done.bets_won, done.bets_lost, done.bets_void].map(grouped);
        writeln!(out, "settled       {won} won, {lost} lost, {void} void; returned {}", done.returned)?;
    }
    Ok(())
}

fn in_json(market: &Market) -> Value {
    let question = &market.question;
    json!({
        "question_uuid": question.spec.question_uuid, "source_id": question.spec.source_id, "question": question.spec.question,
        "bets": market.bets, "rejected": market.rejected, "staked": market.staked.to_string(), "windows": market.windows,
        "closed_at": question.closed_at.map(|at| at.to_rfc3339()), "state": question.state.to_string(), "answer": answer(question),
        "settlement": market.settlement.as_ref().map(|done| json!({
            "won": done.bets_won, "lost": done.bets_lost, "void": done.bets_void, "returned": done.returned.to_string(),
            "settled_at": done.settled_at.map(|at| at.to_rfc3339()),
        })),
    })
}
