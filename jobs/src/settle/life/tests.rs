//! The life of a question as a table: every state with every trigger, nothing unlisted.
//!
//! `UPDATE_GOLDEN=1 cargo test --release --workspace` rewrites `golden/question_life.txt`: read the
//! difference before you keep it.

use std::fmt::Write;
use std::path::PathBuf;

use schemas::codec::Event;
use schemas::question::{Emergency, QuestionState};

use super::super::standing;
use super::super::tests::question;
use super::*;

const NOW: i64 = 20_000;

fn rules() -> SettleRules {
    SettleRules { challenge_ms: 300, emergency_delay_ms: 3_000, notify: true, page_bets: 10 }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms).unwrap()
}

fn emergency(operators: &[&str], due: Option<i64>) -> Option<Emergency> {
    let operators = operators.iter().map(|name| (*name).to_owned()).collect();
    Some(Emergency { payouts: vec![1, 0], operators, reason: "no feed".into(), due: due.map(at) })
}

/// Every state that behaves in its own way.
fn states() -> Vec<(&'static str, QuestionRow)> {
    use QuestionState as State;
    let state = |state: State, change: fn(&mut QuestionRow)| {
        let mut row = question(2);
        row.state = state;
        if !matches!(state, State::Open | State::Paused) {
            row.closed_at = Some(at(9_000));
        }
        if matches!(state, State::Approved | State::Reported | State::Finalised | State::Voided) {
            row.settling_from = Some(at(10_000));
            row.payouts = vec![1, 0];
        }
        change(&mut row);
        row
    };
    let voice = |row: &mut QuestionRow| {
        row.spec.quorum = 1;
        row.observations.push(Observation {
            outcome_index: 0,
            source: Source::Feed,
            at: at(9_500),
            confidence: schemas::probability::Probability::ONE,
            evidence: None,
        });
    };
    let mut proposed = state(State::Proposed, |row| row.payouts = vec![1, 0]);
    voice(&mut proposed);
    proposed.challenge_until = Some(at(NOW));
    vec![
        ("open", state(State::Open, |_| {})),
        ("open, one for an emergency", state(State::Open, |row| row.emergency = emergency(&["ann"], None))),
        ("paused", state(State::Paused, |row| row.pauses.push(Pause { from: at(5_000), to: None }))),
        ("closed", state(State::Closed, |_| {})),
        ("closed, quorum 1", state(State::Closed, |row| row.spec.quorum = 1)),
        ("closed, emergency due", state(State::Closed, |row| row.emergency = emergency(&["ann", "cy"], Some(NOW)))),
        ("proposed", proposed),
        ("flagged", state(State::Flagged, |row| row.flag_reason = Some("look".into()))),
        ("flagged with an answer", state(State::Flagged, |row| row.payouts = vec![1, 0])),
        ("approved", state(State::Approved, |_| {})),
        ("reported", state(State::Reported, |_| {})),
        ("finalised", state(State::Finalised, |_| {})),
        ("voided", state(State::Voided, |row| row.payouts.clear())),
    ]
}

/// Every trigger, the events as they come in.
fn events() -> Vec<(&'static str, GameEvent)> {
    let id = question(2).spec.question_uuid;
    let event = |operator: &str, body: &str| {
        let json = format!(
            r#"{{"event_uuid":"00000000-0000-4000-8000-000000000001","at":19000,{operator}"question_uuid":"{id}",{body}}}"#
        );
        GameEvent::decode(json.as_bytes()).unwrap()
    };
    let seen = |source: &str, outcome: u16| {
        event(
            "",
            &format!(
                r#""type":"outcome_observed","outcome_index":{outcome},"source":"{source}","confidence":"1","evidence":null"#
            ),
        )
    };
    let (ann, bob) = (r#""operator":"ann","#, r#""operator":"bob","#);
    let answer = r#""type":"emergency_answer","reason":"no feed","payouts":"#;
    let hash = format!("0x{}", "ab".repeat(32));
    let reported = |payouts: &str, finalised: bool| {
        let fields = format!(r#""payouts":{payouts},"transaction_hash":"{hash}","finalised":{finalised}"#);
        event("", &format!(r#""type":"answer_reported",{fields}"#))
    };
    vec![
        ("betting_closed", event("", r#""type":"betting_closed""#)),
        ("question_paused", event("", r#""type":"question_paused""#)),
        ("question_resumed", event("", r#""type":"question_resumed""#)),
        ("feed sees 0", seen("feed", 0)),
        ("streamer sees 1", seen("streamer", 1)),
        ("operator sees 1", seen("operator", 1)),
        ("feed sees 2", seen("feed", 2)),
        ("outcome_voided 1", event("", r#""type":"outcome_voided","outcome_index":1,"reason":"out""#)),
        ("question_voided", event("", r#""type":"question_voided","reason":"rain""#)),
        ("question_flagged", event("", r#""type":"question_flagged","reason":"odd""#)),
        ("question_approved", event("", r#""type":"question_approved""#)),
        ("amended end", event("", r#""type":"question_amended","betting_end_time":30000"#)),
        ("amended text", event("", r#""type":"question_amended","question":"Who?""#)),
        ("amended to 3 outcomes", event("", r#""type":"question_amended","outcomes":["a","b","c"]"#)),
        ("emergency, nobody", event("", &format!("{answer}[1,0]"))),
        ("emergency, ann", event(ann, &format!("{answer}[1,0]"))),
        ("emergency, bob", event(bob, &format!("{answer}[1,0]"))),
        ("emergency to void, bob", event(bob, &format!("{answer}[]"))),
        ("answer_reported 1 0", reported("[1,0]", false)),
        ("answer_reported 0 1", reported("[0,1]", false)),
        ("answer finalised 1 0", reported("[1,0]", true)),
        ("position_sold", {
            let fields = format!(
                r#""outcome_index":0,"seller":"0x{}","return_amount":"1","fee_amount":"0","tokens_sold":"1","transaction_hash":"{hash}""#,
                "aa".repeat(20)
            );
            event("", &format!(r#""type":"position_sold",{fields}"#))
        }),
    ]
}

fn show(outcome: Result<Option<Moved>, Reject>) -> String {
    let (row, effects) = match outcome {
        Err(reject) => return format!("refused: {}", reject.detail),
        Ok(None) => return "-".to_owned(),
        Ok(Some(moved)) => moved,
    };
    let mut text = row.state.to_string();
    if !row.payouts.is_empty() {
        let _ = write!(text, " {:?}", row.payouts);
    }
    let facts = [
        row.flag_reason.as_ref().map(|why| format!("flag {why:?}")),
        row.void_reason.as_ref().map(|why| format!("void {why:?}")),
        row.emergency.as_ref().map(|asked| format!("emergency {} {:?}", asked.operators.join("+"), asked.payouts)),
    ];
    for fact in facts.into_iter().flatten() {
        let _ = write!(text, "; {fact}");
    }
    for effect in effects {
        match effect {
            Effect::Wake(alarm, at) => {
                let _ = write!(text, "; wake for {alarm:?} in {} ms", at.millis() - NOW);
            }
            Effect::Settle => text.push_str("; settle"),
        }
    }
    text
}

#[test]
fn the_table_of_states_and_triggers() {
    let moment = Moment { arrived: at(NOW), now: at(NOW) };
    let mut table = String::new();
    let alarms = [Alarm::EndOfBetting, Alarm::EndOfChallenge, Alarm::EndOfDelay, Alarm::NextPage];
    for (name, before) in states() {
        let _ = writeln!(table, "{name}");
        let mut line = |trigger: &str, outcome| {
            let outcome: Result<Option<Moved>, Reject> = outcome;
            if let Ok(Some((after, _))) = &outcome {
                assert_eq!(after.version, before.version + 1, "{name} {trigger}");
                let standing = after.steps.last().map(|step| step.state);
                let moved =
                    after.state != before.state && !matches!(after.state, QuestionState::Open | QuestionState::Paused);
                assert!(!moved || standing == Some(after.state), "{name} {trigger}: {standing:?}");
                assert!(before.settling_from.is_none() || after.settling_from == before.settling_from);
                // Settling begins exactly where the answer becomes final.
                let settles = after.settling_from != before.settling_from;
                assert_eq!(settles, outcome.as_ref().unwrap().as_ref().unwrap().1.contains(&Effect::Settle));
            }
            let _ = writeln!(table, "  {trigger:<24} {}", show(outcome));
        };
        for (trigger, event) in events() {
            line(trigger, transition(&before, Trigger::Event(&event), moment, &rules()));
        }
        for alarm in alarms {
            line(&format!("{alarm:?}"), transition(&before, Trigger::Alarm(alarm), moment, &rules()));
        }
    }
    let table = table.replace(&question(2).spec.question_uuid.to_string(), "Q");
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let path = PathBuf::from(package).join("golden/question_life.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &table).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == table, "the life of a question differs from golden/question_life.txt:\n{table}");
}

/// Events one after another, a second apart.
fn live(mut row: QuestionRow, events: &[&GameEvent]) -> QuestionRow {
    for (seconds, event) in (0..).zip(events) {
        let now = at(NOW + seconds * 1_000);
        let moved = transition(&row, Trigger::Event(event), Moment { arrived: now, now }, &rules()).unwrap();
        if let Some((after, _)) = moved {
            row = after;
        }
    }
    row
}

#[test]
fn an_operator_decides_what_sources_cannot() {
    let all = events();
    let event = |name: &str| &all.iter().find(|(of, _)| *of == name).unwrap().1;
    let closed = live(question(2), &[event("betting_closed"), event("feed sees 0"), event("streamer sees 1")]);
    assert_eq!(closed.state, QuestionState::Flagged);
    assert_eq!(closed.flag_reason.as_deref(), Some("sources disagree: feed says outcome 0; streamer says outcome 1"));
    let decided = live(closed, &[event("operator sees 1")]);
    assert_eq!((decided.state, &decided.payouts[..]), (QuestionState::Proposed, &[0, 1][..]));
    assert_eq!(decided.challenge_until, Some(at(NOW + 300)));
}

#[test]
fn what_was_said_while_it_was_flagged_counts() {
    let all = events();
    let event = |name: &str| &all.iter().find(|(of, _)| *of == name).unwrap().1;
    let mut question = question(2);
    question.spec.quorum = 1;
    // A quorum came together under the flag: lifting proposes it.
    let flagged = live(question.clone(), &[event("betting_closed"), event("question_flagged"), event("feed sees 0")]);
    assert_eq!(flagged.state, QuestionState::Flagged);
    let lifted = live(flagged, &[event("question_approved")]);
    assert_eq!((lifted.state, &lifted.payouts[..]), (QuestionState::Proposed, &[1, 0][..]));
    // The source took its word back under the flag: what was proposed cannot be confirmed any more.
    let mut turned = event("feed sees 0").clone();
    turned.at = at(19_500);
    if let GameEventKind::OutcomeObserved { outcome_index, .. } = &mut turned.kind {
        *outcome_index = 1;
    }
    let seen = [event("betting_closed"), event("feed sees 0"), event("question_flagged"), &turned];
    let flagged = live(question, &seen);
    assert_eq!((flagged.state, &flagged.payouts[..]), (QuestionState::Flagged, &[1, 0][..]));
    let now = at(NOW + 60_000);
    let approve = Trigger::Event(event("question_approved"));
    let refused = transition(&flagged, approve, Moment { arrived: now, now }, &rules()).unwrap_err();
    assert!(refused.detail.contains("says outcome 1 by now"), "{}", refused.detail);
}

/// The steps that the clock and these events lead to, in words.
fn told(row: QuestionRow, events: &[&GameEvent], alarm: Option<Alarm>) -> Vec<String> {
    let mut row = live(row, events);
    let now = at(NOW + 3_600_000);
    if let Some(alarm) = alarm {
        row = transition(&row, Trigger::Alarm(alarm), Moment { arrived: now, now }, &rules()).unwrap().unwrap().0;
    }
    standing::steps(&row).map(|(step, words)| format!("{} {}: {words}", step.state, step.by)).collect()
}

#[test]
fn the_way_to_an_answer_is_told() {
    let all = events();
    let event = |name: &str| &all.iter().find(|(of, _)| *of == name).unwrap().1;
    let single = || {
        let mut row = question(2);
        row.spec.quorum = 1;
        row
    };
    let proposed = "proposed sources: answer proposed by a quorum of 1";
    let ended = "closed event: betting ended";
    for (row, events, alarm, expected) in [
        (question(2), &["betting_closed"][..], None, &[ended][..]),
        (question(2), &[], Some(Alarm::EndOfBetting), &["closed time: betting ended by its time"]),
        (
            single(),
            &["betting_closed", "feed sees 0"],
            None,
            &[
                ended,
                "proposed sources: answer proposed by a quorum of 1: outcome 0, final at 1970-01-01T00:00:21Z unless somebody flags it",
            ],
        ),
        // Said before the close: closed and proposed at once.
        (
            single(),
            &["feed sees 0", "betting_closed"],
            Some(Alarm::EndOfChallenge),
            &[ended, proposed, "approved time: approved, since nobody flagged it in time: outcome 0"],
        ),
        (
            question(2),
            &["betting_closed", "feed sees 0", "streamer sees 1", "operator sees 1"],
            Some(Alarm::EndOfChallenge),
            &[
                ended,
                "flagged sources: flagged: sources disagreed",
                "proposed operator: answer proposed by an operator",
                "approved time: approved, since nobody flagged it in time: outcome 1",
            ],
        ),
        (
            single(),
            &["betting_closed", "question_flagged", "feed sees 0", "question_approved", "question_approved"],
            None,
            &[
                ended,
                "flagged operator: flagged by an operator",
                "closed operator: flag lifted",
                proposed,
                "approved operator: approved by an operator: outcome 0",
            ],
        ),
        (
            question(2),
            &["emergency, ann", "emergency, cy"],
            Some(Alarm::EndOfDelay),
            &[
                "closed emergency: betting ended",
                "approved emergency: approved: the emergency answer took effect: outcome 0",
            ],
        ),
        (question(2), &["question_voided"], None, &["closed event: betting ended", "voided event: voided: rain"]),
        (
            question(2),
            &["betting_closed", "answer finalised 1 0"],
            None,
            &[ended, "finalised chain: answer finalised by the chain: outcome 0"],
        ),
    ] {
        let mut cy = event("emergency, bob").clone();
        cy.operator = Some("cy".into());
        let events: Vec<_> =
            events.iter().map(|name| if *name == "emergency, cy" { &cy } else { event(name) }).collect();
        assert_eq!(told(row, &events, alarm), expected, "{alarm:?}");
    }
}

#[test]
fn what_an_emergency_waits_for_is_told() {
    let said = |operators: &[&str], due| standing::emergency(&question(2).spec, &emergency(operators, due).unwrap());
    assert_eq!(said(&["ann"], None), "outcome 0, asked by ann (1 of 2): another operator must ask for the same");
    assert_eq!(
        said(&["ann", "bob"], Some(NOW)),
        "outcome 0, asked by ann and bob: takes effect at 1970-01-01T00:00:20Z unless somebody flags it"
    );
}
