//! Redrive: records that were refused go to their streams again, as they first came.
//!
//! A dead letter is appended with its bytes, its key and its first arrival, and marked as redriven
//! in the same atomic write. A bet rejected as `unknown_question` has a row and no dead letter: its
//! record is read from the log again; when its question is known by now, it is decided anew.

use std::collections::BTreeMap;

use pipeline::dead_letter::DeadLetter;
use pipeline::record::{Append, Position};
use pipeline::shard::ShardId;
use pipeline::tables::{Commit, system};
use pipeline::{Error, Result};
use schemas::bet::Bet;
use schemas::bet_row::RejectReason;
use schemas::codec::Event as _;
use schemas::columns::bet_block::BetBlock;
use serde::{Deserialize, Serialize};

use crate::node::Node;
use crate::partition::stream_named;

/// Records appended in one atomic write.
const GROUP: usize = 256;
/// Bytes of records in one atomic write, before one more is added.
const GROUP_BYTES: usize = 4 << 20;
/// Ids named in a report.
const REPORTED: usize = 100;

/// The reason of rejected bets that may be redriven.
pub const UNKNOWN_QUESTION: &str = "unknown_question";

/// What to redrive. Filters narrow each other; letters that were redriven before are left out
/// unless their ids are given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Dead letters by id: `bets/0/17`.
    pub ids: Vec<String>,
    /// Those of a stream.
    pub stream: Option<String>,
    /// Those of a reason; [`UNKNOWN_QUESTION`] stands for rejected bets.
    pub reason: Option<String>,
    /// Every one.
    pub all: bool,
    /// Only say what would be redriven.
    pub dry_run: bool,
}

/// What was redriven.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many records.
    pub redriven: u64,
    /// The first hundred, by id.
    pub ids: Vec<String>,
    /// Ids that there is no dead letter for, or whose record the log does not hold any more.
    pub missing: Vec<String>,
}

/// Redrives what is selected.
///
/// # Errors
/// `Reject` where nothing is selected or an id is malformed; nothing is redriven then.
pub async fn redrive(node: &Node, selection: &Selection) -> Result<Report> {
    if selection.ids.is_empty() && selection.stream.is_none() && selection.reason.is_none() && !selection.all {
        return Err(Error::Reject("nothing to redrive: name ids, --reason, --stream or --all".into()));
    }
    let mut drive = Drive { node, dry_run: selection.dry_run, group: Group::default(), report: Report::default() };
    if !selection.ids.is_empty() {
        drive.by_id(&selection.ids).await?;
    } else if selection.reason.as_deref() == Some(UNKNOWN_QUESTION) {
        if selection.stream.as_deref().is_none_or(|stream| stream == Bet::STREAM) {
            drive.rejected_bets().await?;
        }
    } else {
        drive.by_filter(selection).await?;
    }
    drive.flush().await?;
    Ok(drive.report)
}

struct Drive<'a> {
    node: &'a Node,
    dry_run: bool,
    group: Group,
    report: Report,
}

/// Records that wait for their common write.
#[derive(Default)]
struct Group {
    records: BTreeMap<&'static str, Vec<Append>>,
    letters: Vec<DeadLetter>,
    count: usize,
    bytes: usize,
}

impl Drive<'_> {
    async fn by_id(&mut self, ids: &[String]) -> Result<()> {
        let keys = ids.iter().map(|id| DeadLetter::key_of(id)).collect::<Result<Vec<_>>>()?;
        for (id, key) in ids.iter().zip(keys) {
            match self.node.tables.get(system::DEAD_LETTERS, &key)? {
                Some(value) => self.letter(DeadLetter::decode(&value)?).await?,
                None => self.report.missing.push(id.clone()),
            }
        }
        Ok(())
    }

    async fn by_filter(&mut self, selection: &Selection) -> Result<()> {
        let wanted = |letter: &DeadLetter| {
            let stream = selection.stream.as_ref().is_none_or(|stream| *stream == letter.stream);
            let reason = selection.reason.as_ref().is_none_or(|reason| reason == letter.reject.reason.as_str());
            stream && reason && letter.redriven == 0
        };
        let mut after = None;
        loop {
            let page = self.node.tables.page(system::DEAD_LETTERS, after.as_deref(), GROUP)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (_, value) in &page {
                let letter = DeadLetter::decode(value)?;
                if wanted(&letter) {
                    self.letter(letter).await?;
                }
            }
        }
    }

    async fn rejected_bets(&mut self) -> Result<()> {
        let (tables, view) = (&self.node.tables, self.node.tables.view());
        let facts = tables.facts(self.node.bets.name)?;
        let mut block = 0;
        let end = facts.next_block()?;
        while block < end {
            if let Some(rows) = facts.block(&view, &self.node.bets, block)? {
                for (shard, position) in unknown_questions(&rows)? {
                    self.bet(shard, position).await?;
                }
            }
            block += 1;
        }
        Ok(())
    }

    /// The record of a rejected bet, from the log.
    async fn bet(&mut self, shard: ShardId, position: Position) -> Result<()> {
        let id = format!("{}/{}/{position}", Bet::STREAM, shard.0);
        let before = position.as_u64().and_then(|position| position.checked_sub(1)).map(|n| Position::new(n.into()));
        let before = before.ok_or_else(|| Error::corrupt(format!("the position of bet {id}")))?;
        // A read gives whole blocks: it begins with the record after `before`.
        let chunk = self.node.log.read(Bet::STREAM, shard, before, 1)?;
        match chunk.records.into_iter().next().filter(|record| record.position == position) {
            None => self.report.missing.push(id),
            Some(record) => {
                let key = String::from_utf8_lossy(&record.partition_key).into_owned();
                self.add(id, Bet::STREAM, Append::new(key, record.data).arrived(record.arrived_at)).await?;
            }
        }
        Ok(())
    }

    async fn letter(&mut self, mut letter: DeadLetter) -> Result<()> {
        let stream = stream_named(&letter.stream).ok_or_else(|| {
            Error::Reject(format!("dead letter {} is of a stream that this program does not know", letter.id()))
        })?;
        let key = String::from_utf8_lossy(&letter.partition_key).into_owned();
        let record = Append::new(key, letter.bytes.clone()).arrived(letter.arrived_at);
        letter.redriven = letter.redriven.saturating_add(1);
        let id = letter.id();
        self.group.letters.push(letter);
        self.add(id, stream, record).await
    }

    async fn add(&mut self, id: String, stream: &'static str, record: Append) -> Result<()> {
        self.report.redriven += 1;
        if self.report.ids.len() < REPORTED {
            self.report.ids.push(id);
        }
        self.group.count += 1;
        self.group.bytes += record.data.len();
        self.group.records.entry(stream).or_default().push(record);
        if self.group.count >= GROUP || self.group.bytes >= GROUP_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        if self.dry_run || group.count == 0 {
            return Ok(());
        }
        let mut commit = Commit { emits: group.records, ..Commit::default() };
        for letter in &group.letters {
            commit.put(system::DEAD_LETTERS, letter.key(), letter.encode());
        }
        let ports = self.node.ports();
        ports.tables.commit(commit).await?;
        ports.tables.sync().await
    }
}

/// Where the bets of a block stand that were rejected because nobody knew their question.
fn unknown_questions(rows: &arrow::record_batch::RecordBatch) -> Result<Vec<(ShardId, Position)>> {
    let block = BetBlock::new(rows).map_err(Error::corrupt)?;
    let mut places = Vec::new();
    for row in 0..block.len() {
        let bet = block.row(row).map_err(Error::corrupt)?;
        if bet.reject_reason == Some(RejectReason::UnknownQuestion) {
            places.push((ShardId(bet.shard), Position::from_be_bytes(*bet.position.as_bytes())));
        }
    }
    Ok(places)
}
