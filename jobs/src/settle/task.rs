//! Settling a question's bets: a task that goes page by page and that a crash can cut anywhere.
//!
//! Life: begun (the answer is final; its row says how many bets there are) → a page a timer, each in
//! one commit with the bets' rows, the profiles, the notifications and the task's own place → done,
//! when as many are settled as were accepted. Where an index lags and a sweep ends short of that, the
//! next one begins a second later and passes over what is settled. One that stays short says so: it is
//! counted, and logged ever less often.

use pipeline::Arrival;
use pipeline::job::{Ask, Effects, Placed};
use pipeline::metrics::Metric;
use pipeline::record::Append;
use pipeline::tables::RowRef;
use schemas::bet_row::{BetRow, BetStatus};
use schemas::codec::Event;
use schemas::ids::QuestionId;
use schemas::money::{Money, Total};
use schemas::notification::Notification;
use schemas::question::{QuestionRow, QuestionState};
use schemas::settlement::{Settlement, SettlementRow};
use schemas::time::Timestamp;
use schemas::user::UserRow;

use super::SettleRules;
use super::result::{self, BetResult};
use super::timers::Alarm;
use crate::bets::event_time;
use crate::betting::BETS;
use crate::rows::{self, Rows};

/// How long after a sweep that came short the next one begins.
const SWEEP_AGAIN_MS: i64 = 1_000;

/// Begins settling a question's bets.
pub fn begin(question: &QuestionRow, now: Timestamp, rows: &mut Rows, effects: &mut Effects) {
    let id = question.spec.question_uuid;
    let accepted = accepted(rows, id);
    let new = || SettlementRow {
        question_uuid: id,
        version: question.version,
        accepted,
        after: None,
        sweeps: 1,
        bets_won: 0,
        bets_lost: 0,
        bets_void: 0,
        staked: Total::ZERO,
        returned: Total::ZERO,
        started_at: now,
        settled_at: None,
    };
    rows::change_settlement(rows, id, new);
    effects.timers.push((Arrival(now.millis()).plus_ms(1), Alarm::NextPage.key(id)));
}

/// The next page of bets.
pub fn asks(question: QuestionId, rows: &Rows, rules: &SettleRules) -> Option<Ask> {
    let task = rows::settlement(rows, question).filter(|task| task.settled_at.is_none())?;
    let after = task.after.map(|(block, row)| RowRef { block, row });
    Some(Ask { input: BETS, index: "question_uuid", key: question.as_bytes().to_vec(), after, limit: rules.page_bets })
}

/// Settles a page of bets and says what is next.
pub fn page(
    id: QuestionId,
    now: Arrival,
    bets: Placed<BetRow>,
    rows: &mut Rows,
    effects: &mut Effects,
    rules: &SettleRules,
) -> Placed<BetRow> {
    let (Some(question), Some(task)) = (rows::question(rows, id).cloned(), rows::settlement(rows, id).cloned()) else {
        return Vec::new();
    };
    if task.settled_at.is_some() {
        return Vec::new();
    }
    let (mut task, last) = (task, bets.last().map(|(at, _)| *at));
    // Until its last bet is decided a question's totals grow.
    task.accepted = accepted(rows, id);
    // A page may hold less than was asked for, and be followed by others.
    let more = !bets.is_empty();
    let mut changed = Vec::with_capacity(bets.len());
    for (at, row) in bets {
        match row.result {
            // Settled by this page before, whose end was not written: told again, under the same ids.
            Some(status) => {
                let result = BetResult { status, payout: row.payout.unwrap_or(Money::ZERO) };
                tell_steps(&row.as_decided(), result, &question, now, effects, rules);
                count(&mut task, row.bet.buy_amount, result);
            }
            None if row.status == BetStatus::Accepted => {
                let result = result::of(&row, &question);
                changed.push((at, settle(&row, result, &question, now, rows, effects, rules)));
                count(&mut task, row.bet.buy_amount, result);
            }
            // A rejected one.
            None => {}
        }
    }
    effects.count(Metric::JobSettled, changed.len() as u64);
    task.after = last.map(|at| (at.block, at.row)).or(task.after);
    next(&mut task, more, now, &question, rows, effects);
    if let Some(stored) = rows::change_settlement(rows, id, || task.clone()) {
        *stored = task;
    }
    changed
}

/// One bet: its profile, its notifications, its row.
fn settle(
    row: &BetRow,
    result: BetResult,
    question: &QuestionRow,
    now: Arrival,
    rows: &mut Rows,
    effects: &mut Effects,
    rules: &SettleRules,
) -> BetRow {
    let bettor = row.bet.bettor;
    if let Some(user) = rows::change_user(rows, bettor, || UserRow::new(bettor)) {
        user.profile = result::credit(&user.profile, &row.bet, result);
    }
    tell_steps(row, result, question, now, effects, rules)
}

/// Tells of each step from an accepted bet to its result; gives the last one.
fn tell_steps(
    row: &BetRow,
    result: BetResult,
    question: &QuestionRow,
    now: Arrival,
    effects: &mut Effects,
    rules: &SettleRules,
) -> BetRow {
    // What is on chain is paid there, when its owner redeems it.
    let off_chain = question.spec.question_id.is_none();
    let mut last = *row;
    for step in result::settle(row, result, off_chain).into_iter().flatten() {
        if rules.notify {
            let (key, told) = (row.bet.bettor.to_string(), Notification::of(&step, event_time(now)));
            effects.emits.push((Notification::STREAM, Append::new(key, told.to_json()).arrived(now)));
        }
        last = step;
    }
    last
}

fn accepted(rows: &Rows, question: QuestionId) -> u64 {
    rows::totals(rows, question).map_or(0, |totals| totals.bets.iter().sum())
}

fn count(task: &mut SettlementRow, stake: Money, result: BetResult) {
    match result.status {
        BetStatus::Won => task.bets_won += 1,
        BetStatus::Void => task.bets_void += 1,
        _ => task.bets_lost += 1,
    }
    // Totals hold 2^63 amounts, more than there can be bets.
    task.staked = task.staked.checked_add(stake.into()).unwrap_or(task.staked);
    task.returned = task.returned.checked_add(result.payout.into()).unwrap_or(task.returned);
}

/// The next page, the next sweep, or the end.
fn next(
    task: &mut SettlementRow,
    more: bool,
    now: Arrival,
    question: &QuestionRow,
    rows: &mut Rows,
    effects: &mut Effects,
) {
    let id = task.question_uuid;
    let again = |effects: &mut Effects, ms| effects.timers.push((now.plus_ms(ms), Alarm::NextPage.key(id)));
    if task.settled() >= task.accepted {
        task.settled_at = Some(event_time(now));
        task.after = None;
        finish(task, question, now, rows, effects);
    } else if more {
        again(effects, 1);
    } else {
        came_short(task, effects);
        // The next one counts from the beginning, what is settled by now as well.
        *task = SettlementRow {
            after: None,
            sweeps: task.sweeps + 1,
            bets_won: 0,
            bets_lost: 0,
            bets_void: 0,
            staked: Total::ZERO,
            returned: Total::ZERO,
            ..task.clone()
        };
        again(effects, SWEEP_AGAIN_MS);
    }
}

/// A sweep that found fewer bets than were accepted.
fn came_short(task: &SettlementRow, effects: &mut Effects) {
    effects.count(Metric::JobShortSweeps, 1);
    // The first, second, fourth and so on: sweeps go on for as long as bets are missing.
    if task.sweeps.is_power_of_two() {
        effects.notes.push(format!(
            "settling question {}: sweep {} ended with {} of {} accepted bets settled; the next one begins in {} s",
            task.question_uuid,
            task.sweeps,
            task.settled(),
            task.accepted,
            SWEEP_AGAIN_MS / 1_000
        ));
    }
}

/// All bets are settled: the question says so, and everybody is told.
fn finish(task: &SettlementRow, question: &QuestionRow, now: Arrival, rows: &mut Rows, effects: &mut Effects) {
    let id = task.question_uuid;
    if let Some(stored) = rows::change_question(rows, id, || question.clone()) {
        stored.settled_at = task.settled_at;
        stored.version += 1;
    }
    let event = Settlement {
        event_uuid: Settlement::id_of(id, task.version),
        question_uuid: id,
        version: task.version,
        payouts: if question.payouts.is_empty() {
            vec![0; question.spec.outcomes.len()]
        } else {
            question.payouts.clone()
        },
        voided: question.state == QuestionState::Voided,
        bets_won: task.bets_won,
        bets_lost: task.bets_lost,
        bets_void: task.bets_void,
        staked: task.staked,
        returned: task.returned,
        chain_id: question.spec.chain_id,
        question_id: question.spec.question_id,
        oracle_address: question.spec.oracle_address,
        at: event_time(now),
    };
    effects.emits.push((Settlement::STREAM, Append::new(id.to_string(), event.to_json()).arrived(now)));
    effects.count(Metric::JobSettlements, 1);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemas::question::QuestionState;

    use super::super::tests::{accepted, bet, question};
    use super::*;
    use crate::bets::totals::TotalsRow;
    use crate::rows::{Key, Row};

    const RULES: SettleRules = SettleRules { challenge_ms: 0, emergency_delay_ms: 0, notify: true, page_bets: 10 };

    /// Settling of a question of whose accepted bets the index shows only some.
    struct Lagging {
        rows: Rows,
        id: QuestionId,
        /// What became of them so far.
        bets: BTreeMap<u64, BetRow>,
    }

    impl Lagging {
        fn begin(count: u8) -> Lagging {
            let (mut rows, mut question) = (Rows::default(), question(2));
            let id = question.spec.question_uuid;
            (question.state, question.payouts) = (QuestionState::Approved, vec![1, 0]);
            let totals = TotalsRow { bets: vec![count.into(), 0], ..TotalsRow::new(2) };
            rows.load(Key::Totals(id), Some(Row::Totals(totals)));
            begin(&question, question.opened_at, &mut rows, &mut Effects::default());
            rows.load(Key::Question(id), Some(Row::Question(question.into())));
            let bets = (1..=count).map(|n| (u64::from(n), accepted(bet(n, 0, "1", "2")))).collect();
            Lagging { rows, id, bets }
        }

        fn sweep(&mut self, number: i64, found: &[u64]) -> Effects {
            let place = |row: u64| RowRef { block: 1, row };
            let found = found.iter().map(|n| (place(*n), self.bets[n])).collect();
            let mut effects = Effects::default();
            let changed = page(self.id, Arrival(20_000 + number), found, &mut self.rows, &mut effects, &RULES);
            self.bets.extend(changed.into_iter().map(|(at, bet)| (at.row, bet)));
            effects
        }

        fn task(&self) -> &SettlementRow {
            rows::settlement(&self.rows, self.id).unwrap()
        }
    }

    fn told(effects: &Effects) -> Vec<&[u8]> {
        effects.emits.iter().filter(|(stream, _)| *stream == Notification::STREAM).map(|(_, it)| &it.data[..]).collect()
    }

    #[test]
    fn a_sweep_that_comes_short_says_so_and_begins_again() {
        let mut settling = Lagging::begin(3);
        for (number, found, noted) in [(1, &[1][..], true), (2, &[1], true), (3, &[1], false), (4, &[1, 2], true)] {
            let id = settling.id;
            let page = settling.sweep(number, found);
            assert_eq!(page.timers, [(Arrival(20_000 + number + 1), Alarm::NextPage.key(id))], "there may be more");
            let effects = settling.sweep(number, &[]);
            assert_eq!(
                effects.counts.iter().find(|(of, _)| *of == Metric::JobShortSweeps),
                Some(&(Metric::JobShortSweeps, 1))
            );
            assert_eq!(effects.timers, [(Arrival(20_000 + number + SWEEP_AGAIN_MS), Alarm::NextPage.key(id))]);
            assert_eq!(!effects.notes.is_empty(), noted, "sweep {number}: {:?}", effects.notes);
            let of = found.len();
            let text = format!("question {id}: sweep {number} ended with {of} of 3 accepted bets settled");
            assert!(effects.notes.iter().all(|note| note.contains(&text)), "{:?}", effects.notes);
        }
        // The index has caught up.
        let effects = settling.sweep(5, &[1, 2, 3]);
        assert!(effects.notes.is_empty() && effects.timers.is_empty(), "{:?}", effects.notes);
        assert!(effects.counts.iter().all(|(of, _)| *of != Metric::JobShortSweeps), "{:?}", effects.counts);
        assert!(settling.task().settled_at.is_some());
        let profile = rows::user(&settling.rows, settling.bets[&1].bet.bettor).unwrap().profile;
        assert_eq!((profile.won, profile.returned.to_string()), (3, "6".to_owned()));
    }

    /// The bets of a page are written, the end of the page is not: the page comes again.
    #[test]
    fn a_page_that_comes_again_tells_the_same_and_pays_nothing_twice() {
        let mut settling = Lagging::begin(2);
        let before = settling.task().clone();
        let first = settling.sweep(1, &[1, 2]);
        let after = settling.task().clone();
        let profile = rows::user(&settling.rows, settling.bets[&1].bet.bettor).unwrap().profile;
        *rows::change_settlement(&mut settling.rows, settling.id, || before.clone()).unwrap() = before.clone();
        let again = settling.sweep(1, &[1, 2]);
        assert_eq!((told(&first), first.emits.len()), (told(&again), 5));
        assert_eq!(settling.task(), &after);
        assert_eq!(rows::user(&settling.rows, settling.bets[&1].bet.bettor).unwrap().profile, profile);
    }
}
