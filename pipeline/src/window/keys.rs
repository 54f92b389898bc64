//! Group keys of fixed width, which nearly all windows have: each row's key is packed into a few
//! words, its words are numbered by a [`Dictionary`], and the number leads to the row's group in its
//! pane through an array.
//!
//! ```text
//! row ──pack──► key ──dictionary──► id ──the pane's array──► group
//! ```
//!
//! DataFusion's own table takes such keys through its row format where one of them is a
//! `FixedSizeBinary`, as ids are; packed words are compared and hashed several times as fast. And keys
//! come again, batch after batch and window after window: a plan keeps its dictionaries between runs
//! ([`Dictionaries`]), so that a known key is found by a search that hits, and its place in the order
//! of keys is known as well. Groups are numbered in the order of their first rows, as in DataFusion's.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::{Result, exec_datafusion_err};
use hashbrown::HashMap;

mod dictionary;
mod packing;

use dictionary::Dictionary;
pub use packing::KeyLayout;
use packing::{Key, WORDS};

/// Rows packed at once: 24 KiB, half of the first-level cache.
const CHUNK: usize = 1024;
/// Panes whose groups are found by an array; those of further ones share a hash table. A batch has
/// rows of one or two panes, and of a few more where bets are late.
const DENSE_PANES: usize = 16;
/// A pane has no group of this key yet.
const NONE: u32 = u32::MAX;

/// Dictionaries between runs: as many as ran at once.
#[derive(Debug, Default)]
pub struct Dictionaries(Mutex<Vec<Dictionary>>);

impl Dictionaries {
    /// Keys kept: 131,072 are 44 bytes each, so 6 MiB; a larger dictionary is dropped, and what has not
    /// been seen for long goes with it.
    const MAX_KEYS: usize = 1 << 17;
    /// Dictionaries kept: as many as there are threads that fold and merge.
    const MAX: usize = 4;

    /// A dictionary for so many rows. A run that is small beside what is known begins anew: arrays as
    /// long as the dictionary would cost it more than they save.
    fn take(&self, rows: usize) -> Dictionary {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fit = kept.iter().enumerate().filter(|(_, dictionary)| dictionary.len() <= rows.saturating_mul(8));
        let largest = fit.max_by_key(|(_, dictionary)| dictionary.len()).map(|(at, _)| at);
        largest.map(|at| kept.swap_remove(at)).unwrap_or_default()
    }

    fn give_back(&self, dictionary: Dictionary) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if dictionary.len() > Self::MAX_KEYS {
            return;
        }
        if kept.len() < Self::MAX {
            kept.push(dictionary);
        } else if let Some(least) = kept.iter_mut().min_by_key(|kept| kept.len())
            && least.len() < dictionary.len()
        {
            *least = dictionary;
        }
    }
}

/// Groups by a start and a key of fixed width.
pub struct FixedGroups<'plan> {
    layout: &'plan KeyLayout,
    home: &'plan Dictionaries,
    dictionary: Dictionary,
    panes: Vec<Pane>,
    /// Number of each pane by its start.
    starts: HashMap<i64, u32>,
    /// The group of each pane and key, beyond the first panes.
    sparse: HashMap<(u32, u32), u32>,
    groups: Vec<Group>,
}

struct Pane {
    start: i64,
    /// The group of each key.
    groups: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Group {
    pane: u32,
    key: u32,
}

impl<'plan> FixedGroups<'plan> {
    /// No groups yet; `rows` is about how many will be fed.
    pub fn new(layout: &'plan KeyLayout, home: &'plan Dictionaries, rows: usize) -> Self {
        let (panes, starts, sparse, groups) = (Vec::new(), HashMap::new(), HashMap::new(), Vec::new());
        FixedGroups { layout, home, dictionary: home.take(rows), panes, starts, sparse, groups }
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Finds the group of each row, and makes those that are new. The first column holds the starts.
    pub fn intern(&mut self, columns: &[ArrayRef], groups: &mut Vec<usize>) -> Result<()> {
        let Some((starts, columns)) = columns.split_first() else {
            return Err(exec_datafusion_err!("a window's keys lack its start"));
        };
        let starts = starts.as_primitive_opt::<Int64Type>().filter(|starts| starts.null_count() == 0);
        let starts = starts.ok_or_else(|| exec_datafusion_err!("a window's start is no integer"))?;
        groups.clear();
        groups.reserve(starts.len());
        let (mut keys, mut ids) = ([[0; WORDS]; CHUNK], [0; CHUNK]);
        for (number, mut starts) in starts.values().chunks(CHUNK).enumerate() {
            let (keys, ids) = (&mut keys[..starts.len()], &mut ids[..starts.len()]);
            self.layout.pack(columns, number * CHUNK, keys)?;
            self.dictionary.ids(keys, ids)?;
            let mut ids = &*ids;
            while let [start, ..] = starts {
                let run = starts.iter().take_while(|other| *other == start).count();
                let pane = self.pane(*start)?;
                self.place(pane, &ids[..run], groups)?;
                (starts, ids) = (&starts[run..], &ids[run..]);
            }
        }
        Ok(())
    }

    /// The number of the pane that starts there.
    fn pane(&mut self, start: i64) -> Result<u32> {
        if let Some(pane) = self.starts.get(&start) {
            return Ok(*pane);
        }
        let pane = number(self.panes.len())?;
        self.panes.push(Pane { start, groups: Vec::new() });
        self.starts.insert(start, pane);
        Ok(pane)
    }

    /// Adds the groups of keys in a pane to `out`, and makes those that are new.
    fn place(&mut self, pane: u32, ids: &[u32], out: &mut Vec<usize>) -> Result<()> {
        let first = self.groups.len();
        number(first + ids.len())?;
        if pane as usize >= DENSE_PANES {
            for key in ids {
                let next = self.groups.len() as u32;
                let group = *self.sparse.entry((pane, *key)).or_insert(next);
                if group == next {
                    self.groups.push(Group { pane, key: *key });
                }
                out.push(group as usize);
            }
            return Ok(());
        }
        let of_keys = &mut self.panes[pane as usize].groups;
        if of_keys.len() < self.dictionary.len() {
            of_keys.resize(self.dictionary.len(), NONE);
        }
        // Whether a group is new cannot be predicted, so nothing branches on it.
        self.groups.resize(first + ids.len(), Group { pane, key: 0 });
        let mut next = first;
        for key in ids {
            let group = &mut of_keys[*key as usize];
            let is_new = *group == NONE;
            *group = if is_new { next as u32 } else { *group };
            self.groups[next].key = *key;
            next += usize::from(is_new);
            out.push(*group as usize);
        }
        self.groups.truncate(next);
        Ok(())
    }

    /// The groups of each pane, panes ascending.
    pub fn by_pane(&self) -> Vec<(i64, Vec<u32>)> {
        let mut panes: Vec<(i64, Vec<u32>)> = self.panes.iter().map(|pane| (pane.start, Vec::new())).collect();
        if let [(_, only)] = &mut panes[..] {
            only.extend((0_u32..).take(self.groups.len()));
        } else {
            for (number, group) in (0_u32..).zip(&self.groups) {
                panes[group.pane as usize].1.push(number);
            }
        }
        panes.sort_unstable_by_key(|(start, _)| *start);
        panes
    }

    /// The groups in the order of their starts and keys: numbers by value, bytes by their bytes.
    pub fn order(&mut self) -> Vec<u32> {
        let (panes, groups) = (&self.panes, &self.groups);
        // Many keys of the dictionary have a group in each pane: their order is known.
        if panes.len() <= DENSE_PANES && panes.len() * self.dictionary.len() <= groups.len() * 8 {
            let mut order = vec![NONE; groups.len() + 1];
            let mut next = 0;
            let mut panes: Vec<&Pane> = panes.iter().collect();
            panes.sort_unstable_by_key(|pane| pane.start);
            let keys = self.dictionary.sorted();
            for pane in panes {
                for key in keys {
                    let group = pane.groups.get(*key as usize).copied().unwrap_or(NONE);
                    order[next] = group;
                    next += usize::from(group != NONE);
                }
            }
            order.truncate(next);
            return order;
        }
        let mut order: Vec<u32> = (0_u32..).take(groups.len()).collect();
        let key = |group: &u32| {
            let Group { pane, key } = groups[*group as usize];
            (panes[pane as usize].start, self.dictionary.key(key))
        };
        order.sort_unstable_by(|a, b| key(a).cmp(&key(b)));
        order
    }

    /// The starts and keys of groups, as columns.
    pub fn columns(&self, order: &[u32]) -> Result<Vec<ArrayRef>> {
        let groups = || order.iter().map(|group| self.groups[*group as usize]);
        let starts: Vec<i64> = groups().map(|group| self.panes[group.pane as usize].start).collect();
        let keys: Vec<Key> = groups().map(|group| *self.dictionary.key(group.key)).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(starts))];
        columns.extend(self.layout.unpack(&keys)?);
        Ok(columns)
    }
}

impl Drop for FixedGroups<'_> {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.dictionary));
    }
}

fn number(count: usize) -> Result<u32> {
    u32::try_from(count).ok().filter(|number| *number != NONE).ok_or_else(|| exec_datafusion_err!("over 2^32 groups"))
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{FixedSizeBinaryArray, UInt16Array, UInt32Array};
    use datafusion::arrow::compute::take_arrays;
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use datafusion::logical_expr::EmitTo;
    use datafusion::physical_plan::aggregates::group_values::new_group_values;
    use datafusion::physical_plan::aggregates::order::GroupOrdering;

    use super::*;

    fn schema(width: i32) -> Arc<Schema> {
        Arc::new(Schema::new(vec![
            Field::new("window_start", DataType::Int64, false),
            Field::new("id", DataType::FixedSizeBinary(width), false),
            Field::new("n", DataType::UInt16, false),
        ]))
    }

    /// 200 rows of 50 numbers: as many starts as asked for, and an id and a number from them.
    fn rows(width: i32, batch: u64, starts: u64) -> Vec<ArrayRef> {
        let number = |row: u64| (row * 7 + batch) % 50;
        let ids: Vec<Vec<u8>> = (0..200).map(|row| vec![number(row) as u8; width as usize]).collect();
        let start = |row: u64| (20 - (number(row) % starts) as i64) * 300_000;
        vec![
            Arc::new(Int64Array::from_iter_values((0..200).map(start))),
            Arc::new(FixedSizeBinaryArray::try_from_iter(ids.into_iter()).unwrap()),
            Arc::new(UInt16Array::from_iter_values((0..200).map(|row| (row % 3) as u16))),
        ]
    }

    #[test]
    fn groups_are_those_of_datafusion() {
        let home = Dictionaries::default();
        // More starts than panes that have an array, and keys known from the widths' earlier rounds.
        for (width, starts) in [(1, 1), (7, 50), (8, 3), (9, 50), (16, 50), (16, 2), (16, 1)] {
            let schema = schema(width);
            let layout = KeyLayout::new(&schema).unwrap();
            let home = if width == 16 { &home } else { &Dictionaries::default() };
            let mut ours = FixedGroups::new(&layout, home, 400);
            let mut theirs = new_group_values(schema.clone(), &GroupOrdering::None).unwrap();
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            for batch in 0..3 {
                let columns = rows(width, batch, starts);
                // A slice, whose values do not start where the buffer does.
                for columns in [columns.clone(), columns.iter().map(|column| column.slice(17, 90)).collect()] {
                    ours.intern(&columns, &mut found).unwrap();
                    theirs.intern(&columns, &mut expected).unwrap();
                    assert_eq!(found, expected, "{width} bytes, {starts} starts");
                }
            }
            assert_eq!(ours.len(), theirs.len());
            let all: Vec<u32> = (0..ours.len() as u32).collect();
            let columns = ours.columns(&all).unwrap();
            assert_eq!(columns, theirs.emit(EmitTo::All).unwrap());
            let order = ours.order();
            assert_eq!(ours.columns(&order).unwrap(), super::super::columns::sorted(columns.clone(), 3).unwrap().0);
            let panes = ours.by_pane();
            assert!(panes.is_sorted_by_key(|(start, _)| *start));
            for (start, groups) in panes {
                let taken = take_arrays(&columns, &UInt32Array::from(groups), None).unwrap();
                assert!(taken[0].as_primitive::<Int64Type>().values().iter().all(|of| *of == start));
            }
        }
    }

    #[test]
    fn dictionaries_are_kept_within_bounds() {
        let home = Dictionaries::default();
        let layout = KeyLayout::new(&schema(16)).unwrap();
        let kept = || home.0.lock().unwrap().iter().map(Dictionary::len).collect::<Vec<_>>();
        let fold = |rows: &[ArrayRef]| {
            let mut groups = FixedGroups::new(&layout, &home, rows[0].len());
            groups.intern(rows, &mut Vec::new()).unwrap();
        };
        fold(&rows(16, 0, 1));
        assert_eq!(kept(), [150]);
        fold(&rows(16, 1, 1));
        assert_eq!(kept(), [150], "known keys are found again");
        let few: Vec<ArrayRef> = rows(16, 0, 1).iter().map(|column| column.slice(0, 3)).collect();
        for _ in 0..9 {
            fold(&few);
        }
        assert_eq!(kept(), [150, 3], "a small run begins anew");
        assert!(kept().len() <= Dictionaries::MAX);
    }

    #[test]
    fn other_keys_are_left_to_datafusion() {
        for (data_type, nullable) in
            [(DataType::Utf8, false), (DataType::Int64, true), (DataType::FixedSizeBinary(40), false)]
        {
            let fields =
                vec![Field::new("window_start", DataType::Int64, false), Field::new("key", data_type, nullable)];
            assert!(KeyLayout::new(&Schema::new(fields)).is_none());
        }
    }
}
