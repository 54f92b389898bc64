//! Bets that a window has missed, as records of the stream `late-bets`.

use pipeline::record::Append;
use pipeline::window::lateness::LateRows;
use pipeline::{Arrival, Error, Result};
use schemas::bet_row::BetRow;
use schemas::codec::Event;
use schemas::columns::bet_block::BetBlock;
use schemas::late_bet::LateBet;
use schemas::time::Timestamp;

/// One record a bet, keyed by its question.
pub fn records(late: &LateRows) -> Result<Vec<(&'static str, Append)>> {
    let block = BetBlock::new(&late.rows).map_err(Error::corrupt)?;
    let time =
        |ms| Timestamp::from_millis(ms).ok_or_else(|| Error::Fatal(format!("window time {ms} ms is out of range")));
    let record = |(row, start): (usize, &i64)| {
        let BetRow { bet, arrived_at, .. } = block.row(row).map_err(Error::corrupt)?;
        let event = LateBet {
            event_uuid: LateBet::id_of(&late.window, bet.bet_uuid),
            window_name: late.window.clone(),
            window_start: time(*start)?,
            window_end: time(start.saturating_add(late.length_ms))?,
            arrived_at,
            bet,
        };
        let record = Append::new(bet.question_uuid.to_string(), event.to_json());
        Ok((LateBet::STREAM, record.arrived(Arrival(arrived_at.millis()))))
    };
    late.starts_ms.iter().enumerate().map(record).collect()
}
