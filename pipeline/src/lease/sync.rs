//! Which leases there should be, given the shards and the leases there are.
//!
//! A shard is read once all of its ancestors are, and whoever finishes a shard makes the leases of
//! its children. What follows is for the rest: an empty table, a worker that died between the two,
//! rows that were lost. So the rule needs no history: a shard without a lease wants one if none of its
//! descendants has one (then it is done and forgotten) and no parent is still to be read.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lease, LeaseKey, Reached};
use crate::shard::{Shard, ShardId};

/// Where reading starts in a stream that was never read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// With the oldest record.
    TrimHorizon,
    /// With what comes.
    Latest,
    /// With what arrived from a moment on, which the reader is told.
    AtTimestamp,
}

/// A stream as the lease table names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamKey {
    /// Its name.
    pub name: String,
    /// `ACCOUNT:STREAM:CREATION_EPOCH`, where one table serves several streams.
    pub prefix: Option<String>,
}

impl StreamKey {
    /// The key of a shard's lease.
    pub fn lease_key(&self, shard: ShardId) -> LeaseKey {
        match &self.prefix {
            Some(prefix) => LeaseKey(format!("{prefix}:{shard}")),
            None => LeaseKey(shard.to_string()),
        }
    }

    /// Whether a lease is of this stream.
    pub fn has(&self, lease: &Lease) -> bool {
        match &self.prefix {
            Some(prefix) => lease.key.0.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with(':')),
            None => lease.stream.is_none(),
        }
    }

    /// A new lease of a shard.
    pub fn lease(&self, shard: &Shard, from: Reached) -> Lease {
        let stream = self.prefix.is_some().then(|| self.name.clone());
        let mut lease = Lease::new(self.lease_key(shard.id), stream, shard.id, from);
        lease.range = Some(shard.range);
        lease.parents.clone_from(&shard.parents);
        lease
    }
}

/// The leases to create. `shards` are all that the log lists, `leases` all of the stream's.
pub fn missing(stream: &StreamKey, shards: &[Shard], leases: &[Lease], initial: Initial) -> Vec<Lease> {
    if leases.is_empty() {
        return first(stream, shards, initial);
    }
    let history = History::of(shards, leases);
    let wanted = shards.iter().filter(|shard| history.wants_lease(shard));
    wanted.map(|shard| stream.lease(shard, Reached::TrimHorizon)).collect()
}

/// Of a stream that was never read.
fn first(stream: &StreamKey, shards: &[Shard], initial: Initial) -> Vec<Lease> {
    let listed: BTreeSet<ShardId> = shards.iter().map(|shard| shard.id).collect();
    let is_root = |shard: &Shard| !shard.parents.iter().any(|parent| listed.contains(parent));
    let (from, chosen): (_, Vec<&Shard>) = match initial {
        Initial::TrimHorizon => (Reached::TrimHorizon, shards.iter().filter(|shard| is_root(shard)).collect()),
        // A closed shard may hold what arrived since then.
        Initial::AtTimestamp => (Reached::AtTimestamp, shards.iter().filter(|shard| is_root(shard)).collect()),
        Initial::Latest => (Reached::Latest, shards.iter().filter(|shard| !shard.closed).collect()),
    };
    chosen.into_iter().map(|shard| stream.lease(shard, from)).collect()
}

/// The leases that can go: finished ones whose children have all moved on, and finished ones whose
/// shard the log has forgotten.
pub fn finished<'a>(shards: &[Shard], leases: &'a [Lease]) -> Vec<&'a Lease> {
    let history = History::of(shards, leases);
    let mut children = BTreeMap::<ShardId, BTreeSet<ShardId>>::new();
    for (shard, parents) in shards.iter().map(|shard| (shard.id, &shard.parents)) {
        parents.iter().for_each(|parent| _ = children.entry(*parent).or_default().insert(shard));
    }
    let moved_on = |lease: &Lease| {
        let known = children.get(&lease.shard).into_iter().flatten().chain(&lease.children);
        let mut known = known.peekable();
        // Without children there is nobody yet to go on from it.
        known.peek().is_some() && known.all(|child| history.has_begun(*child))
    };
    leases
        .iter()
        .filter(|lease| lease.is_finished() && (moved_on(lease) || !history.shards.contains_key(&lease.shard)))
        .collect()
}

/// Shards, leases, and who descends from whom.
struct History<'a> {
    shards: BTreeMap<ShardId, &'a Shard>,
    leases: BTreeMap<ShardId, &'a Lease>,
    /// Shards of which some descendant has a lease.
    passed: BTreeSet<ShardId>,
}

impl<'a> History<'a> {
    fn of(shards: &'a [Shard], leases: &'a [Lease]) -> History<'a> {
        let shards: BTreeMap<ShardId, &Shard> = shards.iter().map(|shard| (shard.id, shard)).collect();
        let leases: BTreeMap<ShardId, &Lease> = leases.iter().map(|lease| (lease.shard, lease)).collect();
        let mut passed = BTreeSet::new();
        let mut open: Vec<ShardId> = leases.keys().copied().collect();
        while let Some(shard) = open.pop() {
            let listed = shards.get(&shard).map(|shard| &shard.parents);
            let noted = leases.get(&shard).map(|lease| &lease.parents);
            for parent in listed.into_iter().chain(noted).flatten() {
                if passed.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        History { shards, leases, passed }
    }

    fn wants_lease(&self, shard: &Shard) -> bool {
        !self.leases.contains_key(&shard.id)
            && !self.passed.contains(&shard.id)
            && shard.parents.iter().all(|parent| self.is_done(*parent))
    }

    /// Whether somebody has gone on with a shard.
    fn has_begun(&self, shard: ShardId) -> bool {
        self.passed.contains(&shard) || self.leases.get(&shard).is_some_and(|lease| lease.reached.has_begun())
    }

    /// Whether nothing of a parent is left to read: it is finished, or was finished and forgotten, or
    /// its records are gone.
    fn is_done(&self, parent: ShardId) -> bool {
        match self.leases.get(&parent) {
            Some(lease) => lease.is_finished(),
            None => self.passed.contains(&parent) || !self.shards.contains_key(&parent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Arrival;
    use crate::record::Position;
    use crate::shard::HashRange;

    fn shard(id: u32, parents: &[u32], closed: bool) -> Shard {
        let parents = parents.iter().copied().map(ShardId).collect();
        let last = Position::START;
        Shard { id: ShardId(id), range: HashRange::FULL, parents, closed, last, last_arrival: Arrival::MIN }
    }

    fn stream() -> StreamKey {
        StreamKey { name: "s".into(), prefix: None }
    }

    fn lease(id: u32, reached: &str) -> Lease {
        Lease::new(stream().lease_key(ShardId(id)), None, ShardId(id), reached.parse().unwrap())
    }

    /// 0 was split into 1 and 2; 2 and 3 were merged into 4; 4 was split into 5 and 6.
    fn history() -> Vec<Shard> {
        vec![
            shard(0, &[], true),
            shard(1, &[0], false),
            shard(2, &[0], true),
            shard(3, &[], true),
            shard(4, &[2, 3], true),
            shard(5, &[4], false),
            shard(6, &[4], false),
        ]
    }

    fn ids(leases: &[Lease]) -> Vec<u32> {
        leases.iter().map(|lease| lease.shard.0).collect()
    }

    #[test]
    fn a_stream_is_first_read_from_its_roots_or_its_ends() {
        for (initial, expected) in
            [(Initial::TrimHorizon, vec![0, 3]), (Initial::AtTimestamp, vec![0, 3]), (Initial::Latest, vec![1, 5, 6])]
        {
            assert_eq!(ids(&missing(&stream(), &history(), &[], initial)), expected, "{initial:?}");
        }
        // What has expired is no root.
        assert_eq!(ids(&missing(&stream(), &history()[2..], &[], Initial::TrimHorizon)), [2, 3]);
    }

    #[test]
    fn a_hole_is_filled_once_its_parents_are_read() {
        for (leases, expected) in [
            // Nothing is missing while parents are read.
            (vec![lease(0, "7"), lease(3, "9")], vec![]),
            // A worker died between the end of a shard and its children.
            (vec![lease(0, "SHARD_END"), lease(3, "9")], vec![1, 2]),
            (vec![lease(0, "SHARD_END"), lease(1, "5"), lease(3, "9")], vec![2]),
            // A merged shard waits for both.
            (vec![lease(1, "5"), lease(2, "SHARD_END"), lease(3, "9")], vec![]),
            (vec![lease(1, "5"), lease(2, "SHARD_END"), lease(3, "SHARD_END")], vec![4]),
            // What is done and forgotten stays so.
            (vec![lease(1, "5"), lease(5, "5"), lease(6, "5")], vec![]),
            (vec![lease(1, "5"), lease(4, "SHARD_END")], vec![5, 6]),
            (vec![lease(1, "5"), lease(5, "5")], vec![6]),
            // A root was lost.
            (vec![lease(0, "7")], vec![3]),
        ] {
            assert_eq!(ids(&missing(&stream(), &history(), &leases, Initial::Latest)), expected, "{leases:#?}");
        }
    }

    #[test]
    fn a_lease_goes_when_its_children_have_moved_on() {
        let gone = |leases: &[Lease], shards: &[Shard]| -> Vec<u32> {
            finished(shards, leases).iter().map(|lease| lease.shard.0).collect()
        };
        let all = history();
        assert_eq!(gone(&[lease(0, "SHARD_END"), lease(1, "TRIM_HORIZON"), lease(2, "8")], &all), Vec::<u32>::new());
        assert_eq!(gone(&[lease(0, "SHARD_END"), lease(1, "4"), lease(2, "8")], &all), [0]);
        assert_eq!(gone(&[lease(0, "7"), lease(3, "SHARD_END")], &all[..1]), [3]);
        // Nobody has made its children's leases yet, and the log does not list them.
        assert_eq!(gone(&[lease(0, "SHARD_END")], &all[..1]), Vec::<u32>::new());
        // One child's lease was never made; one's is gone itself, since its own child has moved on.
        assert_eq!(gone(&[lease(0, "SHARD_END"), lease(1, "4")], &all), Vec::<u32>::new());
        assert_eq!(gone(&[lease(0, "SHARD_END"), lease(1, "4"), lease(5, "4")], &all), [0]);
    }

    /// Random histories read to the end by workers that forget to make leases now and then: every
    /// shard is read once, after its parents.
    #[test]
    fn every_shard_is_read_once_and_after_its_parents() {
        for seed in 0..200u64 {
            let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut next = |n: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % n
            };
            let mut shards: Vec<Shard> = (0..=next(3) as u32).map(|id| shard(id, &[], false)).collect();
            let mut leases: Vec<Lease> = Vec::new();
            let mut read = Vec::new();
            for step in 0..400 {
                let open: Vec<usize> = (0..shards.len()).filter(|at| !shards[*at].closed).collect();
                let count = shards.len() as u32;
                if step < 200 && next(4) == 0 {
                    let at = open[next(open.len() as u64) as usize];
                    let other = open[next(open.len() as u64) as usize];
                    shards[at].closed = true;
                    if next(2) == 0 || at == other {
                        let id = shards[at].id.0;
                        shards.extend([shard(count, &[id], false), shard(count + 1, &[id], false)]);
                    } else {
                        shards[other].closed = true;
                        shards.push(shard(count, &[shards[at].id.0, shards[other].id.0], false));
                    }
                }
                leases.extend(missing(&stream(), &shards, &leases, Initial::TrimHorizon));
                if !leases.is_empty() {
                    let at = next(leases.len() as u64) as usize;
                    let shard = shards.iter().find(|shard| shard.id == leases[at].shard).unwrap();
                    if !leases[at].is_finished() {
                        leases[at].reached = if shard.closed { Reached::ShardEnd } else { "1".parse().unwrap() };
                        if shard.closed {
                            assert!(!read.contains(&shard.id.0), "seed {seed}: read twice");
                            assert!(shard.parents.iter().all(|parent| read.contains(&parent.0)), "seed {seed}: early");
                            read.push(shard.id.0);
                        }
                    }
                }
                let gone: Vec<LeaseKey> = finished(&shards, &leases).iter().map(|lease| lease.key.clone()).collect();
                leases.retain(|lease| !gone.contains(&lease.key));
            }
            leases.extend(missing(&stream(), &shards, &leases, Initial::TrimHorizon));
            let open = shards.iter().filter(|shard| !shard.closed);
            let lost: Vec<_> = open.filter(|shard| !leases.iter().any(|lease| lease.shard == shard.id)).collect();
            let waiting = shards.iter().filter(|shard| shard.closed && !read.contains(&shard.id.0)).count();
            assert!(lost.is_empty() || waiting > 0, "seed {seed}: {lost:?} have no lease");
        }
    }
}
