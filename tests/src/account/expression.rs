//! Expressions of DynamoDB: conditions, key conditions and updates, as far as ours go.
//!
//! Grammar: "Condition and filter expressions, operators, and functions" of DynamoDB's developer guide.

use std::cmp::Ordering;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

/// An item's attributes, each as `{"S": …}`, `{"N": …}` and so on.
pub type Item = Map<String, Value>;

/// What stands for names and values in an expression.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    pub names: Option<&'a Item>,
    pub values: Option<&'a Item>,
}

impl<'a> Given<'a> {
    /// Of a request.
    pub fn of(request: &'a Value) -> Given<'a> {
        Given {
            names: request["ExpressionAttributeNames"].as_object(),
            values: request["ExpressionAttributeValues"].as_object(),
        }
    }
}

/// A condition, parsed.
#[derive(Debug, Clone)]
pub enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Compare(Operand, String, Operand),
    Between(Operand, Operand, Operand),
    Exists(String, bool),
}

/// A name in an item, or a value that was given.
#[derive(Debug, Clone)]
pub enum Operand {
    Name(String),
    Value(Value),
}

struct Tokens<'a> {
    left: Vec<&'a str>,
    given: Given<'a>,
}

fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if "(),+".contains(first) {
            1
        } else if "<>=".contains(first) {
            rest.find(|c| !"<>=".contains(c)).unwrap_or(rest.len())
        } else {
            rest.find(|c: char| c.is_whitespace() || "(),<>=+".contains(c)).unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        found.push(token);
        rest = after.trim_start();
    }
    found.reverse();
    found
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str, given: Given<'a>) -> Tokens<'a> {
        Tokens { left: tokens(text), given }
    }

    fn peek(&self) -> &'a str {
        self.left.last().copied().unwrap_or_default()
    }

    fn next(&mut self) -> &'a str {
        self.left.pop().unwrap_or_default()
    }

    fn expect(&mut self, token: &str) {
        assert_eq!(self.next(), token, "in an expression");
    }

    fn either(&mut self) -> Condition {
        let mut one = self.both();
        while self.peek() == "OR" {
            self.next();
            one = Condition::Or(Box::new(one), Box::new(self.both()));
        }
        one
    }

    fn both(&mut self) -> Condition {
        let mut one = self.single();
        while self.peek() == "AND" {
            self.next();
            one = Condition::And(Box::new(one), Box::new(self.single()));
        }
        one
    }

    fn single(&mut self) -> Condition {
        match self.peek() {
            "(" => {
                self.next();
                let inner = self.either();
                self.expect(")");
                inner
            }
            function @ ("attribute_exists" | "attribute_not_exists") => {
                self.next();
                self.expect("(");
                let name = self.name();
                self.expect(")");
                Condition::Exists(name, function == "attribute_exists")
            }
            _ => {
                let one = self.operand();
                let operator = self.next().to_owned();
                if operator == "BETWEEN" {
                    let low = self.operand();
                    self.expect("AND");
                    return Condition::Between(one, low, self.operand());
                }
                Condition::Compare(one, operator, self.operand())
            }
        }
    }

    fn name(&mut self) -> String {
        let token = self.next();
        if !token.starts_with('#') {
            return token.to_owned();
        }
        let name = self.given.names.and_then(|names| names.get(token)).and_then(Value::as_str);
        name.unwrap_or_else(|| panic!("no name {token} is given")).to_owned()
    }

    fn operand(&mut self) -> Operand {
        let token = self.peek();
        if !token.starts_with(':') {
            return Operand::Name(self.name());
        }
        self.next();
        let value = self.given.values.and_then(|values| values.get(token));
        Operand::Value(value.unwrap_or_else(|| panic!("no value {token} is given")).clone())
    }
}

impl Condition {
    /// Parses a condition.
    pub fn parse(text: &str, given: Given<'_>) -> Condition {
        let mut tokens = Tokens::new(text, given);
        let condition = tokens.either();
        assert!(tokens.left.is_empty(), "left of {text:?}: {:?}", tokens.left);
        condition
    }

    /// Whether it holds for an item; for none at all, where there is none.
    pub fn holds(&self, item: Option<&Item>) -> bool {
        fn value<'a>(operand: &'a Operand, item: Option<&'a Item>) -> Option<&'a Value> {
            match operand {
                Operand::Name(name) => item?.get(name),
                Operand::Value(value) => Some(value),
            }
        }
        let compared = |one: &Operand, other: &Operand| {
            value(one, item).zip(value(other, item)).and_then(|(one, other)| order(one, other))
        };
        match self {
            Condition::And(one, other) => one.holds(item) && other.holds(item),
            Condition::Or(one, other) => one.holds(item) || other.holds(item),
            Condition::Exists(name, exists) => item.is_some_and(|item| item.contains_key(name)) == *exists,
            Condition::Between(of, low, high) => {
                let ordered = |one: &Operand, other: &Operand| compared(one, other).is_some_and(Ordering::is_le);
                ordered(low, of) && ordered(of, high)
            }
            Condition::Compare(one, operator, other) => {
                let Some(order) = compared(one, other) else { return false };
                match operator.as_str() {
                    "=" => order.is_eq(),
                    "<>" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    ">=" => order.is_ge(),
                    other => panic!("operator {other:?}"),
                }
            }
        }
    }

    /// The value that an attribute must have, where the condition says so.
    pub fn equal(&self, attribute: &str) -> Option<&Value> {
        match self {
            Condition::And(one, other) => one.equal(attribute).or_else(|| other.equal(attribute)),
            Condition::Compare(Operand::Name(name), operator, Operand::Value(value))
                if name == attribute && operator == "=" =>
            {
                Some(value)
            }
            _ => None,
        }
    }
}

/// Values of one type in order; of two types, in none.
fn order(one: &Value, other: &Value) -> Option<Ordering> {
    fn of<'a>(value: &'a Value, kind: &str) -> Option<&'a str> {
        value.get(kind).and_then(Value::as_str)
    }
    let both = |kind: &str| of(one, kind).zip(of(other, kind));
    if let Some((one, other)) = both("S") {
        return Some(one.cmp(other));
    }
    if let Some((one, other)) = both("B") {
        return Some(decoded(one).cmp(&decoded(other)));
    }
    let (one, other) = both("N")?;
    match (one.parse::<i128>(), other.parse::<i128>()) {
        (Ok(one), Ok(other)) => Some(one.cmp(&other)),
        _ => one.parse::<f64>().ok()?.partial_cmp(&other.parse::<f64>().ok()?),
    }
}

/// The bytes of a value of type B.
pub fn decoded(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text).expect("the SDK sends base64")
}

/// Changes an item as an update expression says: `SET name = value, …` and `REMOVE name, …`.
pub fn update(item: &mut Item, text: &str, given: Given<'_>) {
    let mut tokens = Tokens::new(text, given);
    let mut section = "";
    while !tokens.left.is_empty() {
        if matches!(tokens.peek(), "SET" | "REMOVE") {
            section = tokens.next();
        }
        let name = tokens.name();
        if section == "SET" {
            tokens.expect("=");
            let value = match tokens.operand() {
                Operand::Value(value) => Some(value),
                Operand::Name(name) => item.get(&name).cloned(),
            };
            item.extend(value.map(|value| (name, value)));
        } else {
            assert_eq!(section, "REMOVE", "in {text:?}");
            item.remove(&name);
        }
        if tokens.peek() == "," {
            tokens.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_hold_as_documented() {
        let request = json!({
            "ExpressionAttributeNames": {"#mark": "watermark"},
            "ExpressionAttributeValues": {":n": {"N": "9"}, ":a": {"S": "a"}, ":z": {"S": "z"}, ":b": {"B": "AQ=="}},
        });
        let item = json!({"watermark": {"N": "10"}, "id": {"S": "m"}, "k": {"B": "Ag=="}});
        for (text, expected, without) in [
            ("attribute_not_exists(id)", false, true),
            ("attribute_exists(id) AND id BETWEEN :a AND :z", true, false),
            ("attribute_not_exists(#mark) OR #mark <= :n", false, true),
            ("#mark > :n AND (id = :a OR k > :b)", true, false),
            ("id <> :a AND id < :z AND NOTHERE = :a", false, false),
        ] {
            let condition = Condition::parse(text, Given::of(&request));
            assert_eq!((condition.holds(item.as_object()), condition.holds(None)), (expected, without), "{text}");
        }
        let keyed = Condition::parse("id = :a AND k > :b", Given::of(&request));
        assert_eq!(keyed.equal("id"), Some(&json!({"S": "a"})));
    }

    #[test]
    fn updates_set_and_remove() {
        let request = json!({"ExpressionAttributeValues": {":n": {"N": "9"}}});
        let mut item = json!({"a": {"N": "1"}, "b": {"N": "2"}}).as_object().unwrap().clone();
        update(&mut item, "SET a = :n, c = :n REMOVE b", Given::of(&request));
        assert_eq!(Value::Object(item), json!({"a": {"N": "9"}, "c": {"N": "9"}}));
    }
}
