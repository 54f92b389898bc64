//! The end of the stream `settlements`: the last ones, and how many bets they settled.
//!
//! The stream holds one small record a settled question, so it is read once from its start, a
//! piece at each call, and from then on only what is new.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pipeline::Result;
use pipeline::record::Position;
use schemas::codec::Event;
use schemas::settlement::Settlement;

use super::cells::{ask, keys, rows};
use super::model::{LATEST, Settled};
use crate::control::Access;

/// Bytes read of a shard at each call: about a thousand settlements.
const READ_BYTES: usize = 512 << 10;

/// What has been read of the settlements.
#[derive(Debug, Default)]
pub struct Settlements {
    after: BTreeMap<u32, Position>,
    bets: u64,
    caught_up: bool,
    /// The last ones, oldest first.
    latest: VecDeque<Settlement>,
    /// Question and outcomes in words, by the question's id.
    words: BTreeMap<String, (String, Vec<String>)>,
}

impl Settlements {
    /// Reads on.
    ///
    /// Costs a list of shards; where there are new settlements also a read of each shard, and their
    /// questions by key.
    pub async fn read(&mut self, access: &Access) -> Result<()> {
        self.caught_up = true;
        for shard in access.shards(Settlement::STREAM).await? {
            let after = self.after.entry(shard.id.0).or_default();
            if *after >= shard.last {
                continue;
            }
            let chunk = access.read(Settlement::STREAM, shard.id, *after, READ_BYTES).await?;
            // Nothing where retention has taken what there was: then that is all.
            *after = chunk.records.last().map_or(shard.last, |record| record.position);
            self.caught_up &= *after >= shard.last;
            // What cannot be read is not ours to report: who reads the stream for good does.
            let settlements = chunk.records.iter().filter_map(|record| Settlement::decode(&record.data).ok());
            for settlement in settlements {
                self.add(settlement);
            }
        }
        self.learn(access).await
    }

    fn add(&mut self, settlement: Settlement) {
        // A crash lets a settlement be appended again, right after itself or nearly so.
        if self.latest.iter().any(|earlier| earlier.event_uuid == settlement.event_uuid) {
            return;
        }
        self.bets += settlement.bets_won + settlement.bets_lost + settlement.bets_void;
        self.latest.push_back(settlement);
        if self.latest.len() > LATEST {
            self.latest.pop_front();
        }
    }

    /// Looks up the words of questions not seen yet, and forgets those not shown any more.
    async fn learn(&mut self, access: &Access) -> Result<()> {
        let shown: BTreeSet<String> = self.latest.iter().map(|of| of.question_uuid.to_string()).collect();
        self.words.retain(|id, _| shown.contains(id));
        let unknown: Vec<&str> = shown.iter().filter(|id| !self.words.contains_key(*id)).map(String::as_str).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let ids = keys(unknown.into_iter());
        let query = format!("SELECT question_uuid, question, outcomes FROM questions WHERE question_uuid IN ({ids})");
        for row in rows(&ask(access, &query).await?) {
            self.words.insert(row.text("question_uuid")?, (row.text("question")?, row.texts("outcomes")?));
        }
        Ok(())
    }

    /// Bets settled, once all settlements are counted.
    pub fn bets(&self) -> Option<u64> {
        self.caught_up.then_some(self.bets)
    }

    /// Whether there is more to read at once.
    pub fn is_behind(&self) -> bool {
        !self.caught_up
    }

    /// The last ones, newest first.
    pub fn show(&self) -> Vec<Settled> {
        self.latest.iter().rev().map(|settlement| self.one(settlement)).collect()
    }

    fn one(&self, of: &Settlement) -> Settled {
        let id = of.question_uuid.to_string();
        let words = self.words.get(&id);
        let won = of.payouts.iter().enumerate().filter(|(_, payout)| **payout > 0);
        let name = |index: usize| words.and_then(|(_, outcomes)| outcomes.get(index)).cloned();
        let names: Vec<String> =
            won.map(|(index, _)| name(index).unwrap_or_else(|| format!("outcome {index}"))).collect();
        Settled {
            at: of.at,
            question: words.map_or(id, |(question, _)| question.clone()),
            answer: if of.voided || names.is_empty() { "void".to_owned() } else { names.join(", ") },
            won: of.bets_won,
            lost: of.bets_lost,
            void: of.bets_void,
            staked: of.staked,
            returned: of.returned,
        }
    }
}
