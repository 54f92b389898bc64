//! `oddsmill mail`: what was sent, what waits, and how a mail reads.

mod show;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use schemas::ids::Address;
use schemas::outbox::OutboxState;

use super::Context;
use super::answers::literal;
use super::exit::Failure;
use super::listing::Kind::{Id, Text, Time};
use super::listing::list;
use crate::control::{Access, Missing};

/// The columns of a list, at a terminal.
const COLUMNS: [(&str, super::listing::Kind); 6] =
    [("id", Id), ("at", Time), ("event", Text), ("state", Text), ("to", Text), ("note", Text)];
/// Why a mail is not sent: what an attempt met, or the digest it goes into.
const NOTE: &str = "CASE WHEN last_error IS NOT NULL THEN last_error \
     WHEN state = 'pending' AND digest_at IS NOT NULL \
     THEN concat('digest at ', to_char(digest_at, '%H:%M')) END AS note";

const EXAMPLES: &str = "\
Examples:
  oddsmill mail list                        the latest, with their states
  oddsmill mail list --state pending
  oddsmill mail list --to bettor-7@example.test --limit 5
  oddsmill mail show 5c1d4f0e               the mail, as a person reads it
  oddsmill mail show 5c1d4f0e --raw | less  the bytes that were sent

An id is a notification's, or a bet's for its latest mail; the start of it is
enough. Mails are skipped where nobody wants them: no confirmed address,
unsubscribed, or an address that bounced. Who gets many in an hour gets the
rest of them at its end, as a digest. With mail.server = inbox the mails are
.eml files in the folder inbox of the data directory; any mail program opens
them.
";

/// List and read the mails about bets
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Mail {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the outbox, the latest first
    List(List),
    /// Show a mail of the local inbox
    Show {
        /// A notification's id or a bet's, or the start of one
        id: String,
        /// The whole file, with headers and HTML
        #[arg(long)]
        raw: bool,
    },
}

#[derive(Debug, Args)]
struct List {
    /// Only those in a state [default: all but skipped]
    #[arg(long, value_parser = states())]
    state: Option<String>,
    /// Only those to an email or an account's address
    #[arg(long, value_name = "WHOM")]
    to: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    limit: u64,
}

impl Mail {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let access = Access::open(&context.config, Missing::Refuse).await?;
        match self.verb {
            Verb::List(mails) => list(context, &access, &mails.query(), &COLUMNS).await,
            Verb::Show { id, raw } => show::show(context, &access, &id, raw).await,
        }
    }
}

/// Where a mail can stand.
fn states() -> PossibleValuesParser {
    OutboxState::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>().into()
}

impl List {
    fn query(&self) -> String {
        let mut conditions = Vec::new();
        conditions.push(match &self.state {
            Some(state) => format!("state = {}", literal(state)),
            None => "state <> 'skipped'".to_owned(),
        });
        conditions.extend(self.to.as_ref().map(|to| match Address::parse(to) {
            Ok(address) => format!("address = '{address}'"),
            Err(_) => format!("email = {}", literal(to)),
        }));
        let filter = format!("WHERE {}", conditions.join(" AND "));
        format!(
            "SELECT notification_id, created_at, event, state, coalesce(email, address) AS \"to\", {NOTE} \
             FROM outbox {filter} ORDER BY created_at DESC, status_version DESC LIMIT {}",
            self.limit
        )
    }
}
