//! What each stage would take if nothing but its least work were done: one thread, one pass, and a
//! clock around each.
//!
//! | stage | its limit |
//! |---|---|
//! | read | the same reads |
//! | decode | a scan of the usual layout that compares what it need not know ([`Scanned`]) |
//! | batch | a copy of the columns' bytes |
//! | group | markets numbered by a hash table, one array of sums a window |
//! | finish | those arrays into rows, averages divided |
//! | write | a `write` of the same bytes, text already |

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use super::contestant::Report;
use super::scan::Scanned;
use super::single_pass::Pass;
use super::stages::{Laps, Stage};
use super::{lines, row};

/// Bytes of a bet in the batches: question, outcome, odds, time.
const ROW_BYTES: usize = 16 + 2 + 16 + 8;

/// Reads the bets and reports the limits.
pub fn measure(input: &Path, out: &Path) -> Report {
    let mut file = File::create(out.join("rows.csv")).unwrap();
    let (mut bets, mut rows, mut text) = (Vec::new(), Vec::new(), Vec::new());
    let (source, mut columns) = (vec![1_u8; 1 << 20], Vec::new());
    let mut pass = Pass::default();
    let mut laps = Laps::start();
    lines::for_each_block(input, |block| {
        laps.end(Stage::Read);
        bets.clear();
        bets.extend(lines::of(block).map(Scanned::of));
        laps.end(Stage::Decode);
        columns.clear();
        columns.extend_from_slice(&source[..bets.len() * ROW_BYTES]);
        black_box(&columns);
        laps.end(Stage::Batch);
        let mut look = false;
        for bet in &bets {
            look |= pass.add((bet.question, bet.outcome), bet.placed_at, bet.odds);
        }
        laps.end(Stage::Group);
        if look {
            pass.ended(|market, start, sums| rows.push((market, start, *sums, sums.average())));
            laps.end(Stage::Finish);
            text.clear();
            for (market, start, sums, average) in rows.drain(..) {
                row::write(&mut text, market, start, &sums, average);
            }
            laps.leave_out();
            file.write_all(&text).unwrap();
            laps.end(Stage::Write);
        }
    });
    let stages = Some(laps.seconds);
    Report { stages, ..Report::own() }
}
