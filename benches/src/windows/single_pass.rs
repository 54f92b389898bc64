//! The physical limit: one loop on one core, without an engine around it.
//!
//! [`from_bytes`] scans the file for the four fields that count and writes the rows as windows end;
//! [`from_structs`] has the bets parsed in memory before its clock starts, and its rows are not written on
//! it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use schemas::bet::Bet;
use schemas::codec::Event;

use super::bets::LATENESS_MS;
use super::contestant::Report;
use super::fold::{Market, Markets, Sums, WINDOW_MS, Window, Windows};
use super::scan::Scanned;
use super::stages::{Laps, Stage};
use super::{lines, row};

/// From bytes to rows in a file.
pub fn from_bytes(input: &Path, out: &Path) -> Report {
    let mut pass = Pass::default();
    let mut out = BufWriter::with_capacity(1 << 20, File::create(out.join("rows.csv")).unwrap());
    lines::for_each(input, |line| {
        let bet = Scanned::of(line);
        if pass.add((bet.question, bet.outcome), bet.placed_at, bet.odds) {
            pass.ended(|market, start, sums| row::write(&mut out, market, start, sums, sums.average()));
        }
    });
    pass.finish(|market, start, sums| row::write(&mut out, market, start, sums, sums.average()));
    out.flush().unwrap();
    Report { settings: "a scanner of the usual layout and the loop, 1 thread".into(), ..Report::own() }
}

/// From structs in memory to rows in memory. The clock stands while the rows of ended windows are
/// written for the comparison.
pub fn from_structs(input: &Path, out: &Path) -> Report {
    let mut bets = Vec::new();
    lines::for_each(input, |line| bets.push(Bet::from_json(line).unwrap()));
    let mut out = BufWriter::with_capacity(1 << 20, File::create(out.join("rows.csv")).unwrap());
    let mut rows = Vec::new();
    let mut write = |rows: &mut Vec<(Market, i64, Sums, u64)>| {
        rows.drain(..).for_each(|(market, start, sums, average)| row::write(&mut out, market, start, &sums, average));
    };
    let mut laps = Laps::start();
    let mut pass = Pass::default();
    for bet in &bets {
        let market = (bet.question_uuid, bet.outcome_index);
        if pass.add(market, bet.placed_at.millis(), bet.odds.micros()) {
            pass.ended(|market, start, sums| rows.push((market, start, *sums, sums.average())));
            laps.end(Stage::Group);
            write(&mut rows);
            laps.leave_out();
        }
    }
    pass.finish(|market, start, sums| rows.push((market, start, *sums, sums.average())));
    laps.end(Stage::Group);
    write(&mut rows);
    out.flush().unwrap();
    let pass_s = Some(laps.seconds[Stage::Group as usize]);
    Report { settings: "the loop alone, over parsed structs in memory, 1 thread".into(), pass_s, ..Report::own() }
}

/// Open windows, and when to look for ended ones.
#[derive(Default)]
pub struct Pass {
    markets: Markets,
    windows: Windows,
    look_at: i64,
}

impl Pass {
    /// Adds a bet; true where windows may have ended.
    #[inline]
    pub fn add(&mut self, market: Market, placed_at: i64, odds: u64) -> bool {
        let market = self.markets.intern(market);
        self.windows.add(placed_at, market, odds);
        let look = placed_at >= self.look_at;
        if look {
            self.look_at = placed_at - placed_at % WINDOW_MS + WINDOW_MS;
        }
        look
    }

    /// Gives the rows of the windows that no bet can reach any more.
    pub fn ended(&mut self, each: impl FnMut(Market, i64, &Sums)) {
        // The last time looked for, less what a bet may be late.
        self.close(self.look_at - WINDOW_MS - LATENESS_MS as i64, each);
    }

    fn finish(mut self, each: impl FnMut(Market, i64, &Sums)) {
        self.close(i64::MAX, each);
    }

    fn close(&mut self, by: i64, mut each: impl FnMut(Market, i64, &Sums)) {
        for Window { start, sums } in self.windows.ended(by) {
            for (market, sums) in self.markets.names.iter().zip(&sums).filter(|(_, sums)| sums.bets > 0) {
                each(*market, start, sums);
            }
        }
    }
}
