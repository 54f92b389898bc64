//! Timers: whatever is due, delivered between two records, each in a commit of its own.
//!
//! A timer of the job may work on stored facts as well as on rows: on a page of them at a time, so
//! that a task over millions of facts is a chain of small commits that a crash can cut anywhere.

use arrow::array::RecordBatch;

use super::apply::Applier;
use super::timers::{Owner, Timer};
use crate::clock::Arrival;
use crate::error::Result;
use crate::fault::Bug;
use crate::job::{Ask, Effects, Job, Placed};
use crate::tables::{Commit, FactsWrite};

impl<J: Job> Applier<J> {
    /// Delivers every timer due by `frontier`.
    pub(super) async fn tick_until(&mut self, frontier: Arrival) -> Result<()> {
        let mut ticked = false;
        while self.quiet_until <= frontier {
            let mut commit = Commit::default();
            let Some(timer) = self.idle().await?.pop_timer(&mut commit, frontier) else { break };
            // A job's own timer changes rows and facts; a window's does not.
            let effects = match timer.owner {
                Owner::Job => self.tick_job(&timer, &mut commit).await?,
                Owner::Window => Effects::default(),
            };
            let writer = self.idle().await?;
            writer.tick(&timer, effects, commit).await?;
            // A timer may set the next one, due before anything else.
            self.quiet_until = writer.next_due();
            self.rows.age();
            ticked = true;
        }
        if ticked { self.ports.tables.sync().await } else { Ok(()) }
    }

    async fn tick_job(&mut self, timer: &Timer, commit: &mut Commit) -> Result<Effects> {
        let mut keys = Vec::new();
        self.job.tick_needs(&timer.key, &mut keys);
        self.load_rows(keys).await?;
        let ask = self.job.tick_asks(&timer.key, &self.rows);
        let facts = match &ask {
            Some(ask) => self.load_facts(ask).await?,
            None => Vec::new(),
        };
        let mut effects = Effects::default();
        let changed = self.job.tick(&timer.key, timer.due, facts, &mut self.rows, &mut effects);
        let faults = self.ports.faults.clone();
        if let Some(ask) = ask.filter(|_| !changed.is_empty() && !faults.has(Bug::AmendmentsDropped)) {
            commit.facts.push(self.amend(ask.input, changed)?);
        }
        let mut lost = Commit::default();
        self.take_rows(if faults.has(Bug::TickRowsDropped) { &mut lost } else { commit });
        Ok(effects)
    }

    /// Reads a page of facts, and the rows that working on them needs.
    async fn load_facts(&mut self, ask: &Ask) -> Result<Placed<J::Fact>> {
        let table = self.job.inputs()[ask.input].decisions.clone();
        let page = self.ports.tables.page(&table, ask.index, &ask.key, ask.after, ask.limit).await?;
        let facts = self.job.unseal(ask.input, &page.rows)?;
        let mut keys = Vec::new();
        facts.iter().for_each(|fact| self.job.fact_needs(fact, &mut keys));
        self.load_rows(keys).await?;
        Ok(page.at.into_iter().zip(facts).collect())
    }

    /// The write of changed facts.
    fn amend(&self, input: usize, changed: Placed<J::Fact>) -> Result<FactsWrite> {
        let table = self.job.inputs()[input].decisions.clone();
        let (amended, facts): (_, Vec<J::Fact>) = changed.into_iter().unzip();
        let changed = self.job.seal(input, &facts)?.rows;
        let rows = RecordBatch::new_empty(table.schema.clone());
        Ok(FactsWrite { table, rows, claims: Vec::new(), amended, changed })
    }
}
