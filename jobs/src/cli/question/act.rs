//! An operator's act: signed, tried on the question as it stands, appended, and followed until it is
//! applied or refused.

use std::time::Duration;

use clap::Args;
use nix::unistd::{Uid, User};
use pipeline::record::Append;
use schemas::codec::Event;
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::ids::{EventId, derive};
use schemas::probability::Probability;
use schemas::question::{QuestionRow, Source};
use tokio::time::{sleep, timeout};

use super::show::{self, Known};
use crate::bets::event_time;
use crate::cli::Context;
use crate::cli::answers::cells;
use crate::cli::exit::Failure;
use crate::control::Access;
use crate::control::question::Standing;
use crate::settle::{self, SettleRules, standing};

/// How long an act is followed, and how often it is looked for meanwhile.
const FOLLOWED: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

/// Who acts.
#[derive(Debug, Args)]
pub struct Signature {
    /// Who you are, for the audit [default: the login's name]
    #[arg(long, env = "ODDSMILL_OPERATOR", hide_env = true)]
    operator: Option<String>,
}

/// What to do.
pub enum Act {
    /// See the verbs.
    Propose {
        /// By number or name.
        outcome: String,
        /// What it rests on.
        evidence: Option<String>,
    },
    /// With a reason.
    Approve(Option<String>),
    /// With a reason.
    Flag(Option<String>),
    /// With a reason.
    Pause(Option<String>),
    /// With a reason.
    Resume(Option<String>),
    /// With a reason.
    Void(String),
    /// An outcome, numerators, or neither to void.
    Emergency {
        /// By number or name.
        outcome: Option<String>,
        /// One for each outcome.
        payouts: Vec<u64>,
        /// Why.
        reason: String,
    },
}

/// Appends an act and says what became of it.
pub async fn act(
    context: &Context,
    access: &Access,
    question: &str,
    act: Act,
    signature: Signature,
) -> Result<(), Failure> {
    let operator = signature.name()?;
    let known = show::find(access, question).await?;
    let kind = act.kind(&known)?;
    let before = access.question(known.id).await?;
    let now = before.now;
    let parts: [&[u8]; 4] = [known.id.as_bytes(), operator.as_bytes(), kind.name().as_bytes(), &now.0.to_be_bytes()];
    let event = GameEvent {
        event_uuid: EventId::new(derive("operator", &parts)),
        at: event_time(now),
        operator: Some(operator.clone()),
        kind,
    };
    let rules = context.config.node_options(false).settle_rules();
    if let Some(why) = refusal(&event, &before, &rules) {
        return Err(Failure::Failed(format!("refused: {why}")));
    }
    let record = Append::new(known.id.to_string(), event.to_json());
    let placed = access.append(GameEvent::STREAM, vec![record]).await?;
    let Some((shard, position)) = placed.first() else { return Ok(()) };
    if let Access::Local(_) = access {
        context.remark("kept in the log; no pipeline runs here, so the next `oddsmill run` applies it");
        return Ok(());
    }
    let letter = format!("{}/{}/{position}", GameEvent::STREAM, shard.0);
    match timeout(FOLLOWED, follow(access, &known, event.event_uuid, &letter)).await {
        Ok(Ok((from, to))) => {
            let moved = if from == to { format!("still {to}") } else { format!("{from} -> {to}") };
            context.remark(format!("{}: {moved}, by {operator}", known.text));
            let after = access.question(known.id).await?.row;
            outlook(before.row.as_ref(), after.as_ref()).iter().for_each(|line| context.remark(line));
            Ok(())
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(Failure::Failed(format!(
            "the act is in the log at {letter}, but was not applied within {} s; `oddsmill question show {}` tells when it is",
            FOLLOWED.as_secs(),
            known.id
        ))),
    }
}

/// Why the act does not fit. Where the log holds what the question does not know yet, the log decides.
fn refusal(event: &GameEvent, before: &Standing, rules: &SettleRules) -> Option<String> {
    if let Err(wrong) = event.check() {
        return Some(wrong.to_string());
    }
    let row = before.row.as_ref().filter(|_| before.current)?;
    settle::refusal(event, row, event.at, rules)
}

/// What an act that was applied leads to.
fn outlook(before: Option<&QuestionRow>, after: Option<&QuestionRow>) -> Vec<String> {
    let Some(after) = after else { return Vec::new() };
    let open = |row: &QuestionRow| row.settling_from.is_none();
    let asked = before.and_then(|before| before.emergency.as_ref()).filter(|_| open(after));
    let dropped = asked.filter(|asked| after.emergency.as_ref().is_none_or(|now| now.payouts != asked.payouts));
    let dropped = dropped.map(|asked| {
        let answer = standing::answer(&after.spec, &asked.payouts);
        format!("the emergency answer {answer}, asked by {}, is withdrawn", asked.operators.join(" and "))
    });
    dropped.into_iter().chain(standing::next(after)).collect()
}

/// Waits for the audit's row of the act, or for the dead letter that says why there is none.
async fn follow(access: &Access, known: &Known, event: EventId, letter: &str) -> Result<(String, String), Failure> {
    let audit = format!(
        "SELECT \"before\", \"after\" FROM audit WHERE question_uuid = '{}' AND event_uuid = '{event}'",
        known.id
    );
    let refusal = format!("SELECT detail FROM dead_letters WHERE id = '{letter}'");
    loop {
        if let Some([before, after]) = cells(access, &audit).await?.first().and_then(|row| row.get(..2)) {
            return Ok((before.clone(), after.clone()));
        }
        if let Some(row) = cells(access, &refusal).await?.first() {
            let why = row.first().map(String::as_str).unwrap_or_default();
            return Err(Failure::Failed(format!("refused: {why} (kept as dead letter {letter})")));
        }
        sleep(LOOK).await;
    }
}

impl Signature {
    fn name(self) -> Result<String, Failure> {
        let named = |name: &String| !name.trim().is_empty();
        let login = || ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok().filter(named));
        let name = self.operator.filter(named).or_else(login).or_else(account).filter(named);
        name.ok_or_else(|| {
            Failure::Usage("nobody signs this: name yourself with --operator or ODDSMILL_OPERATOR".into())
        })
    }
}

/// The system's name of whoever runs this process.
fn account() -> Option<String> {
    User::from_uid(Uid::effective()).ok().flatten().map(|user| user.name)
}

impl Act {
    fn kind(self, known: &Known) -> Result<GameEventKind, Failure> {
        let question_uuid = known.id;
        Ok(match self {
            Act::Propose { outcome, evidence } => GameEventKind::OutcomeObserved {
                question_uuid,
                outcome_index: known.outcome(&outcome)?,
                source: Source::Operator,
                confidence: Probability::ONE,
                evidence,
            },
            Act::Approve(reason) => GameEventKind::QuestionApproved { question_uuid, reason },
            Act::Flag(reason) => GameEventKind::QuestionFlagged { question_uuid, reason },
            Act::Pause(reason) => GameEventKind::QuestionPaused { question_uuid, reason },
            Act::Resume(reason) => GameEventKind::QuestionResumed { question_uuid, reason },
            Act::Void(reason) => GameEventKind::QuestionVoided { question_uuid, reason },
            Act::Emergency { outcome: Some(outcome), reason, .. } => {
                let winner = usize::from(known.outcome(&outcome)?);
                let payouts = (0..known.outcomes.len()).map(|index| u64::from(index == winner)).collect();
                GameEventKind::EmergencyAnswer { question_uuid, payouts, reason }
            }
            Act::Emergency { outcome: None, payouts, reason } => {
                GameEventKind::EmergencyAnswer { question_uuid, payouts, reason }
            }
        })
    }
}
