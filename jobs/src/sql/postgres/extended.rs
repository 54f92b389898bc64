//! The extended protocol: statements that are kept, given values, described, and run in parts.

use super::answer::Shape;
use super::command::Command;
use super::connection::{Connection, Done};
use super::lex;
use super::message::{Bind, Parse, Target};
use super::params::Param;
use super::perform::no_portal;
use super::portal::Portal;
use super::refusal::{LIMIT, NO_STATEMENT, NOT_SUPPORTED, PROTOCOL, Refusal, SYNTAX};
use super::wire::format_of;

/// Prepared statements of a session, and their bytes.
const MAX_PREPARED: usize = 1_000;
const MAX_PREPARED_BYTES: usize = 8 << 20;
/// Portals of a session.
const MAX_PORTALS: usize = 32;

/// A statement that is kept.
pub struct Prepared {
    text: String,
    command: Option<Command>,
    /// The types of parameters that the client has said.
    given: Vec<u32>,
    shape: Shape,
}

impl Connection {
    /// Keeps a statement.
    pub(super) async fn parse(&mut self, parse: Parse) -> Done {
        let Parse { name, text, types } = parse;
        if lex::statements(&text).len() > 1 {
            return Err(Refusal::new(SYNTAX, "a prepared statement is one statement").into());
        }
        if name.is_empty() {
            self.prepared.remove("");
        } else if self.prepared.contains_key(&name) {
            return Err(Refusal::new("42P05", format!("there is a statement {name:?} already; close it first")).into());
        }
        let bytes: usize = self.prepared.values().map(|prepared| prepared.text.len()).sum();
        if self.prepared.len() >= MAX_PREPARED || bytes + text.len() > MAX_PREPARED_BYTES {
            let problem = "this session keeps too many prepared statements; DEALLOCATE some";
            return Err(Refusal::new(LIMIT, problem).into());
        }
        let command = self.command(&text)?;
        let shape = match &command {
            Some(Command::Rows) => self.shape(&text, &types).await?,
            Some(Command::Declare(_, at)) => {
                let shape = self.shape(text.get(*at..).unwrap_or_default(), &types).await?;
                Shape { columns: None, ..shape }
            }
            _ => Shape::default(),
        };
        self.prepared.insert(name, Prepared { text, command, given: types, shape });
        self.wire.bare(b'1');
        Ok(())
    }

    /// Gives a statement its values.
    pub(super) fn bind(&mut self, bind: Bind) -> Done {
        let Bind { portal, statement, formats, values, results } = bind;
        let prepared = self.prepared.get(&statement).ok_or_else(|| no_statement(&statement))?;
        let wanted = prepared.shape.parameters.len();
        if values.len() < wanted {
            let problem = format!("the statement has {wanted} parameters, and {} values are bound", values.len());
            return Err(Refusal::new(PROTOCOL, problem).into());
        }
        let oid = |place: usize| {
            let given = prepared.given.get(place).copied().filter(|oid| *oid != 0);
            given.or_else(|| prepared.shape.parameters.get(place).copied()).unwrap_or(0)
        };
        let param = |(place, value)| Param { oid: oid(place), format: format_of(&formats, place), value };
        let params = values.into_iter().enumerate().map(param).collect();
        let columns = match &prepared.command {
            Some(command) => self.columns_of(command, Some(&prepared.shape))?,
            None => None,
        };
        if results.iter().any(|format| !(0..=1).contains(format)) {
            return Err(Refusal::new(NOT_SUPPORTED, "results are text (0) or binary (1)").into());
        }
        let bound = Portal::new(&prepared.text, params, results, columns);
        if portal.is_empty() {
            self.portals.remove("");
        }
        self.keep(portal, bound)?;
        self.wire.bare(b'2');
        Ok(())
    }

    /// Keeps a portal, under a name that is free.
    pub(super) fn keep(&mut self, name: String, portal: Portal) -> Result<(), Refusal> {
        if self.portals.contains_key(&name) {
            return Err(Refusal::new("42P03", format!("there is a cursor {name:?} already; close it first")));
        }
        if self.portals.len() >= MAX_PORTALS {
            return Err(Refusal::new(LIMIT, format!("{MAX_PORTALS} cursors are open; close some")));
        }
        self.portals.insert(name, portal);
        Ok(())
    }

    /// Tells what would come back.
    pub(super) fn describe(&mut self, target: &Target) -> Done {
        let (columns, formats) = match target {
            Target::Statement(name) => {
                let prepared = self.prepared.get(name).ok_or_else(|| no_statement(name))?;
                self.wire.parameters(&prepared.shape.parameters);
                let columns = match &prepared.command {
                    Some(command) => self.columns_of(command, Some(&prepared.shape))?,
                    None => None,
                };
                (columns, Vec::new())
            }
            Target::Portal(name) => {
                let portal = self.portals.get(name).ok_or_else(|| no_portal(name))?;
                (portal.columns.clone(), portal.formats.clone())
            }
        };
        match columns {
            Some(columns) => self.wire.columns(&columns, &formats),
            None => self.wire.bare(b'n'),
        }
        Ok(())
    }

    /// Runs a portal, or goes on with it.
    pub(super) async fn execute(&mut self, name: &str, most: u32) -> Done {
        // Taken out while it works: an interrupted portal is gone.
        let mut portal = self.portals.remove(name).ok_or_else(|| no_portal(name))?;
        let Some(command) = self.command(&portal.text)? else {
            self.wire.bare(b'I');
            return Ok(());
        };
        self.perform(&command, &mut portal, most, false).await?;
        let ended = matches!(command, Command::Commit | Command::Rollback | Command::CloseCursor(None));
        if !ended {
            self.portals.insert(name.to_owned(), portal);
        }
        Ok(())
    }
}

fn no_statement(name: &str) -> Refusal {
    Refusal::new(NO_STATEMENT, format!("there is no prepared statement {name:?}"))
}
