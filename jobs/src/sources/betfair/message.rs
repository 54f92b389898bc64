//! The Betfair exchange stream's messages, as far as a replay reads them.
//!
//! One message is one line: `{"op":"mcm","pt":…,"mc":[…]}`. The field names
//! are the exchange's own. Prices and sizes stay JSON text here, so that they
//! are parsed as decimals and never pass through a float. Unknown fields (the
//! unmatched book, above all) are skipped.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A line of the file.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    /// `mcm` for market changes; anything else carries no volume.
    #[serde(borrow)]
    pub op: Cow<'a, str>,
    /// Publish time, ms since the epoch. Every `mcm` has it.
    pub pt: Option<i64>,
    #[serde(borrow)]
    pub mc: Option<Vec<MarketChange<'a>>>,
}

/// What changed in one market.
#[derive(Deserialize)]
pub(super) struct MarketChange<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The change replaces all that was known of the market's book.
    pub img: Option<bool>,
    #[serde(rename = "marketDefinition", borrow)]
    pub definition: Option<Definition<'a>>,
    #[serde(borrow)]
    pub rc: Option<Vec<RunnerChange<'a>>>,
}

/// What changed for one runner. One message may name a runner several times.
#[derive(Deserialize)]
pub(super) struct RunnerChange<'a> {
    pub id: u64,
    /// Handicap, in Asian handicap markets: there a runner is one for each.
    #[serde(borrow)]
    pub hc: Option<&'a RawValue>,
    /// `[price, cumulative size]` pairs.
    #[serde(borrow)]
    pub trd: Option<Vec<(&'a RawValue, &'a RawValue)>>,
}

/// A market's definition: what is asked, who runs, and how it stands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Definition<'a> {
    /// INACTIVE, OPEN, SUSPENDED or CLOSED.
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    #[serde(borrow)]
    pub event_id: Cow<'a, str>,
    #[serde(borrow)]
    pub event_type_id: Cow<'a, str>,
    /// The scheduled start, RFC 3339.
    #[serde(borrow)]
    pub market_time: Cow<'a, str>,
    #[serde(borrow)]
    pub market_type: Option<Cow<'a, str>>,
    /// ODDS, ASIAN_HANDICAP_…, LINE, RANGE.
    #[serde(borrow)]
    pub betting_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub event_name: Option<Cow<'a, str>>,
    /// Runners that win: more than one in place markets.
    pub number_of_winners: Option<u16>,
    #[serde(borrow)]
    pub runners: Vec<Runner<'a>>,
}

/// A runner in a definition.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Runner<'a> {
    pub id: u64,
    #[serde(borrow)]
    pub hc: Option<&'a RawValue>,
    /// ACTIVE, WINNER, LOSER, PLACED, REMOVED, REMOVED_VACANT or HIDDEN.
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    pub sort_priority: Option<u32>,
    #[serde(borrow)]
    pub name: Option<Cow<'a, str>>,
}
