//! The plain form of a page.

use std::fmt::Write as _;

use super::page::Page;
use super::people::Sender;

/// The page with its lines ended by `\n`. A stranger's text never starts a line.
pub(super) fn render(page: &Page, sender: &Sender) -> String {
    let mut out = String::with_capacity(1024);
    // Writing to a String cannot fail, so the results say nothing.
    let _ = write!(out, "{}\n\n{}\n", page.greeting, page.lead);
    if let Some(note) = page.note {
        let _ = writeln!(out, "{note}");
    }
    if !page.facts.is_empty() {
        out.push('\n');
    }
    for (label, value) in &page.facts {
        let _ = writeln!(out, "{:<17}{value}", format!("{label}:"));
    }
    for group in &page.groups {
        let _ = writeln!(out, "\n* {}", group.title);
        for row in &group.rows {
            let _ = write!(out, "  {}", row.status);
            if let Some(amount) = &row.amount {
                let _ = write!(out, " {amount}");
            }
            let _ = writeln!(out, ": {} ({})", row.pick, row.detail);
            if let Some(note) = row.note {
                let _ = writeln!(out, "      {note}");
            }
        }
    }
    if !page.totals.is_empty() {
        out.push_str("\nIn all\n");
    }
    for sum in &page.totals {
        let _ = writeln!(out, "  {:<14}{:>5}   {}", sum.label, sum.bets, sum.amount);
    }
    if let Some((label, link)) = &page.link {
        let _ = writeln!(out, "\n{label}:\n{link}");
    }
    let _ = writeln!(out, "\n--\n{} writes to you when a bet of yours changes.", sender.product);
    if let Some(link) = &page.unsubscribe {
        let _ = writeln!(out, "To stop these mails:\n{link}");
    }
    out
}
