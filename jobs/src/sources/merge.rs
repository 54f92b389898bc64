//! Two sources as one, in time order.

use std::iter::Peekable;

use super::{SourceError, Sourced};

/// Merges `first` and `second` by `at`. At the same millisecond `first` goes
/// first: give it the ball-by-ball file, since what happens on the field comes
/// before what the market makes of it. Each source keeps its own order. An
/// error ends the merge as soon as it is the next item of its source.
pub fn merge<A, B>(first: A, second: B) -> Merge<A, B>
where
    A: Iterator<Item = Result<Sourced, SourceError>>,
    B: Iterator<Item = Result<Sourced, SourceError>>,
{
    Merge { first: first.peekable(), second: second.peekable(), failed: false }
}

/// See [`merge`].
pub struct Merge<A: Iterator, B: Iterator> {
    first: Peekable<A>,
    second: Peekable<B>,
    failed: bool,
}

impl<A, B> Iterator for Merge<A, B>
where
    A: Iterator<Item = Result<Sourced, SourceError>>,
    B: Iterator<Item = Result<Sourced, SourceError>>,
{
    type Item = Result<Sourced, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let from_first = match (self.first.peek(), self.second.peek()) {
            (Some(Ok(first)), Some(Ok(second))) => first.at <= second.at,
            (Some(_), None) | (Some(Err(_)), _) => true,
            _ => false,
        };
        let item = if from_first { self.first.next() } else { self.second.next() };
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}
