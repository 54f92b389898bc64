//! What a SELECT shows: its columns' names and expressions.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Select, SelectItem, SelectItemQualifiedWildcardKind, Value as Literal,
};

use super::super::names::{folded, last, name_of};
use super::super::refusal::{NOT_SUPPORTED, Refusal};
use super::rows::{Column, Table};

/// What a SELECT shows: names and expressions, with `*` spelt out.
pub fn items(select: &Select, source: &Table) -> Result<Vec<(String, Expr)>, Refusal> {
    let all = |table: Option<&str>| {
        let columns = source.columns.iter().filter(move |column| table.is_none_or(|table| *column.table == *table));
        let path = |column: &Column| {
            let quoted = |name: &str| Ident::with_quote('"', name);
            let path = vec![quoted(&column.table), quoted(&column.name)];
            (column.name.to_string(), Expr::CompoundIdentifier(path))
        };
        columns.map(path).collect::<Vec<_>>()
    };
    let mut items = Vec::new();
    for item in &select.projection {
        match item {
            SelectItem::UnnamedExpr(expr) => items.push((name_of(expr), expr.clone())),
            SelectItem::ExprWithAlias { expr, alias } => items.push((folded(alias), expr.clone())),
            SelectItem::Wildcard(_) => items.extend(all(None)),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                items.extend(all(Some(&last(name))));
            }
            other => {
                return Err(Refusal::new(NOT_SUPPORTED, format!("{other} is beyond queries about the catalog")));
            }
        }
    }
    Ok(items)
}

/// The place of the shown column that an order names, by number or by name.
pub fn place(by: &Expr, items: &[(String, Expr)]) -> Option<usize> {
    match by {
        Expr::Value(value) => match &value.value {
            Literal::Number(digits, _) => digits.parse::<usize>().ok()?.checked_sub(1),
            _ => None,
        },
        Expr::Identifier(name) => items.iter().position(|(shown, _)| *shown == folded(name)),
        _ => None,
    }
}
