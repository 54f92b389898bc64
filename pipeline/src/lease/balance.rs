//! Which leases a worker should take, from what it sees of all of them.
//!
//! Every worker follows the same rule and none leads: work is measured by the bytes read, a fair share
//! is all work divided by the living workers, and a worker below its share takes what is free, then what
//! others have too much of. Free leases are never left: every worker takes until it has its share, and
//! the shares add up to everything.

use std::collections::BTreeMap;

use super::{Lease, LeaseKey, WorkerId};

/// Leases taken away from others in one round, at most: enough to fill a new worker of a large fleet in
/// a few rounds, few enough to see what others did before the next.
const MAX_STOLEN: usize = 16;

/// What a worker should do next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Leases that nobody has, or whose owner is gone.
    pub take: Vec<LeaseKey>,
    /// Leases to ask others for.
    pub ask: Vec<LeaseKey>,
}

/// A worker's limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Leases it can hold, at most.
    pub max_leases: usize,
}

/// Says what a worker should take. `expired` tells whether a lease's owner is gone; `draw(n)` gives a
/// number below `n` that differs from worker to worker, so that they do not all want the same leases.
pub fn plan(
    me: &WorkerId,
    leases: &[Lease],
    expired: impl Fn(&Lease) -> bool,
    limits: Limits,
    mut draw: impl FnMut(usize) -> usize,
) -> Plan {
    let active: Vec<&Lease> = leases.iter().filter(|lease| !lease.is_finished()).collect();
    let (mut free, mut owned) = (Vec::new(), BTreeMap::<&WorkerId, Vec<&Lease>>::from([(me, Vec::new())]));
    for lease in &active {
        match &lease.owner {
            Some(owner) if !expired(lease) => owned.entry(owner).or_default().push(lease),
            _ => free.push(*lease),
        }
    }
    let load = |leases: &[&Lease]| leases.iter().map(|lease| weight(lease)).sum::<u64>();
    let total: u64 = load(&active);
    let share = total.div_ceil(owned.len() as u64);
    let mine = owned.get(me).map_or(0, Vec::len);
    let mut room = limits.max_leases.saturating_sub(mine);
    let mut have = load(owned.get(me).map_or(&[], Vec::as_slice));
    let mut plan = Plan::default();

    shuffle(&mut free, &mut draw);
    for lease in &free {
        if have >= share || room == 0 {
            break;
        }
        (have, room) = (have + weight(lease), room - 1);
        plan.take.push(lease.key.clone());
    }
    // As long as something is free, nobody has his share yet.
    if !free.is_empty() {
        return plan;
    }
    let mut others: Vec<(u64, Vec<&Lease>)> =
        owned.into_iter().filter(|(owner, _)| *owner != me).map(|(_, leases)| (load(&leases), leases)).collect();
    while plan.ask.len() < MAX_STOLEN && room > 0 {
        let Some((most, leases)) = others.iter_mut().max_by_key(|(load, _)| *load) else { break };
        let gap = most.saturating_sub(have);
        // Only what makes the two more alike, and never what is on its way already.
        let fits = |lease: &&&Lease| lease.handing_over.is_none() && 2 * weight(lease) <= gap;
        let places: Vec<usize> = (0..leases.len()).filter(|at| fits(&&leases[*at])).collect();
        if *most <= share || places.is_empty() {
            break;
        }
        let lease = leases.swap_remove(places[draw(places.len())]);
        let moved = weight(lease);
        (*most, have, room) = (*most - moved, have + moved, room - 1);
        plan.ask.push(lease.key.clone());
    }
    plan
}

/// What a lease weighs: the kilobytes a second that it reads, and as much again as asking for them costs
/// where nothing comes. So small differences between quiet shards move none of them.
fn weight(lease: &Lease) -> u64 {
    const ASKING: u64 = 20;
    lease.throughput + ASKING
}

fn shuffle<T>(items: &mut [T], draw: &mut impl FnMut(usize) -> usize) {
    for at in (1..items.len()).rev() {
        items.swap(at, draw(at + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reached;
    use super::*;
    use crate::shard::ShardId;

    const LIMITS: Limits = Limits { max_leases: usize::MAX };

    /// Leases by owner: `(owner, throughputs)`; the owner `-` is nobody.
    fn fleet(owned: &[(&str, &[u64])]) -> Vec<Lease> {
        let mut leases = Vec::new();
        for (owner, throughputs) in owned {
            for throughput in *throughputs {
                let shard = ShardId(leases.len() as u32);
                let mut lease = Lease::new(LeaseKey(shard.to_string()), None, shard, Reached::TrimHorizon);
                lease.owner = (*owner != "-").then(|| WorkerId((*owner).into()));
                lease.throughput = *throughput;
                leases.push(lease);
            }
        }
        leases
    }

    fn planned(me: &str, leases: &[Lease], limits: Limits) -> (usize, usize) {
        let mut drawn = 7usize;
        let draw = |n| {
            drawn = drawn.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            (drawn >> 16) % n
        };
        let plan =
            plan(&WorkerId(me.into()), leases, |lease| lease.owner == Some(WorkerId("gone".into())), limits, draw);
        (plan.take.len(), plan.ask.len())
    }

    #[test]
    fn a_worker_takes_its_share() {
        for (owned, expected) in [
            (&[("-", &[0u64; 10][..])][..], (10, 0)),
            (&[("-", &[0; 10]), ("b", &[0; 10])], (10, 0)),
            (&[("-", &[0; 10]), ("b", &[])], (10, 0)),
            (&[("-", &[0; 10]), ("b", &[0; 1])], (6, 0)),
            // Nobody is left with nothing, and nobody takes what makes it worse.
            (&[("b", &[0; 10])], (0, 5)),
            (&[("b", &[0; 10]), ("a", &[0; 9])], (0, 0)),
            (&[("b", &[0; 10]), ("a", &[0; 8])], (0, 1)),
            (&[("b", &[0; 100])], (0, MAX_STOLEN)),
            // By bytes, not by number: one hot shard weighs as much as all others.
            (&[("b", &[900, 10, 10, 10]), ("a", &[100])], (0, 3)),
            (&[("b", &[900]), ("a", &[100, 100])], (0, 0)),
            (&[("gone", &[0; 4]), ("b", &[0; 4])], (4, 0)),
        ] {
            assert_eq!(planned("a", &fleet(owned), LIMITS), expected, "{owned:?}");
        }
        let limits = Limits { max_leases: 3 };
        assert_eq!(planned("a", &fleet(&[("-", &[0; 10])]), limits), (3, 0));
        assert_eq!(planned("a", &fleet(&[("b", &[0; 10]), ("a", &[0; 2])]), limits), (0, 1));
    }

    #[test]
    fn what_is_finished_or_on_its_way_is_left_alone() {
        let mut leases = fleet(&[("b", &[0; 4])]);
        leases[0].reached = Reached::ShardEnd;
        for lease in &mut leases[1..] {
            lease.handing_over = Some(WorkerId("c".into()));
        }
        assert_eq!(planned("a", &leases, LIMITS), (0, 0));
    }
}
