//! Who reads which topic by email: the subscriptions as SNS lists them.
//!
//! A person's notices go to the topic where their email subscription is, and to their home topic where
//! they have none. Home is a hash of their id over the topics, so that topics fill evenly; a subscription
//! goes to the first topic from home on that has room. Topics can be added at any time: who is subscribed
//! stays where they are.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

/// Where a person's email subscription stands. SNS asks the address for a confirmation; the link that it
/// sends is good for two days, and what is not confirmed by then is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    None,
    /// SNS has asked; nothing is sent there before the owner confirms.
    Pending,
    /// The owner confirmed, which proves the address.
    Confirmed,
}

/// A subscription of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    /// The topic's number.
    pub topic: usize,
    /// Its name in AWS; none while it is pending.
    pub arn: Option<String>,
}

/// All email subscriptions of the topics.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    of: HashMap<String, Vec<Subscription>>,
    /// Filter policies by topic. A topic that SNS calls full counts as holding the most.
    used: Vec<u32>,
}

impl Directory {
    /// So many topics without subscriptions.
    pub(super) fn new(topics: usize) -> Directory {
        Directory { of: HashMap::new(), used: vec![0; topics] }
    }

    /// One more subscription, or a new state of one.
    pub(super) fn add(&mut self, email: &str, subscription: Subscription) {
        let of = self.of.entry(email.to_owned()).or_default();
        match of.iter_mut().find(|known| known.topic == subscription.topic) {
            Some(known) => *known = subscription,
            None => {
                if let Some(used) = self.used.get_mut(subscription.topic) {
                    *used = used.saturating_add(1);
                }
                of.push(subscription);
            }
        }
    }

    /// No address is subscribed there any more.
    pub(super) fn remove(&mut self, email: &str) {
        for Subscription { topic, .. } in self.of.remove(email).unwrap_or_default() {
            if let Some(used) = self.used.get_mut(topic) {
                *used = used.saturating_sub(1);
            }
        }
    }

    /// SNS took no more filter policies for this topic.
    pub(super) fn is_full(&mut self, topic: usize) {
        if let Some(used) = self.used.get_mut(topic) {
            *used = u32::MAX;
        }
    }

    /// An address' subscriptions.
    pub(super) fn of(&self, email: &str) -> &[Subscription] {
        self.of.get(email).map_or(&[], Vec::as_slice)
    }

    /// A person's subscription: the one in their home topic, or else any; two accounts may share an address.
    pub(super) fn subscription(&self, person: &str, email: &str) -> Option<&Subscription> {
        let (of, home) = (self.of(email), self.home(person));
        of.iter().find(|subscription| subscription.topic == home).or(of.first())
    }

    /// Where the subscription of a person stands.
    pub(super) fn standing(&self, person: &str, email: &str) -> Standing {
        match self.subscription(person, email) {
            None => Standing::None,
            Some(Subscription { arn: None, .. }) => Standing::Pending,
            Some(Subscription { arn: Some(_), .. }) => Standing::Confirmed,
        }
    }

    /// The topic that a person's notices go to.
    pub(super) fn topic(&self, person: &str, email: &str) -> usize {
        self.subscription(person, email).map_or_else(|| self.home(person), |subscription| subscription.topic)
    }

    /// The topics that have room for one more filter policy, the person's home first.
    pub(super) fn room(&self, person: &str, most: u32) -> Vec<usize> {
        let (home, topics) = (self.home(person), self.used.len());
        let all = (0..topics).map(|step| (home + step) % topics);
        all.filter(|topic| self.used[*topic] < most).collect()
    }

    /// Subscriptions that are confirmed, and those that are pending.
    pub(super) fn counts(&self) -> (usize, usize) {
        let all = self.of.values().flatten();
        let (confirmed, pending): (Vec<_>, Vec<_>) = all.partition(|subscription| subscription.arn.is_some());
        (confirmed.len(), pending.len())
    }

    fn home(&self, person: &str) -> usize {
        // The remainder is below the number of topics, so it fits.
        let topics = self.used.len().max(1) as u64;
        (xxh3_64(person.as_bytes()) % topics) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(topic: usize) -> Subscription {
        Subscription { topic, arn: None }
    }

    #[test]
    fn people_spread_over_topics_and_overflow_to_the_next() {
        let mut directory = Directory::new(4);
        let people: Vec<String> = (0..40).map(|number| format!("person {number}")).collect();
        for person in &people {
            let room = directory.room(person, 10);
            assert!(!room.is_empty(), "{person}");
            let home = directory.topic(person, "");
            assert_eq!(room[0] == home, directory.used[home] < 10);
            directory.add(person, pending(room[0]));
        }
        assert_eq!(directory.used, [10; 4]);
        assert_eq!(directory.room("one more", 10), Vec::<usize>::new());
        assert_eq!(directory.room("one more", 11).len(), 4);
        directory.is_full(2);
        assert_eq!(directory.room("one more", 11).len(), 3);
        // Whoever moved on is found there; the others at home.
        for person in &people {
            assert_eq!(directory.topic(person, person), directory.of(person)[0].topic);
        }
        assert!(people.iter().any(|person| directory.topic(person, person) != directory.topic(person, "")));
    }

    #[test]
    fn a_new_topic_moves_nobody_who_is_subscribed() {
        let mut before = Directory::new(3);
        let mut after = Directory::new(7);
        for number in 0..30 {
            let person = number.to_string();
            let topic = before.room(&person, 200)[0];
            before.add(&person, pending(topic));
            after.add(&person, pending(topic));
        }
        assert!(
            (0..30)
                .all(|n: i32| before.topic(&n.to_string(), &n.to_string())
                    == after.topic(&n.to_string(), &n.to_string()))
        );
    }

    #[test]
    fn a_subscription_stands_as_listed() {
        let mut directory = Directory::new(1);
        assert_eq!(directory.standing("p", "a@b"), Standing::None);
        directory.add("a@b", pending(0));
        assert_eq!(directory.standing("p", "a@b"), Standing::Pending);
        directory.add("a@b", Subscription { topic: 0, arn: Some("arn".into()) });
        assert_eq!((directory.standing("p", "a@b"), directory.counts()), (Standing::Confirmed, (1, 0)));
        assert_eq!(directory.used, [1]);
        directory.remove("a@b");
        assert_eq!(directory.standing("p", "a@b"), Standing::None);
    }
}
