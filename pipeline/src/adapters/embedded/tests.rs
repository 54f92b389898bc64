//! The buffer and the trees together, against a plain map.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;

use super::{Durability, EmbeddedLog, EmbeddedTables, Store, StoreOptions};
use crate::clock::{Arrival, Clock};
use crate::error::{Error, Result};
use crate::fault::{CrashPoint, Faults};
use crate::tables::Commit;

const TABLES: [&str; 3] = ["users", "claims.bets", "index.bets"];

type Model = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

/// A small generator: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn open(dir: &Path, faults: Faults) -> EmbeddedTables {
    let options = StoreOptions { durability: Durability::Os, buffer_bytes: 4 << 10, ..StoreOptions::default() };
    let store = Store::open(dir, options).unwrap();
    let log = EmbeddedLog::open(store.clone(), Clock::manual(Arrival(0))).unwrap();
    EmbeddedTables::open(store, log, faults).unwrap()
}

/// A commit of random puts and removals, and the same on the model. Lists are only added to, by
/// ascending number.
fn change(random: &mut Random, number: &mut u64, model: &mut Model) -> Commit {
    *number += 1;
    let mut commit = Commit::default();
    for _ in 0..random.below(40) {
        let table = TABLES[random.below(3) as usize];
        let mut key = vec![b'k', random.below(120) as u8];
        if table == "index.bets" {
            key.extend_from_slice(&number.to_be_bytes());
        }
        if table != "index.bets" && random.below(4) == 0 {
            model.remove(&(table, key.clone()));
            commit.remove(table, key);
        } else {
            let value = format!("{number}:{};", random.below(1000)).into_bytes();
            model.insert((table, key.clone()), value.clone());
            commit.put(table, key, value);
        }
    }
    commit
}

fn check(tables: &EmbeddedTables, model: &Model, random: &mut Random) {
    for table in ["users", "claims.bets"] {
        let expected: Vec<_> = model
            .iter()
            .filter(|((of, _), _)| *of == table)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect();
        assert_eq!(tables.scan(table, &[]).unwrap(), expected, "{table}");
        let (from, limit) = (vec![b'k', random.below(120) as u8], 1 + random.below(30) as usize);
        let page = tables.range(table, (Bound::Excluded(from.clone()), Bound::Unbounded), limit).unwrap();
        let rest = expected.iter().filter(|(key, _)| *key > from).take(limit);
        assert_eq!(page, rest.cloned().collect::<Vec<_>>(), "{table} after {from:?}");
        let key = vec![b'k', random.below(120) as u8];
        assert_eq!(tables.get(table, &key).unwrap(), model.get(&(table, key)).cloned(), "{table}");
    }
    // However the parts of a list are joined, reading them in order gives the list.
    let list = [b'k', random.below(120) as u8];
    let parts = tables.scan("index.bets", &list).unwrap().into_iter().map(|(_, value)| value);
    let expected = model.iter().filter(|((of, key), _)| *of == "index.bets" && key.starts_with(&list));
    assert_eq!(parts.collect::<Vec<_>>().concat(), expected.map(|(_, value)| &value[..]).collect::<Vec<_>>().concat());
}

#[test]
fn rows_are_found_wherever_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(42);
    let mut model = Model::new();
    let mut tables = open(dir.path(), Faults::none());
    let mut number = 0;
    for step in 0..400 {
        let before = (step % 50 == 7).then(|| (tables.frozen(), model.clone()));
        tables.commit(change(&mut random, &mut number, &mut model)).unwrap();
        check(&tables, &model, &mut random);
        if let Some((frozen, then)) = before {
            // A view of earlier stays as it was, whatever is merged meanwhile.
            for _ in 0..20 {
                tables.commit(change(&mut random, &mut number, &mut model)).unwrap();
            }
            check(&frozen, &then, &mut random);
        }
        if step % 37 == 36 {
            drop(tables);
            tables = open(dir.path(), Faults::none());
            check(&tables, &model, &mut random);
        }
    }
}

#[test]
fn a_crash_between_merging_and_forgetting_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut random, mut model) = (Random(7), Model::new());
    let (mut crashes, mut number) = (0, 0);
    for round in 0..12 {
        let tables = open(dir.path(), Faults::crash_at(CrashPoint::AfterMerge, round % 3));
        check(&tables, &model, &mut random);
        for _ in 0..60 {
            let done: Result<()> = tables.commit(change(&mut random, &mut number, &mut model));
            match done {
                Ok(()) => {}
                // The commit itself stands; what failed is a merge before it.
                Err(Error::Crashed(_)) => {
                    crashes += 1;
                    // What was not merged is still found, and nothing pushes it out.
                    check(&tables, &model, &mut random);
                    assert!(tables.commit(change(&mut random, &mut number, &mut model)).is_err());
                    check(&tables, &model, &mut random);
                    break;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!(crashes > 6, "{crashes}");
    check(&open(dir.path(), Faults::none()), &model, &mut random);
}
