//! What must hold after each life, and what at the end.

use jobs::node::Node;

use crate::invariants::{
    each_change_is_mailed_once, each_change_is_told_once, money_is_conserved, windows_have_every_bet,
};

/// At any moment: every commit is seen whole or not at all.
pub fn always(node: &Node) {
    money_is_conserved(node);
    each_change_is_told_once(node);
}

/// Once everything is applied and all time has passed.
pub async fn at_the_end(node: &Node) {
    always(node);
    each_change_is_mailed_once(node);
    windows_have_every_bet(node).await;
}
