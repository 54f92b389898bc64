//! The right answer, and whether a contestant's rows are it: every row there, once, equal.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use schemas::bet::Bet;
use schemas::codec::Event;

use super::fold::{Markets, Windows};
use super::row::Row;
use super::{lines, row};

/// All windows of a data set.
pub struct Answer {
    markets: Markets,
    windows: Windows,
    pub rows: usize,
}

impl Answer {
    /// One pass over the file.
    pub fn of(file: &Path) -> Answer {
        let mut answer = Answer { markets: Markets::default(), windows: Windows::default(), rows: 0 };
        lines::for_each(file, |line| {
            let bet = Bet::from_json(line).unwrap();
            let market = answer.markets.intern((bet.question_uuid, bet.outcome_index));
            answer.windows.add(bet.placed_at.millis(), market, bet.odds.micros());
        });
        let sums = answer.windows.iter().flat_map(|window| &window.sums);
        answer.rows = sums.filter(|sums| sums.bets > 0).count();
        answer
    }

    /// Compares the rows of all files in a folder.
    ///
    /// # Errors
    /// Names the first row that is wrong, or how many are missing.
    pub fn check(&self, folder: &Path) -> Result<(), String> {
        let mut seen = HashSet::with_capacity(self.rows);
        let mut wrong = None;
        for file in files(folder) {
            row::for_each(&file, |row| {
                if wrong.is_none() {
                    wrong = self.check_row(&row, &mut seen).err();
                }
            });
        }
        match wrong {
            Some(wrong) => Err(wrong),
            None if seen.len() == self.rows => Ok(()),
            None => Err(format!("{} rows, not {}", seen.len(), self.rows)),
        }
    }

    fn check_row(&self, row: &Row, seen: &mut HashSet<(i64, u32)>) -> Result<(), String> {
        let market = self.markets.find(row.market).ok_or_else(|| format!("no such market: {row:?}"))?;
        let window = self.windows.find(row.window_start).filter(|window| window.start == row.window_start);
        let sums = window.and_then(|window| window.sums.get(market as usize)).filter(|sums| sums.bets > 0);
        let sums = sums.ok_or_else(|| format!("no such window: {row:?}"))?;
        if *sums != row.sums || sums.average() != row.average {
            return Err(format!("{row:?}, not {sums:?} of average {}", sums.average()));
        }
        if seen.insert((row.window_start, market)) { Ok(()) } else { Err(format!("twice: {row:?}")) }
    }
}

/// Files of a folder and of folders in it, but for those that mark or hide something.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b"_") || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(self::files(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files
}
