//! What to say of each change of a bet.

use schemas::bet_row::RejectReason;
use schemas::money::Money;
use schemas::notification::{Notification, NotificationEvent as Event};

use super::page::{Page, Tone};
use super::people::{Recipient, Sender};
use super::{Item, show};

/// Characters of an outcome's name in a subject; phones show about forty of the whole.
const SUBJECT_PICK: usize = 48;

/// Characters of a name or question in a letter.
const PICK: usize = 120;
const QUESTION: usize = 400;

/// The letter about one change.
pub(super) fn page(item: Item<'_>, to: &Recipient, sender: &Sender) -> Page {
    let (told, currency) = (item.notification, sender.currency.as_str());
    let (pick, stake) = (pick(item), show::money(told.buy_amount, currency));
    let short = show::line(&pick, SUBJECT_PICK);
    let odds = show::odds(told.odds);
    let due = amount(told).map_or_else(|| stake.clone(), |amount| show::money(amount, currency));
    let bet = format!("Your bet of {stake} on \"{pick}\" at odds of {odds}");
    let (title, subject, lead, note) = match told.event {
        Event::BetAccepted if told.status_version > 1 => (
            "Bet accepted after all",
            format!("Bet accepted after all: {short} at {odds}"),
            format!("{bet} was rejected at first. It has now been accepted."),
            None,
        ),
        Event::BetAccepted => {
            ("Bet accepted", format!("Bet accepted: {short} at {odds}"), format!("{bet} has been accepted."), None)
        }
        Event::BetRejected => (
            "Bet not accepted",
            format!("Bet not accepted: {short} at {odds}"),
            format!("{bet} was not accepted and does not count."),
            Some(reason(told.reason)),
        ),
        Event::BetWon => ("You won", format!("You won {due}: {short}"), format!("{bet} has won. It pays {due}."), None),
        Event::BetLost => ("Bet lost", format!("Bet lost: {short}"), format!("{bet} has lost."), None),
        Event::BetVoid => (
            "Bet void",
            format!("Bet void: {due} goes back to you"),
            format!("{bet} is void: it neither wins nor loses. Your stake of {due} goes back to you."),
            None,
        ),
        Event::BetPaid => {
            ("Paid", format!("Paid: {due}"), format!("{due} has been paid to you for your bet on \"{pick}\"."), None)
        }
    };
    Page {
        subject,
        preview: format!("{}: {stake} at {odds}", question(item)),
        tone: tone(told.event),
        title,
        greeting: greeting(to),
        lead,
        facts: facts(item, pick, to, sender),
        groups: Vec::new(),
        totals: Vec::new(),
        note,
        link: sender.bet_link(told.bet_uuid).map(|link| ("See your bet", link)),
        unsubscribe: None,
    }
}

fn facts(item: Item<'_>, pick: String, to: &Recipient, sender: &Sender) -> Vec<(&'static str, String)> {
    let (told, currency) = (item.notification, sender.currency.as_str());
    let mut facts = vec![
        ("Question", question(item)),
        ("Your pick", pick),
        ("Stake", show::money(told.buy_amount, currency)),
        ("Odds", show::odds(told.odds)),
    ];
    let label = match told.event {
        Event::BetAccepted => Some(("Pays if it wins", told.odds.payout(told.buy_amount))),
        Event::BetWon => Some(("Payout", told.payout)),
        Event::BetVoid => Some(("Goes back", amount(told))),
        Event::BetPaid => Some(("Paid", told.payout)),
        Event::BetRejected | Event::BetLost => None,
    };
    if let Some((label, Some(value))) = label {
        facts.push((label, show::money(value, currency)));
    }
    if let (Event::BetWon, Some(profit)) = (told.event, told.payout.and_then(|paid| paid.checked_sub(told.buy_amount)))
    {
        facts.push(("Profit", show::money(profit, currency)));
    }
    facts.push(("Time", show::moment(told.at, to.zone)));
    facts.push(("Bet number", told.bet_uuid.to_string()));
    facts
}

/// Why a bet was rejected, and what the bettor can do.
pub(super) fn reason(reason: Option<RejectReason>) -> &'static str {
    match reason {
        Some(RejectReason::UnknownQuestion) => {
            "The question was not open for bets when yours arrived. Should it still be accepted, we will tell you."
        }
        Some(RejectReason::BettingClosed) => "Betting on this question had closed before your bet arrived.",
        Some(RejectReason::BettingPaused) => {
            "Betting on this question was paused when your bet arrived. You can bet again when it is open."
        }
        Some(RejectReason::TooSkewed) => {
            "The time on your bet was too far from the time at which it arrived. Please check the clock of your \
             device, then bet again."
        }
        None => "It did not meet the rules of this question.",
    }
}

pub(super) fn tone(event: Event) -> Tone {
    match event {
        Event::BetWon | Event::BetPaid => Tone::Good,
        Event::BetAccepted => Tone::Calm,
        Event::BetLost => Tone::Quiet,
        Event::BetRejected | Event::BetVoid => Tone::Attention,
    }
}

/// The money that a change is about: what comes to the bettor, or what was staked.
pub(super) fn amount(told: &Notification) -> Option<Money> {
    match told.event {
        Event::BetWon | Event::BetPaid => told.payout,
        Event::BetVoid => Some(told.payout.unwrap_or(told.buy_amount)),
        Event::BetAccepted | Event::BetRejected | Event::BetLost => Some(told.buy_amount),
    }
}

pub(super) fn greeting(to: &Recipient) -> String {
    to.name.as_ref().map_or_else(|| "Hello,".into(), |name| format!("Hello {name},"))
}

/// The outcome bet on, by its name or its number.
pub(super) fn pick(item: Item<'_>) -> String {
    let index = item.notification.outcome_index;
    let name = item.question.and_then(|question| question.outcomes.get(usize::from(index)));
    let name = name.map(|name| show::line(name, PICK)).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("Outcome {index}"))
}

/// The question in words, or its id.
pub(super) fn question(item: Item<'_>) -> String {
    let text = item.question.map(|question| show::line(&question.question, QUESTION)).filter(|text| !text.is_empty());
    text.unwrap_or_else(|| format!("Question {}", item.notification.question_uuid))
}
