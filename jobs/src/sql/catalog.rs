//! The tables that SQL shows: their names, their columns, their keys, who reads them.
//!
//! Names are a contract with people and tools; see the product's reference.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use pipeline::Result;
use pipeline::dead_letter::DeadLetter;
use schemas::columns;
use schemas::ids::{Address, BetId};

use super::ask::Ask;
use super::view::View;
use super::{bets, letters, people, settling, system, windows};

/// Batches of a table, in the columns asked for.
pub type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// A table of the SQL surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Every bet, as it stands.
    Bets,
    /// Who bets, with the running profile.
    Users,
    /// What is asked, and where it stands.
    Questions,
    /// Who broadcasts.
    Streamers,
    /// Broadcasts.
    Streams,
    /// Odds over tumbling windows, open ones included.
    OddsWindows,
    /// How far the bets of questions are settled.
    Settlements,
    /// What operators did.
    Audit,
    /// Mails to send.
    Outbox,
    /// Records that could not be applied.
    DeadLetters,
    /// The log's streams.
    SysStreams,
    /// The log's shards.
    SysShards,
    /// How far each shard is applied.
    SysCheckpoints,
    /// Who works on each shard.
    SysLeases,
    /// The process' metrics.
    SysMetrics,
}

/// What a key column's text stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// Sixteen bytes.
    Uuid,
    /// Twenty bytes.
    Address,
    /// The place of a dead letter.
    DeadLetter,
}

impl KeyKind {
    /// The stored bytes of a key written as text; nothing for a text that is no such key, which
    /// no row has.
    pub fn parse(self, text: &str) -> Option<Vec<u8>> {
        match self {
            KeyKind::Uuid => BetId::parse(text).ok().map(|id| id.as_bytes().to_vec()),
            KeyKind::Address => Address::parse(text).ok().map(|address| address.as_bytes().to_vec()),
            KeyKind::DeadLetter => DeadLetter::key_of(text).ok(),
        }
    }
}

impl Table {
    /// Every table, in the order shown.
    pub const ALL: [Table; 15] = [
        Table::Bets,
        Table::Users,
        Table::Questions,
        Table::Streamers,
        Table::Streams,
        Table::OddsWindows,
        Table::Settlements,
        Table::Audit,
        Table::Outbox,
        Table::DeadLetters,
        Table::SysStreams,
        Table::SysShards,
        Table::SysCheckpoints,
        Table::SysLeases,
        Table::SysMetrics,
    ];

    /// Its name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Table::Bets => "bets",
            Table::Users => "users",
            Table::Questions => "questions",
            Table::Streamers => "streamers",
            Table::Streams => "streams",
            Table::OddsWindows => "odds_windows",
            Table::Settlements => "settlements",
            Table::Audit => "audit",
            Table::Outbox => "outbox",
            Table::DeadLetters => "dead_letters",
            Table::SysStreams => "sys_streams",
            Table::SysShards => "sys_shards",
            Table::SysCheckpoints => "sys_checkpoints",
            Table::SysLeases => "sys_leases",
            Table::SysMetrics => "sys_metrics",
        }
    }

    /// Its columns.
    pub fn schema(self) -> SchemaRef {
        match self {
            Table::Bets => columns::bets(),
            Table::Users => columns::users(),
            Table::Questions => columns::questions(),
            Table::Streamers => columns::streamers(),
            Table::Streams => columns::streams(),
            Table::OddsWindows => columns::odds_windows(),
            Table::Settlements => columns::settlements(),
            Table::Audit => columns::audit(),
            Table::Outbox => columns::outbox(),
            Table::DeadLetters => letters::schema(),
            Table::SysStreams => system::streams_schema(),
            Table::SysShards => system::shards_schema(),
            Table::SysCheckpoints => system::checkpoints_schema(),
            Table::SysLeases => system::leases_schema(),
            Table::SysMetrics => system::metrics_schema(),
        }
    }

    /// The columns by whose values rows are found without a scan.
    pub fn keys(self) -> &'static [(&'static str, KeyKind)] {
        match self {
            Table::Bets => {
                &[("bet_uuid", KeyKind::Uuid), ("bettor", KeyKind::Address), ("question_uuid", KeyKind::Uuid)]
            }
            Table::Users | Table::Streamers => &[("address", KeyKind::Address)],
            Table::Questions | Table::OddsWindows | Table::Settlements | Table::Audit => {
                &[("question_uuid", KeyKind::Uuid)]
            }
            Table::Outbox => &[("notification_id", KeyKind::Uuid)],
            Table::Streams => &[("stream_uuid", KeyKind::Uuid)],
            Table::DeadLetters => &[("id", KeyKind::DeadLetter)],
            _ => &[],
        }
    }

    /// The column of time by which it is stored, if any.
    pub fn time(self) -> Option<&'static str> {
        (self == Table::OddsWindows).then_some("window_start")
    }

    /// In how many parts it is read at once.
    pub fn parts(self, view: &View, ask: &Ask) -> Result<usize> {
        match self {
            Table::Bets => bets::parts(view, ask),
            _ => Ok(1),
        }
    }

    /// Reads one of its parts.
    pub fn read(self, view: Arc<View>, ask: Arc<Ask>, part: usize, parts: usize) -> Result<Batches> {
        match self {
            Table::Bets => bets::read(view, ask, part, parts),
            Table::Users => Ok(people::users(view, ask)),
            Table::Questions => Ok(people::questions(view, ask)),
            Table::Streamers => Ok(people::streamers(view, ask)),
            Table::Streams => Ok(people::streams(view, ask)),
            Table::OddsWindows => Ok(windows::read(view, ask)),
            Table::Settlements => Ok(settling::settlements(view, ask)),
            Table::Audit => Ok(settling::audit(view, ask)),
            Table::Outbox => Ok(settling::outbox(view, ask)),
            Table::DeadLetters => Ok(letters::read(view, ask)),
            Table::SysStreams => one(ask, system::streams(&view)?),
            Table::SysShards => one(ask, system::shards(&view)?),
            Table::SysCheckpoints => one(ask, system::checkpoints(&view)?),
            Table::SysLeases => one(ask, system::leases(&view)?),
            Table::SysMetrics => one(ask, system::metrics(&view)?),
        }
    }
}

fn one(ask: Arc<Ask>, batch: RecordBatch) -> Result<Batches> {
    Ok(Box::new(std::iter::once(ask.project(&batch))))
}
