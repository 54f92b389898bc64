//! The lists that a row shows and an index holds: the ids of an account's or a question's bets.
//!
//! Lists are made for many rows at once, so that a block is read once for all the bets in it.
//! A run ends when it has [`MAX_IDS`] bets: 24 bytes a place, 16 an id and 36 a text make about
//! 80 MB a run. One row with more than that is a run of its own, whole.

use std::ops::Range;
use std::sync::Arc;

use pipeline::Result;
use pipeline::tables::RowRef;
use schemas::columns::bet_block::BetBlock;
use schemas::ids::BetId;

use super::render::unbuilt;
use super::view::View;

/// Bets after which a run ends.
const MAX_IDS: usize = 1_000_000;

/// The lists of some neighbouring rows.
pub struct Run {
    /// Which rows.
    pub rows: Range<usize>,
    /// The bets of each, newest first.
    pub bets: Vec<Vec<BetId>>,
}

/// The lists of rows with these index keys, in runs.
pub fn runs(view: Arc<View>, index: &'static str, keys: Vec<Vec<u8>>) -> impl Iterator<Item = Result<Run>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let start = next;
        if start >= keys.len() {
            return None;
        }
        let mut places: Vec<(RowRef, u32, u32)> = Vec::new();
        let mut lengths = Vec::new();
        while next < keys.len() && places.len() < MAX_IDS {
            let found = match view.find(index, &keys[next], usize::MAX) {
                Ok(found) => found,
                Err(error) => {
                    next = keys.len();
                    return Some(Err(error));
                }
            };
            let row = lengths.len() as u32;
            places.extend((0..).zip(&found).map(|(place, at)| (*at, row, place)));
            lengths.push(found.len());
            next += 1;
        }
        Some(resolve(&view, places, &lengths).map(|bets| Run { rows: start..next, bets }))
    })
}

/// The ids at these places, each put where it belongs: (place in the store, list, place there).
fn resolve(view: &View, mut places: Vec<(RowRef, u32, u32)>, lengths: &[usize]) -> Result<Vec<Vec<BetId>>> {
    let mut lists: Vec<Vec<BetId>> = lengths.iter().map(|length| vec![BetId::from_bytes([0; 16]); *length]).collect();
    places.sort_unstable();
    for same in places.chunk_by(|a, b| a.0.block == b.0.block) {
        let Some(rows) = view.block(same[0].0.block)? else { continue };
        let block = BetBlock::new(&rows).map_err(unbuilt)?;
        for (at, list, place) in same {
            let id = block.bet_uuid(at.row as usize).map_err(unbuilt)?;
            if let Some(slot) = lists.get_mut(*list as usize).and_then(|list| list.get_mut(*place as usize)) {
                *slot = id;
            }
        }
    }
    Ok(lists)
}
