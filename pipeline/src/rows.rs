//! The rows a fold works on: loaded before, written after, cached in between.
//!
//! A shard's rows change only through its own loop, so what was written stays true until the
//! next batch and need not be read again. The cache has two generations and forgets the older
//! one when the younger is full: bounded, with no list to keep.

use std::hash::Hash;

use hashbrown::HashMap;

/// Rows of one generation, at most. Two generations of 150,000 rows of about 300 bytes are 90 MB.
const GENERATION_ROWS: usize = 150_000;

struct Slot<R> {
    /// Boxed: the map has room for twice as many slots as rows.
    row: Option<Box<R>>,
    changed: bool,
}

/// Rows by key: a cache with the batch's changes in it.
pub struct Rows<K, R> {
    young: HashMap<K, Slot<R>>,
    old: HashMap<K, Slot<R>>,
    changed: Vec<K>,
}

impl<K, R> Default for Rows<K, R> {
    fn default() -> Self {
        Rows { young: HashMap::new(), old: HashMap::new(), changed: Vec::new() }
    }
}

impl<K: Clone + Eq + Hash, R> Rows<K, R> {
    /// Whether a key's row (or its absence) is known; a known one is kept for this batch.
    pub fn knows(&mut self, key: &K) -> bool {
        if self.young.contains_key(key) {
            return true;
        }
        match self.old.remove_entry(key) {
            Some((key, slot)) => {
                self.young.insert(key, slot);
                true
            }
            None => false,
        }
    }

    /// Takes in what the store holds under a key.
    pub fn load(&mut self, key: K, row: Option<R>) {
        self.young.insert(key, Slot { row: row.map(Box::new), changed: false });
    }

    /// The row under a key, if there is one.
    pub fn get(&self, key: &K) -> Option<&R> {
        self.young.get(key).and_then(|slot| slot.row.as_deref())
    }

    /// The row under a key, to change it; `create` makes one where there is none.
    pub fn change(&mut self, key: K, create: impl FnOnce() -> R) -> &mut R {
        let slot = self.young.entry(key.clone()).or_insert(Slot { row: None, changed: false });
        if !slot.changed {
            slot.changed = true;
            self.changed.push(key);
        }
        slot.row.get_or_insert_with(|| Box::new(create()))
    }

    /// The keys of the rows that were changed since they were last asked for, in the order of first
    /// change. The rows stay as they are.
    pub fn take_changed_keys(&mut self) -> Vec<K> {
        let keys = std::mem::take(&mut self.changed);
        for key in &keys {
            if let Some(slot) = self.young.get_mut(key) {
                slot.changed = false;
            }
        }
        keys
    }

    /// Takes a row out, if there is one.
    pub fn take(&mut self, key: &K) -> Option<R> {
        self.young.remove(key).and_then(|slot| slot.row).map(|row| *row)
    }

    /// Hands out every changed row, in the order of first change, and counts it as stored.
    pub fn take_changes(&mut self, mut write: impl FnMut(&K, &R)) {
        for key in self.changed.drain(..) {
            if let Some(slot) = self.young.get_mut(&key) {
                slot.changed = false;
                if let Some(row) = &slot.row {
                    write(&key, row);
                }
            }
        }
    }

    /// Between batches: makes room when the young generation is full.
    pub fn age(&mut self) {
        if self.young.len() > GENERATION_ROWS && self.changed.is_empty() {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_out_once_and_aging_keeps_what_is_used() {
        let mut rows: Rows<u32, String> = Rows::default();
        rows.load(1, None);
        rows.change(1, || "a".into()).push('b');
        rows.change(1, String::new).push('c');
        let mut seen = Vec::new();
        rows.take_changes(|k, r| seen.push((*k, r.clone())));
        rows.take_changes(|k, r| seen.push((*k, r.clone())));
        assert_eq!(seen, [(1, "abc".to_owned())]);
        for key in 2..=GENERATION_ROWS as u32 + 1 {
            rows.load(key, None);
        }
        rows.age();
        assert!(rows.knows(&1) && rows.get(&1).is_some());
        rows.load(0, None);
        assert_eq!(rows.old.len(), GENERATION_ROWS);
    }
}
