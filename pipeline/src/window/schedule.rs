//! What is to happen to a window, and when: the timers that its rows set.
//!
//! Every moment follows from the settings and from a row's own arrival, so the same rows set the
//! same timers however they are batched, whoever folds them.

use std::ops::Range;

use super::times::WindowSettings;
use crate::clock::Arrival;
use crate::error::{Error, Result};

/// What is to happen to a window at a timer. Of one moment, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Close = 0,
    Revise = 1,
    Final = 2,
    Early = 3,
}

/// A timer: when, and the key that says what of which window.
pub(super) type Due = (Arrival, Vec<u8>);

/// Every window, for who computes all of them.
pub(super) const ALL: Range<i64> = i64::MIN..i64::MAX;

/// What is to happen to the windows of a pane that was just opened, of those that start in `wanted`.
/// A test's hasty windows close that many milliseconds early.
pub(super) fn opened(settings: &WindowSettings, pane: i64, now: Arrival, wanted: &Range<i64>, hasty: i64) -> Vec<Due> {
    let name = &settings.spec.name;
    let mut timers = Vec::new();
    for start in settings.windows_of(pane).filter(|start| wanted.contains(start)) {
        let (close, last) = (settings.closes_at(start), settings.final_at(start));
        if last > now {
            timers.push((last, timer_key(name, Event::Final, start)));
        }
        if close > now && close < last {
            timers.push((close.plus_ms(-hasty), timer_key(name, Event::Close, start)));
        }
        let first = settings.early_after(now.max(Arrival(start))).filter(|first| *first < close);
        timers.extend(first.map(|first| (first, timer_key(name, Event::Early, start))));
    }
    timers
}

/// The ticks at which the closed windows of a pane are revised, which a late row has come to.
pub(super) fn revised<'a>(
    settings: &'a WindowSettings,
    pane: i64,
    now: Arrival,
    wanted: &'a Range<i64>,
) -> impl Iterator<Item = Due> + 'a {
    let tick = settings.close_after(now);
    let late = move |start: &i64| settings.closes_at(*start) <= now && tick < settings.final_at(*start);
    settings
        .windows_of(pane)
        .filter(|start| wanted.contains(start))
        .filter(late)
        .map(move |start| (tick, timer_key(&settings.spec.name, Event::Revise, start)))
}

/// The next timer after one that was delivered, if it repeats.
pub(super) fn again(settings: &WindowSettings, event: Event, start: i64, due: Arrival) -> Option<Due> {
    let next = settings.early_after(due).filter(|next| event == Event::Early && *next < settings.closes_at(start))?;
    Some((next, timer_key(&settings.spec.name, Event::Early, start)))
}

/// The key of the timer at which a window is final.
pub(super) fn final_key(settings: &WindowSettings, start: i64) -> Vec<u8> {
    timer_key(&settings.spec.name, Event::Final, start)
}

fn timer_key(name: &str, event: Event, start: i64) -> Vec<u8> {
    let mut key = vec![event as u8];
    key.extend_from_slice(&start.to_be_bytes());
    key.extend_from_slice(name.as_bytes());
    key
}

/// The window job, what is due, and the window's start.
pub(super) fn split_timer_key(key: &[u8]) -> Result<(String, Event, i64)> {
    let bad = || Error::corrupt("a window's timer");
    let (event, rest) = key.split_first().ok_or_else(bad)?;
    let (start, name) = rest.split_first_chunk::<8>().ok_or_else(bad)?;
    let event = match event {
        0 => Event::Close,
        1 => Event::Revise,
        2 => Event::Final,
        3 => Event::Early,
        _ => return Err(bad()),
    };
    Ok((String::from_utf8(name.to_vec()).map_err(|_| bad())?, event, i64::from_be_bytes(*start)))
}
