//! The HTML form of a page: one column, styles inline, no pictures, nothing loaded from elsewhere.
//!
//! Tables lay it out, since mail programs know little else. Colours are inline for those that drop
//! the style sheet; the sheet only turns them for a dark screen.

use super::page::{Group, Page, Row, Sum, Tone};
use super::people::Sender;

const STYLE: &str = "\
:root{color-scheme:light dark}
@media (prefers-color-scheme:dark){
.bg{background:#14171a!important}
.card{background:#1d2226!important;border-left-color:#30373d!important;border-right-color:#30373d!important;\
border-bottom-color:#30373d!important}
.ink{color:#eceff1!important}
.dim{color:#a3adb5!important}
.rule{border-color:#30373d!important}
.note{background:#272d32!important}
.good{color:#4cc38a!important}
.calm{color:#6ea8ff!important}
.quiet{color:#a3adb5!important}
.attention{color:#f0a04b!important}
}
";

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";

/// The page. Every text goes through [`Html::text`].
pub(super) fn render(page: &Page, sender: &Sender) -> String {
    let mut html = Html { out: String::with_capacity(6144) };
    let (colour, class) = colours(page.tone);
    html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    html.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    html.text(&page.subject);
    html.raw("</title>\n<style>\n").raw(STYLE).raw("</style>\n</head>\n");
    html.raw("<body class=\"bg\" style=\"margin:0;padding:0;background:#f2f4f5\">\n");
    html.raw("<div style=\"display:none;max-height:0;overflow:hidden;mso-hide:all\">");
    html.text(&page.preview).raw("</div>\n");
    html.raw("<table role=\"presentation\" class=\"bg\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" ");
    html.raw("style=\"background:#f2f4f5\"><tr><td align=\"center\" style=\"padding:24px 12px\">\n");
    html.raw("<table role=\"presentation\" class=\"card\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" ");
    html.raw("style=\"max-width:560px;background:#ffffff;border:1px solid #dfe4e7;border-top:4px solid ");
    html.raw(colour).raw(";border-radius:8px;text-align:left;").raw(FONT).raw("\">\n");
    html.raw("<tr><td style=\"padding:24px 28px 28px\">\n");
    html.raw("<p class=\"dim\" style=\"margin:0 0 18px;font-size:13px;color:#5f6b73\">");
    html.text(&sender.product).raw("</p>\n");
    html.raw("<h1 class=\"")
        .raw(class)
        .raw("\" style=\"margin:0 0 14px;font-size:24px;line-height:30px;color:")
        .raw(colour)
        .raw("\">");
    html.text(page.title).raw("</h1>\n");
    html.paragraph(&page.greeting).paragraph(&page.lead);
    if let Some(note) = page.note {
        html.raw("<p class=\"note ink\" style=\"margin:0 0 12px;padding:12px 14px;border-radius:6px;");
        html.raw("background:#f2f4f5;font-size:15px;line-height:22px;color:#1b2226\">");
        html.text(note).raw("</p>\n");
    }
    html.facts(&page.facts);
    for group in &page.groups {
        html.group(group);
    }
    html.totals(&page.totals);
    if let Some((label, link)) = &page.link {
        html.raw("<p style=\"margin:24px 0 0\"><a href=\"").text(link).raw("\" style=\"display:inline-block;");
        html.raw("padding:11px 20px;border-radius:6px;background:").raw(colour);
        html.raw(";font-size:15px;font-weight:600;color:#ffffff;text-decoration:none\">");
        html.text(label).raw("</a></p>\n");
    }
    html.raw("</td></tr></table>\n").footer(page, sender);
    html.raw("</td></tr></table>\n</body>\n</html>\n");
    html.out
}

/// A colour dark enough for white letters on it (4.5 to 1), and the class that lightens it where
/// it is itself written on a dark card.
const fn colours(tone: Tone) -> (&'static str, &'static str) {
    match tone {
        Tone::Good => ("#14804a", "good"),
        Tone::Calm => ("#2a6fc9", "calm"),
        Tone::Quiet => ("#66727a", "quiet"),
        Tone::Attention => ("#b35c00", "attention"),
    }
}

struct Html {
    out: String,
}

impl Html {
    /// Our own markup.
    fn raw(&mut self, markup: &str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Anybody's text.
    fn text(&mut self, text: &str) -> &mut Self {
        let mut rest = text;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            self.out.push_str(&rest[..at]);
            self.out.push_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            });
            rest = &rest[at + 1..];
        }
        self.raw(rest)
    }

    fn paragraph(&mut self, text: &str) -> &mut Self {
        self.raw("<p class=\"ink\" style=\"margin:0 0 12px;font-size:16px;line-height:24px;color:#1b2226\">");
        self.text(text).raw("</p>\n")
    }

    fn facts(&mut self, facts: &[(&str, String)]) {
        if facts.is_empty() {
            return;
        }
        self.open_table("10px 0 0");
        for (label, value) in facts {
            self.raw("<tr><td class=\"dim rule\" style=\"padding:8px 16px 8px 0;border-top:1px solid #e6eaec;");
            self.raw("vertical-align:top;white-space:nowrap;font-size:14px;line-height:20px;color:#5f6b73\">");
            self.text(label);
            self.raw("</td>\n<td class=\"ink rule\" style=\"padding:8px 0;border-top:1px solid #e6eaec;");
            self.raw("vertical-align:top;word-break:break-word;font-size:15px;line-height:20px;color:#1b2226\">");
            self.text(value).raw("</td></tr>\n");
        }
        self.raw("</table>\n");
    }

    fn group(&mut self, group: &Group) {
        self.raw("<h2 class=\"ink\" style=\"margin:22px 0 6px;font-size:16px;line-height:22px;color:#1b2226\">");
        self.text(&group.title).raw("</h2>\n").open_table("0");
        for row in &group.rows {
            self.row(row);
        }
        self.raw("</table>\n");
    }

    fn row(&mut self, row: &Row) {
        self.raw("<tr><td class=\"ink rule\" style=\"padding:8px 12px 8px 0;border-top:1px solid #e6eaec;");
        self.raw("vertical-align:top;font-size:15px;line-height:20px;color:#1b2226\">").text(&row.pick);
        for detail in [Some(row.detail.as_str()), row.note].into_iter().flatten() {
            self.raw("<br>\n<span class=\"dim\" style=\"font-size:13px;color:#5f6b73\">").text(detail).raw("</span>");
        }
        self.raw("</td>\n<td class=\"ink rule\" align=\"right\" style=\"padding:8px 0;white-space:nowrap;");
        self.raw("border-top:1px solid #e6eaec;vertical-align:top;font-size:15px;line-height:20px;color:#1b2226\">");
        let (colour, class) = colours(row.tone);
        self.raw("<span class=\"").raw(class).raw("\" style=\"font-weight:600;color:").raw(colour).raw("\">");
        self.text(row.status).raw("</span>");
        if let Some(amount) = &row.amount {
            self.raw("<br>").text(amount);
        }
        self.raw("</td></tr>\n");
    }

    fn totals(&mut self, totals: &[Sum]) {
        if totals.is_empty() {
            return;
        }
        self.raw("<h2 class=\"ink\" style=\"margin:26px 0 6px;font-size:16px;line-height:22px;color:#1b2226\">");
        self.raw("In all</h2>\n").open_table("0");
        for sum in totals {
            let bets = if sum.bets == 1 { "1 bet" } else { &format!("{} bets", sum.bets) };
            for (text, align) in [(sum.label, "left"), (bets, "right"), (&sum.amount, "right")] {
                self.raw(if align == "left" { "<tr>" } else { "" });
                self.raw("<td class=\"ink rule\" align=\"")
                    .raw(align)
                    .raw("\" style=\"padding:7px 0;white-space:nowrap;");
                self.raw("border-top:1px solid #e6eaec;font-size:15px;color:#1b2226\">").text(text).raw("</td>\n");
            }
            self.raw("</tr>\n");
        }
        self.raw("</table>\n");
    }

    fn open_table(&mut self, margin: &str) {
        self.raw("<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" style=\"margin:");
        self.raw(margin).raw("\">\n");
    }

    fn footer(&mut self, page: &Page, sender: &Sender) {
        self.raw("<p class=\"dim\" style=\"max-width:520px;margin:16px auto 0;font-size:12px;line-height:18px;");
        self.raw("color:#5f6b73;").raw(FONT).raw("\">");
        self.text(&sender.product).raw(" writes to you when a bet of yours changes.");
        if let Some(link) = &page.unsubscribe {
            self.raw("\n<a class=\"dim\" href=\"").text(link).raw("\" style=\"color:#5f6b73\">Stop these mails</a>");
        }
        self.raw("</p>\n");
    }
}
