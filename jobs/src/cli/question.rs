//! `oddsmill question`: look at questions, and decide what sources cannot.
//!
//! An act is a game event with the operator's name in it, like any other: it has its place in the
//! log, is applied in its order, and leaves a row of the audit or a dead letter that says why not.
//! What does not fit the question as it stands is refused before it gets there.

mod act;
mod row;
mod show;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use schemas::question::QuestionState;

use super::Context;
use super::answers::literal;
use super::exit::Failure;
use super::listing;
use super::listing::Kind::{Id, Text, Time};
use crate::control::{Access, Missing};
use act::{Act, Signature};

const EXAMPLES: &str = "\
Examples:
  oddsmill question list --state flagged   those that wait for a person
  oddsmill question show 0a0a8fd4          all about one
  oddsmill question propose 0a0a8fd4 --outcome 1 \\
      --evidence https://example.com/report
  oddsmill question approve 0a0a8fd4 --reason \"seen on the recording\"
  oddsmill question flag 0a0a8fd4 --reason \"the feed is an hour behind\"
  oddsmill question void 0a0a8fd4 --reason \"match abandoned\"
  oddsmill question emergency 0a0a8fd4 --outcome 1 \\
      --reason \"no feed\" --operator ann
  oddsmill question emergency 0a0a8fd4 --outcome 1 \\
      --reason \"no feed\" --operator bob

The start of a question's id is enough. Life: open -> closed -> proposed ->
approved, and then its bets are settled for good. A proposed answer can be
flagged until settle.challenge is over. An operator's word is one source among
others, and decides where a question is flagged. An emergency answer needs no
quorum, but two operators who ask for the same, and waits for
settle.emergency_delay; flagging the question withdraws it. Every act is in the
table audit, under --operator, ODDSMILL_OPERATOR or the name of the login.
";

/// In two lines: the one that would be made is too long for a terminal.
const EMERGENCY: &str = "\
oddsmill question emergency [OPTIONS] --reason <REASON>
           <--outcome <OUTCOME>|--payouts <PAYOUTS>|--void> <QUESTION>";

/// List, show and decide questions
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Question {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List questions, the latest first
    List(List),
    /// Show one: where it stands, what sources say, what operators did
    Show {
        /// Its id, the start of it, or its source_id
        question: String,
    },
    /// Say which outcome is the answer, as an operator
    Propose(Propose),
    /// Confirm the proposed answer, or lift a flag
    Approve(Plain),
    /// Stop the proposed answer (or an emergency) until a person has looked
    Flag(Plain),
    /// Take no bets for now
    Pause(Plain),
    /// Take bets again
    Resume(Plain),
    /// There is no answer: stakes go back
    Void(Reasoned),
    /// Ask for an answer past quorum and challenge
    Emergency(Emergency),
}

#[derive(Debug, Args)]
struct List {
    /// Only those in a state
    #[arg(long, value_parser = states())]
    state: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u64,
}

#[derive(Debug, Args)]
struct Plain {
    /// Its id, the start of it, or its source_id
    question: String,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    signature: Signature,
}

#[derive(Debug, Args)]
struct Reasoned {
    /// Its id, the start of it, or its source_id
    question: String,
    /// Why; bettors read it
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    signature: Signature,
}

#[derive(Debug, Args)]
struct Propose {
    /// Its id, the start of it, or its source_id
    question: String,
    /// The outcome, by number or by name
    #[arg(long)]
    outcome: String,
    /// What it rests on
    #[arg(long)]
    evidence: Option<String>,
    #[command(flatten)]
    signature: Signature,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("answer").required(true), override_usage = EMERGENCY)]
struct Emergency {
    /// Its id, the start of it, or its source_id
    question: String,
    /// The outcome, by number or by name
    #[arg(long, group = "answer")]
    outcome: Option<String>,
    /// A numerator for each outcome, such as 2,2,1,1 for three places with the third shared
    #[arg(long, group = "answer", value_delimiter = ',')]
    payouts: Vec<u64>,
    /// No answer: stakes go back
    #[arg(long, group = "answer")]
    void: bool,
    /// Why
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    signature: Signature,
}

impl Question {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let access = Access::open(&context.config, Missing::Refuse).await?;
        let (question, act, signature) = match self.verb {
            Verb::List(list) => {
                let columns = [("id", Id), ("state", Text), ("question", Text), ("ends", Time), ("flag", Text)];
                return listing::list(context, &access, &list.query(), &columns).await;
            }
            Verb::Show { question } => return show::show(context, &access, &question).await,
            Verb::Propose(of) => {
                (of.question, Act::Propose { outcome: of.outcome, evidence: of.evidence }, of.signature)
            }
            Verb::Approve(of) => (of.question, Act::Approve(of.reason), of.signature),
            Verb::Flag(of) => (of.question, Act::Flag(of.reason), of.signature),
            Verb::Pause(of) => (of.question, Act::Pause(of.reason), of.signature),
            Verb::Resume(of) => (of.question, Act::Resume(of.reason), of.signature),
            Verb::Void(of) => (of.question, Act::Void(of.reason), of.signature),
            Verb::Emergency(of) => {
                let act = Act::Emergency { outcome: of.outcome, payouts: of.payouts, reason: of.reason };
                (of.question, act, of.signature)
            }
        };
        act::act(context, &access, &question, act, signature).await
    }
}

/// Where a question can stand.
fn states() -> PossibleValuesParser {
    QuestionState::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>().into()
}

impl List {
    fn query(&self) -> String {
        let state = self.state.as_ref().map(|state| format!("WHERE state = {} ", literal(state)));
        format!(
            "SELECT question_uuid, state, question, betting_end_time, flag_reason FROM questions {}\
             ORDER BY betting_end_time DESC LIMIT {}",
            state.unwrap_or_default(),
            self.limit
        )
    }
}
