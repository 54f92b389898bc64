//! Who writes to whom. Addresses are checked here, once, so that headers can hold them as they are.

use chrono_tz::Tz;
use schemas::ids::{Address, BetId};

use super::unsubscribe;

/// Why nobody can be written to like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LetterError(String);

/// Who writes.
#[derive(Clone)]
pub struct Sender {
    pub(super) name: Option<String>,
    pub(super) email: String,
    pub(super) product: String,
    pub(super) currency: String,
    links: Option<Links>,
}

#[derive(Clone)]
struct Links {
    base: String,
    secret: Vec<u8>,
}

impl Sender {
    /// `from` is `bets@example.com` or `Oddsmill <bets@example.com>`; `product` is named in the
    /// letters, and `currency` stands behind amounts.
    pub fn new(from: &str, product: &str, currency: &str) -> Result<Sender, LetterError> {
        let (name, email) = match from.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
            Some((name, email)) => (Some(name.trim().trim_matches('"').to_owned()), email),
            None => (None, from.trim()),
        };
        // The domain ends the Message-ID, which is ASCII.
        if !is_email(email) || !email.is_ascii() {
            let problem = format!("sender {from:?} is no address; write \"Name <name@example.com>\" in ASCII");
            return Err(LetterError(problem));
        }
        let name = name.filter(|name| !name.is_empty());
        Ok(Sender { name, email: email.into(), product: product.into(), currency: currency.into(), links: None })
    }

    /// Adds links: `BASE/bets/BET` and `BASE/unsubscribe/TOKEN`, whose token `secret` protects.
    pub fn with_links(mut self, base: &str, secret: &[u8]) -> Result<Sender, LetterError> {
        let rest = base.strip_prefix("https://").or(base.strip_prefix("http://")).unwrap_or_default();
        // What a URL may hold, less what HTML, headers and the end of a sentence would trip over.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]%".contains(&byte);
        if rest.is_empty() || !rest.bytes().all(plain) {
            return Err(LetterError(format!("link base {base:?} is no address; write \"https://bets.example.com\"")));
        }
        if secret.len() < unsubscribe::MIN_SECRET_BYTES {
            let (got, want) = (secret.len(), unsubscribe::MIN_SECRET_BYTES);
            return Err(LetterError(format!("the secret of the links has {got} bytes; give it {want} or more")));
        }
        self.links = Some(Links { base: base.trim_end_matches('/').into(), secret: secret.into() });
        Ok(self)
    }

    /// The address, without the name.
    pub fn email(&self) -> &str {
        &self.email
    }

    pub(super) fn domain(&self) -> &str {
        self.email.rsplit('@').next().unwrap_or_default()
    }

    pub(super) fn bet_link(&self, bet: BetId) -> Option<String> {
        self.links.as_ref().map(|links| format!("{}/bets/{bet}", links.base))
    }

    pub(super) fn bets_link(&self) -> Option<String> {
        self.links.as_ref().map(|links| format!("{}/bets", links.base))
    }

    pub(super) fn unsubscribe_link(&self, to: &Recipient) -> Option<String> {
        let links = self.links.as_ref()?;
        Some(format!("{}/unsubscribe/{}", links.base, unsubscribe::token(&links.secret, to.address)))
    }
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("email", &self.email).field("product", &self.product).finish_non_exhaustive()
    }
}

/// Who reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    pub(super) address: Address,
    pub(super) name: Option<String>,
    pub(super) email: String,
    pub(super) zone: Tz,
}

impl Recipient {
    /// An account with an email address. A time zone that nobody knows is UTC.
    pub fn new(
        address: Address,
        username: Option<&str>,
        email: &str,
        time_zone: Option<&str>,
    ) -> Result<Recipient, LetterError> {
        if !is_email(email) {
            let problem = format!("email {email:?} is no address that mails can be sent to; write name@domain");
            return Err(LetterError(problem));
        }
        let name = username.map(|name| super::show::line(name, 64)).filter(|name| !name.is_empty());
        let zone = time_zone.and_then(|zone| zone.parse().ok()).unwrap_or(Tz::UTC);
        Ok(Recipient { address, name, email: email.into(), zone })
    }

    /// The address, without the name.
    pub fn email(&self) -> &str {
        &self.email
    }
}

/// The addresses that people have: RFC 5322's dot-atom and RFC 6531's letters, at a host's name.
/// No quotes, brackets, commas or blanks, which would mean something in a header.
fn is_email(text: &str) -> bool {
    let letter = |char: char| char.is_ascii_alphanumeric() || (!char.is_ascii() && char.is_alphanumeric());
    let Some((local, domain)) = text.split_once('@') else { return false };
    let parts = |text: &str, marks: &str, max: usize| {
        text.len() <= max
            && text.split('.').all(|part| !part.is_empty() && part.chars().all(|c| letter(c) || marks.contains(c)))
    };
    parts(local, "!#$%&'*+/=?^_`{|}~-", 64) && parts(domain, "-", 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_means_more_than_itself_is_refused() {
        for (email, good) in [
            ("ada@example.com", true),
            ("a.d+a_1'x@sub.example.com", true),
            ("jörg@bücher.example", true),
            ("ada", false),
            ("@example.com", false),
            ("a..b@example.com", false),
            ("a@b@c", false),
            ("ada@example.com, eve@example.com", false),
            ("<ada@example.com>", false),
            ("\"a b\"@example.com", false),
            ("ada@example.com\r\nBcc:eve@example.com", false),
            ("ada\u{202e}@example.com", false),
        ] {
            assert_eq!(is_email(email), good, "{email:?}");
        }
    }

    #[test]
    fn a_sender_is_told_what_is_wrong() {
        let sender = Sender::new("Odds \"mill\" <bets@example.com>", "Oddsmill", "USDC").unwrap();
        assert_eq!((sender.name.as_deref(), sender.domain()), (Some("Odds \"mill"), "example.com"));
        assert!(Sender::new("bets", "Oddsmill", "USDC").unwrap_err().to_string().contains("name@example.com"));
        for base in ["", "https://", "ftp://x", "https://x/\"", "https://x y", "javascript:x"] {
            assert!(sender.clone().with_links(base, &[1; 32]).unwrap_err().to_string().contains("link base"), "{base}");
        }
        assert!(sender.clone().with_links("https://x", b"short").unwrap_err().to_string().contains("secret"));
    }
}
