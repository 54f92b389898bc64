//! Many changes in one letter: by question, with sums at the end.

use std::collections::HashMap;

use schemas::money::Total;
use schemas::notification::NotificationEvent as Event;

use super::page::{Group, Page, Row, Sum, Tone};
use super::people::{Recipient, Sender};
use super::words::{amount, greeting, pick, question, reason, tone};
use super::{Item, show};

/// The kinds in the order in which people care, with their words.
const KINDS: [(Event, &str, &str); 6] = [
    (Event::BetWon, "Won", "won"),
    (Event::BetPaid, "Paid", "paid"),
    (Event::BetVoid, "Void", "void"),
    (Event::BetLost, "Lost", "lost"),
    (Event::BetRejected, "Not accepted", "not accepted"),
    (Event::BetAccepted, "Accepted", "accepted"),
];

/// The letter about many changes.
pub(super) fn page(items: &[Item<'_>], to: &Recipient, sender: &Sender) -> Page {
    let totals = totals(items, sender);
    let counts: Vec<String> = KINDS
        .iter()
        .map(|(event, _, word)| (items.iter().filter(|item| item.notification.event == *event).count(), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let updates = if items.len() == 1 { "1 update" } else { &format!("{} updates", items.len()) };
    let counts = counts.join(", ");
    let won = items.iter().any(|item| item.notification.event == Event::BetWon);
    Page {
        subject: format!("{updates} on your bets: {counts}"),
        preview: totals.iter().map(|sum| format!("{} {}", sum.label, sum.amount)).collect::<Vec<_>>().join(", "),
        tone: if won { Tone::Good } else { Tone::Calm },
        title: "Your bets",
        greeting: greeting(to),
        lead: format!("There are {updates} on your bets: {counts}.").replace("are 1 update ", "is 1 update "),
        facts: Vec::new(),
        groups: groups(items, to, sender),
        totals,
        note: None,
        link: sender.bets_link().map(|link| ("See all your bets", link)),
        unsubscribe: None,
    }
}

/// The changes by question, in the order in which the questions first come.
fn groups(items: &[Item<'_>], to: &Recipient, sender: &Sender) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places = HashMap::new();
    for item in items {
        let place = *places.entry(item.notification.question_uuid).or_insert_with(|| {
            groups.push(Group { title: question(*item), rows: Vec::new() });
            groups.len() - 1
        });
        groups[place].rows.push(row(*item, to, sender));
    }
    groups
}

fn row(item: Item<'_>, to: &Recipient, sender: &Sender) -> Row {
    let (told, currency) = (item.notification, sender.currency.as_str());
    let status = KINDS.iter().find(|(event, ..)| *event == told.event).map_or("", |(_, label, _)| label);
    let (stake, odds) = (show::money(told.buy_amount, currency), show::odds(told.odds));
    let comes = matches!(told.event, Event::BetWon | Event::BetPaid | Event::BetVoid);
    Row {
        tone: tone(told.event),
        status,
        pick: pick(item),
        detail: format!("{stake} at {odds}, {}", show::moment(told.at, to.zone)),
        // The stake of the others stands in the detail.
        amount: amount(told).filter(|_| comes).map(|amount| show::money(amount, currency)),
        note: (told.event == Event::BetRejected).then(|| reason(told.reason)),
    }
}

/// A line for each kind that there is.
fn totals(items: &[Item<'_>], sender: &Sender) -> Vec<Sum> {
    let sum = |&(event, label, _): &(Event, &'static str, &str)| {
        let of_kind = || items.iter().map(|item| item.notification).filter(|told| told.event == event);
        // 38 digits hold more amounts of 18 than a letter could.
        let total = of_kind().filter_map(amount).try_fold(Total::ZERO, |sum, amount| sum.checked_add(amount.into()));
        let amount = total.map(|total| show::total(total, &sender.currency)).unwrap_or_default();
        Sum { label, bets: of_kind().count(), amount }
    };
    KINDS.iter().map(sum).filter(|sum| sum.bets > 0).collect()
}
