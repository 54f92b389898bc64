//! Keys by number: a hash table that is only ever added to.

use std::hash::BuildHasher;

use datafusion::common::{Result, exec_datafusion_err};
use hashbrown::DefaultHashBuilder;

use super::packing::{Key, WORDS};

/// The number of no key.
const UNKNOWN: u32 = u32::MAX;

/// One word for each word of a key, and one between them.
type Seed = [u64; WORDS + 1];

/// Keys, numbered in the order in which they were first seen.
#[derive(Debug)]
pub struct Dictionary {
    /// A key's number plus one below, half of its hash above; zero where there is none. A power of
    /// two, half of them in use at most; the next one is tried where one is taken.
    slots: Vec<u64>,
    keys: Vec<Key>,
    /// Numbers of the keys, of as many as were sorted, by key.
    sorted: Vec<u32>,
    /// Drawn anew for each dictionary: producers choose ids, and must not choose their hashes. No byte
    /// of a result depends on it, since keys are put in order by themselves.
    seed: Seed,
}

impl Default for Dictionary {
    fn default() -> Self {
        let random = DefaultHashBuilder::default();
        let seed = std::array::from_fn(|word| random.hash_one(word));
        Dictionary { slots: Vec::new(), keys: Vec::new(), sorted: Vec::new(), seed }
    }
}

impl Dictionary {
    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key of a number that was given.
    pub fn key(&self, id: u32) -> &Key {
        &self.keys[id as usize]
    }

    /// The numbers of keys, which those get that have none. Both slices are as long.
    ///
    /// Nearly all keys are known, most in their own slot: those are looked up without a branch, first
    /// all slots and then all keys behind them, so that the loads wait for memory together.
    pub fn ids(&mut self, keys: &[Key], ids: &mut [u32]) -> Result<()> {
        if let Some(mask) = self.slots.len().checked_sub(1) {
            for (id, key) in ids.iter_mut().zip(keys) {
                *id = (self.slots[hash(key, &self.seed) as usize & mask] as u32).wrapping_sub(1);
            }
            for (id, key) in ids.iter_mut().zip(keys) {
                let known = self.keys.get(*id as usize).unwrap_or(&[u64::MAX; WORDS]);
                let differs = known.iter().zip(key).fold(0, |differs, (a, b)| differs | (a ^ b));
                *id = if differs == 0 { *id } else { UNKNOWN };
            }
        } else {
            ids.fill(UNKNOWN);
        }
        for (id, key) in ids.iter_mut().zip(keys) {
            // A key of all ones may have been taken for one that is empty.
            if *id >= self.keys.len() as u32 {
                *id = self.id(key)?;
            }
        }
        Ok(())
    }

    fn id(&mut self, key: &Key) -> Result<u32> {
        let hash = hash(key, &self.seed);
        let mut at = hash as usize;
        let Some(mask) = self.slots.len().checked_sub(1) else { return self.insert(key, hash) };
        loop {
            let slot = self.slots[at & mask];
            if slot == 0 {
                return self.insert(key, hash);
            }
            if slot >> 32 == hash >> 32 {
                let id = (slot as u32).wrapping_sub(1);
                if self.keys[id as usize] == *key {
                    return Ok(id);
                }
            }
            at = at.wrapping_add(1);
        }
    }

    #[cold]
    fn insert(&mut self, key: &Key, hash: u64) -> Result<u32> {
        if self.keys.len() * 2 >= self.slots.len() {
            self.slots = vec![0; (self.slots.len() * 2).max(64)];
            for (id, key) in self.keys.iter().enumerate() {
                place(&mut self.slots, self::hash(key, &self.seed), id as u32);
            }
        }
        let id = u32::try_from(self.keys.len()).ok().filter(|id| *id < UNKNOWN - 1);
        let id = id.ok_or_else(|| exec_datafusion_err!("over 2^32 keys"))?;
        place(&mut self.slots, hash, id);
        self.keys.push(*key);
        Ok(id)
    }

    /// The numbers of all keys, in the order of the keys.
    pub fn sorted(&mut self) -> &[u32] {
        if self.sorted.len() < self.keys.len() {
            self.sorted.extend(self.sorted.len() as u32..self.keys.len() as u32);
            // What was sorted before is one run, which this sort finds.
            self.sorted.sort_by(|a, b| self.keys[*a as usize].cmp(&self.keys[*b as usize]));
        }
        &self.sorted
    }
}

fn place(slots: &mut [u64], hash: u64, id: u32) {
    let mask = slots.len() - 1;
    let mut at = hash as usize;
    while slots[at & mask] != 0 {
        at = at.wrapping_add(1);
    }
    slots[at & mask] = hash >> 32 << 32 | u64::from(id + 1);
}

/// Folded multiplication, as foldhash and wyhash have it: every bit of the key reaches every bit of
/// the hash.
#[inline]
fn hash(key: &Key, seed: &Seed) -> u64 {
    fn fold(a: u64, b: u64) -> u64 {
        let product = u128::from(a) * u128::from(b);
        (product as u64) ^ ((product >> 64) as u64)
    }
    fold(fold(key[0] ^ seed[0], key[1] ^ seed[1]) ^ seed[2], key[2] ^ seed[3])
}
