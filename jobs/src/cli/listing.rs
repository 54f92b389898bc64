//! Lists for operators: whole for programs, shaped for people at a terminal.
//!
//! At a terminal a column with nothing in it is left out, and times say no more than tells the rows
//! apart. Where whole ids do not fit, their beginnings stand for them, which every command takes
//! (see [`super::ids`]). What is still too wide is cut as in every table.

use super::Context;
use super::answers::texts;
use super::exit::Failure;
use super::output::{OutputFormat, print, text_rows};
use crate::control::Access;
use crate::sql::output::terminal_width;

/// The fewest characters of an id that are shown.
const ID_CHARS: usize = 8;
/// Between a table's columns.
const GAP: usize = 2;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UUIDs.
    Id,
    /// Times in UTC, as RFC 3339 has them.
    Time,
    /// Whatever else.
    Text,
}

/// A column as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    name: &'static str,
    kind: Kind,
    cells: Vec<String>,
}

/// Prints a query's rows. `columns` are their names and kinds at a terminal; elsewhere the names
/// are the query's.
pub async fn list(
    context: &Context,
    access: &Access,
    sql: &str,
    columns: &[(&'static str, Kind)],
) -> Result<(), Failure> {
    let format = context.output.unwrap_or(OutputFormat::Table);
    let rows = access.sql(sql).await?;
    let Some(width) = terminal_width().filter(|_| format == OutputFormat::Table) else {
        return print(rows, format).await;
    };
    let rows = texts(rows).await?;
    let (columns, remark) = shape(turned(columns, rows), width);
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    let cells = columns.iter().map(|column| column.cells.iter().map(String::as_str).collect());
    print(text_rows(&names, cells.collect())?, format).await?;
    remark.into_iter().for_each(|remark| context.remark(remark));
    Ok(())
}

/// Rows as columns.
fn turned(columns: &[(&'static str, Kind)], rows: Vec<Vec<String>>) -> Vec<Column> {
    let mut turned: Vec<Column> =
        columns.iter().map(|(name, kind)| Column { name, kind: *kind, cells: Vec::new() }).collect();
    for row in rows {
        turned.iter_mut().zip(row).for_each(|(column, cell)| column.cells.push(cell));
    }
    turned
}

/// Makes columns as short as they can be read, and says what their times leave out.
fn shape(mut columns: Vec<Column>, width: usize) -> (Vec<Column>, Option<String>) {
    columns.retain(|column| column.cells.is_empty() || column.cells.iter().any(|cell| !cell.is_empty()));
    let mut remark = None;
    for column in columns.iter_mut().filter(|column| column.kind == Kind::Time && !column.cells.is_empty()) {
        remark = Some(match shorten_times(&mut column.cells) {
            Some(day) => format!("times are UTC, of {day}"),
            None => "times are UTC".to_owned(),
        });
    }
    if width_of(&columns) > width {
        columns.iter_mut().filter(|column| column.kind == Kind::Id).for_each(|column| shorten_ids(&mut column.cells));
    }
    (columns, remark)
}

fn width_of(columns: &[Column]) -> usize {
    let widest = |column: &Column| column.cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    columns.iter().map(|column| widest(column).max(column.name.len()) + GAP).sum::<usize>().saturating_sub(GAP)
}

/// Times of one day, which comes back, by the second; others with their day, by the minute.
fn shorten_times(times: &mut [String]) -> Option<String> {
    let mut days = times.iter().filter_map(|time| time.get(..10));
    let day = days.next()?.to_owned();
    let one_day = days.all(|other| other == day);
    for time in times {
        let short = match one_day {
            true => time.get(11..19).map(str::to_owned),
            false => time.get(..16).map(|time| time.replace('T', " ")),
        };
        *time = short.unwrap_or_default();
    }
    one_day.then_some(day)
}

/// Cuts ids to the shortest length that tells them apart.
fn shorten_ids(ids: &mut [String]) {
    let mut sorted: Vec<&str> = ids.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let shared = |pair: &[&str]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count();
    let length = sorted.windows(2).map(|pair| shared(pair) + 1).max().unwrap_or(0).max(ID_CHARS);
    ids.iter_mut().for_each(|id| id.truncate(length));
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0b0a8fd4-7a55-4c5a-9f0e-2f6f1b7a1c01";
    const B: &str = "0b0a8fd4-7b55-4c5a-9f0e-2f6f1b7a1c02";
    const C: &str = "5c1d4f0e-7b55-4c5a-9f0e-2f6f1b7a1c02";
    const EVENING: &str = "2026-07-29T20:01:35.123Z";
    const NEXT_DAY: &str = "2026-07-30T00:00:59Z";

    fn check(kind: Kind, width: usize, cells: &[&str], expected: &[&str], remark: Option<&str>) {
        let given = Column { name: "c", kind, cells: cells.iter().map(|cell| (*cell).to_owned()).collect() };
        let (columns, said) = shape(vec![given], width);
        let shown = columns.into_iter().flat_map(|column| column.cells).collect::<Vec<_>>();
        assert_eq!((shown, said.as_deref()), (expected.iter().map(|c| (*c).to_owned()).collect(), remark));
    }

    #[test]
    fn columns_are_as_short_as_they_can_be_read() {
        check(Kind::Id, 36, &[A, C], &[A, C], None);
        check(Kind::Id, 35, &[A, C, A], &["0b0a8fd4", "5c1d4f0e", "0b0a8fd4"], None);
        check(Kind::Id, 35, &[A, B, C], &["0b0a8fd4-7a", "0b0a8fd4-7b", "5c1d4f0e-7b"], None);
        check(Kind::Time, 80, &[EVENING, ""], &["20:01:35", ""], Some("times are UTC, of 2026-07-29"));
        check(Kind::Time, 80, &[EVENING, NEXT_DAY], &["2026-07-29 20:01", "2026-07-30 00:00"], Some("times are UTC"));
        check(Kind::Text, 2, &["whole", ""], &["whole", ""], None);
        check(Kind::Text, 80, &["", ""], &[], None);
    }

    #[test]
    fn a_list_of_nothing_keeps_its_header() {
        let (columns, remark) = shape(turned(&[("id", Kind::Id), ("at", Kind::Time)], Vec::new()), 80);
        assert_eq!((columns.len(), remark), (2, None));
    }
}
