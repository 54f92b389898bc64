//! What is done for a statement, in either protocol.

use std::sync::Arc;

use super::answer::{Answer, Shape, open, shape};
use super::command::Command;
use super::connection::{Connection, Done};
use super::portal::Portal;
use super::refusal::{FAILED_TRANSACTION, NO_PORTAL, Refusal, SYNTAX};
use super::server::MAX_OPEN;
use super::types::Column;
use super::wire::Ready;

impl Connection {
    /// What a statement asks for, if the transaction lets it.
    pub(super) fn command(&self, text: &str) -> Result<Option<Command>, Refusal> {
        let command = Command::read(text)?;
        if self.ready == Ready::Failed && !command.as_ref().is_some_and(Command::ends_failure) {
            let problem = "the transaction has failed; nothing is done before ROLLBACK";
            return Err(Refusal::new(FAILED_TRANSACTION, problem));
        }
        Ok(command)
    }

    /// The columns of what a command gives, where they are known.
    pub(super) fn columns_of(
        &self,
        command: &Command,
        shape: Option<&Shape>,
    ) -> Result<Option<Arc<[Column]>>, Refusal> {
        match command {
            Command::Rows => Ok(shape.and_then(|shape| shape.columns.clone())),
            Command::Show(name) => Ok(Some(self.shown(name)?.columns)),
            Command::Fetch(cursor, _) => Ok(self.portals.get(cursor).ok_or_else(|| no_portal(cursor))?.columns.clone()),
            _ => Ok(None),
        }
    }

    fn shown(&self, name: &str) -> Result<Answer, Refusal> {
        let value = self.session.settings.get(name);
        let value = value.ok_or_else(|| Refusal::new("42704", format!("there is no setting {name:?}")))?;
        Answer::one(&name.replace(' ', "_"), value)
    }

    /// Does what a portal's command asks for, and says so. `told` is whether the columns are told
    /// before the rows.
    pub(super) async fn perform(&mut self, command: &Command, portal: &mut Portal, most: u32, told: bool) -> Done {
        match command {
            Command::Rows | Command::Show(_) => return self.rows(command, portal, most, told).await,
            Command::Fetch(cursor, count) => {
                let mut source = self.portals.remove(cursor).ok_or_else(|| no_portal(cursor))?;
                let formats = portal.formats.clone();
                self.open(&Command::Rows, &mut source).await?;
                if told {
                    self.wire.columns(&source.columns.clone().unwrap_or_default(), &formats);
                }
                let limit = self.service.options.max_rows;
                let _running = self.service.running.acquire().await;
                let (sent, _) = source.send(&mut self.wire, &formats, *count, limit).await?;
                self.wire.complete(&format!("FETCH {sent}"));
                self.portals.insert(cursor.clone(), source);
                return Ok(());
            }
            Command::Declare(name, at) => {
                if self.ready == Ready::Idle {
                    let problem = "a cursor lives in a transaction; BEGIN one first";
                    return Err(Refusal::new("25P01", problem).into());
                }
                let text = portal.text.get(*at..).unwrap_or_default();
                if !matches!(Command::read(text)?, Some(Command::Rows)) {
                    return Err(Refusal::new(SYNTAX, "a cursor reads one query").into());
                }
                let given: Vec<u32> = portal.params.iter().map(|param| param.oid).collect();
                let shape = self.shape(text, &given).await?;
                let cursor = Portal::new(text, std::mem::take(&mut portal.params), Vec::new(), shape.columns);
                self.keep(name.clone(), cursor)?;
            }
            Command::CloseCursor(Some(name)) => drop(self.portals.remove(name)),
            Command::CloseCursor(None) => self.portals.clear(),
            Command::Deallocate(Some(name)) => drop(self.prepared.remove(name)),
            Command::Deallocate(None) => self.prepared.clear(),
            Command::Set(name, value) => {
                self.session.settings.set(name, value.as_deref())?;
                if name == "application_name" {
                    self.wire.setting(name, self.session.settings.get(name).unwrap_or_default());
                }
            }
            Command::ResetAll => self.session.settings.reset(),
            Command::Begin | Command::RollbackTo => self.ready = Ready::Transaction,
            Command::Commit | Command::Rollback => {
                let failed = std::mem::replace(&mut self.ready, Ready::Idle) == Ready::Failed;
                self.portals.clear();
                if failed {
                    self.wire.complete("ROLLBACK");
                    return Ok(());
                }
            }
            Command::Nothing(_) => {}
        }
        self.wire.complete(command.tag());
        Ok(())
    }

    async fn rows(&mut self, command: &Command, portal: &mut Portal, most: u32, told: bool) -> Done {
        let service = self.service.clone();
        // Only a closed semaphore refuses, and nobody closes it.
        let _running = service.running.acquire().await;
        self.open(command, portal).await?;
        if told {
            self.wire.columns(&portal.columns.clone().unwrap_or_default(), &portal.formats);
        }
        let formats = portal.formats.clone();
        let (sent, more) = portal.send(&mut self.wire, &formats, most, service.options.max_rows).await?;
        if more {
            self.wire.bare(b's');
        } else {
            self.wire.complete(&format!("{} {sent}", command.tag()).replace("SHOW 1", "SHOW"));
        }
        Ok(())
    }

    /// Finds a portal's rows, unless that has been done.
    async fn open(&mut self, command: &Command, portal: &mut Portal) -> Result<(), Refusal> {
        if !portal.is_bound() {
            return Ok(());
        }
        let place = self.service.open.clone().try_acquire_owned().map_err(|_| {
            Refusal::new("53400", format!("{MAX_OPEN} answers are begun and not read; close a cursor, or try again"))
        })?;
        let answer = match command {
            Command::Show(name) => self.shown(name)?,
            _ => open(&self.service, &self.session, &portal.text, &portal.params).await?,
        };
        portal.open(answer, place)
    }

    /// What a reading statement takes and gives.
    pub(super) async fn shape(&mut self, text: &str, given: &[u32]) -> Result<Shape, Refusal> {
        let _running = self.service.running.acquire().await;
        shape(&self.service, &self.session, text, given).await
    }
}

/// A portal that is not there.
pub fn no_portal(name: &str) -> Refusal {
    Refusal::new(NO_PORTAL, format!("there is no cursor {name:?}; cursors end with their transaction"))
}
