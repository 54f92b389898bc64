//! What columns without a name of their own are called: as PostgreSQL does it, by what computes them.

use datafusion::sql::sqlparser::ast::{DataType, Expr, Ident, ObjectName, Query, SelectItem, SetExpr, Value};

use super::types::{Column, TYPES};

/// What a column is called of which nothing says more.
const NAMELESS: &str = "?column?";

/// The names of a query's columns, as far as they follow from its text.
#[derive(Default)]
pub struct Names {
    /// Of the first columns, up to a `*`; nothing for one that has a name.
    first: Vec<Option<String>>,
    /// Of the last columns, from the last `*` on, in reverse.
    last: Vec<Option<String>>,
}

impl Names {
    /// Of a query's columns.
    pub fn of(query: &Query) -> Names {
        let Some(items) = shown(query) else { return Names::default() };
        let known = |item: &&SelectItem| !matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        let name = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(expr) => Some(name_of(expr)),
            _ => None,
        };
        let first: Vec<_> = items.iter().take_while(known).map(name).collect();
        let last = items[first.len()..].iter().rev().take_while(known).map(name).collect();
        Names { first, last }
    }

    /// Gives the columns their names.
    pub fn give(&self, columns: &mut [Column]) {
        let rename = |(column, name): (&mut Column, &Option<String>)| {
            if let Some(name) = name {
                column.name.clone_from(name);
            }
        };
        columns.iter_mut().zip(&self.first).for_each(rename);
        columns.iter_mut().rev().zip(&self.last).for_each(rename);
    }
}

/// Gives a query's unnamed columns names that differ, which DataFusion wants of equal ones.
pub fn number(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            for (place, item) in (1..).zip(&mut select.projection) {
                if let SelectItem::UnnamedExpr(expr) = item {
                    let alias = Ident::with_quote('"', format!("{NAMELESS} {place}"));
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
            }
        }
        SetExpr::Query(query) => number(&mut query.body),
        SetExpr::SetOperation { left, right, .. } => {
            number(left);
            number(right);
        }
        _ => {}
    }
}

/// What a query shows; the first part of a union names its columns.
fn shown(query: &Query) -> Option<&[SelectItem]> {
    let mut body = &*query.body;
    loop {
        match body {
            SetExpr::Select(select) => return Some(&select.projection),
            SetExpr::Query(query) => body = &query.body,
            SetExpr::SetOperation { left, .. } => body = left,
            _ => return None,
        }
    }
}

/// What a column without an alias is called.
pub fn name_of(expr: &Expr) -> String {
    let name = match expr {
        Expr::Identifier(name) => return folded(name),
        Expr::CompoundIdentifier(path) => return path.last().map(folded).unwrap_or_default(),
        Expr::Function(function) => return last(&function.name),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => return name_of(inner),
        Expr::CompoundFieldAccess { root, .. } => return name_of(root),
        Expr::Subquery(query) => match shown(query).and_then(<[SelectItem]>::first) {
            Some(SelectItem::UnnamedExpr(expr)) => return name_of(expr),
            Some(SelectItem::ExprWithAlias { alias, .. }) => return folded(alias),
            _ => NAMELESS,
        },
        Expr::Cast { expr, data_type, .. } => {
            let name = name_of(expr);
            return if name == NAMELESS { type_name(data_type) } else { name };
        }
        Expr::Case { .. } => "case",
        Expr::Array(_) => "array",
        Expr::Exists { .. } => "exists",
        Expr::Extract { .. } => "extract",
        Expr::Substring { .. } => "substring",
        Expr::Trim { .. } => "btrim",
        Expr::Position { .. } => "position",
        Expr::Ceil { .. } => "ceil",
        Expr::Floor { .. } => "floor",
        Expr::AtTimeZone { .. } => "timezone",
        Expr::Interval(_) => "interval",
        Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => "bool",
        _ => NAMELESS,
    };
    name.to_owned()
}

/// The catalog's name of a type, by any of its names in SQL.
fn type_name(data_type: &DataType) -> String {
    let text = data_type.to_string().to_lowercase();
    let name = text.rsplit('.').next().unwrap_or_default().trim_end_matches("[]");
    let name = match name.split('(').next().unwrap_or_default().trim() {
        "int" => "integer",
        "decimal" => "numeric",
        other => other,
    };
    TYPES.iter().find(|facts| facts.shown == name).map_or(name, |facts| facts.name).to_owned()
}

/// The last part of a name, as it is looked up.
pub fn last(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(folded).unwrap_or_default()
}

/// A name as it is looked up: in lower case unless it is quoted.
pub fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::super::types::{Kind, Scalar};
    use super::*;

    /// The names of columns that DataFusion calls `a`, `b` and so on.
    fn names(sql: &str, count: u8) -> Vec<String> {
        let parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap();
        let [Statement::Query(query)] = &parsed[..] else { panic!("{sql}") };
        let column = |place: u8| Column { name: char::from(b'a' + place).to_string(), kind: Kind::of(Scalar::Text) };
        let mut columns: Vec<Column> = (0..count).map(column).collect();
        Names::of(query).give(&mut columns);
        columns.into_iter().map(|column| column.name).collect()
    }

    #[test]
    fn unnamed_columns_are_called_as_postgres_calls_them() {
        // What PostgreSQL 15 says to the same.
        for (shown, expected) in [
            ("1, 1 + 1, 'a', NULL", "?column? ?column? ?column? ?column?"),
            ("count(*), SUM(x), \"Odd\"(1)", "count sum Odd"),
            ("x, t.x, t.\"X\", (x), -x", "x x X x ?column?"),
            ("x AS y, CAST(x AS int)", "a x"),
            (
                "CAST(1 AS INT), 1::bigint, CAST('1.5' AS DECIMAL(9,2)), '1'::double precision",
                "int4 int8 numeric float8",
            ),
            ("true, CASE WHEN x THEN 1 END, EXISTS (SELECT 1)", "bool case exists"),
            ("(SELECT 1), (SELECT max(x) FROM t), (SELECT 1 AS n)", "?column? max n"),
        ] {
            let expected: Vec<&str> = expected.split(' ').collect();
            let count = u8::try_from(expected.len()).unwrap();
            assert_eq!(names(&format!("SELECT {shown} FROM t"), count), expected, "{shown}");
        }
        assert_eq!(names("SELECT 1, *, count(*) OVER () FROM t", 5), ["?column?", "b", "c", "d", "count"]);
        assert_eq!(names("(SELECT 1) UNION SELECT 2 AS n", 1), ["?column?"]);
        assert_eq!(names("VALUES (1, 2)", 2), ["a", "b"]);
    }
}
