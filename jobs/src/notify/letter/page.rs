//! What a letter says, before it has a form. Its texts are plain: no markup, one line each.

/// How a change feels; it colours the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Money comes.
    Good,
    /// All as expected.
    Calm,
    /// Not as hoped.
    Quiet,
    /// Something that the reader should look at.
    Attention,
}

/// A letter's content, top to bottom.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) subject: String,
    /// What a mail program shows beside the subject.
    pub(super) preview: String,
    pub(super) tone: Tone,
    pub(super) title: &'static str,
    pub(super) greeting: String,
    pub(super) lead: String,
    /// Label and value, one under the other.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The changes of a digest.
    pub(super) groups: Vec<Group>,
    /// The sums under them.
    pub(super) totals: Vec<Sum>,
    pub(super) note: Option<&'static str>,
    /// Label and address.
    pub(super) link: Option<(&'static str, String)>,
    pub(super) unsubscribe: Option<String>,
}

/// The changes of bets on one question.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
}

/// One change.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) tone: Tone,
    pub(super) status: &'static str,
    pub(super) pick: String,
    /// The stake, the odds, the time.
    pub(super) detail: String,
    /// The money that comes.
    pub(super) amount: Option<String>,
    /// More to know, such as why a bet was rejected.
    pub(super) note: Option<&'static str>,
}

/// All changes of one kind.
#[derive(Debug)]
pub(super) struct Sum {
    pub(super) label: &'static str,
    pub(super) bets: usize,
    pub(super) amount: String,
}
