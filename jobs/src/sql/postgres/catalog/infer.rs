//! Which type a column of an answer has, from what computes it: clients are told before there are
//! rows, and when there are none.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
};

use super::rows::{Column, Type};

/// The type of an expression's values, where `columns` are at hand. Text where nothing says more.
pub fn kind(expr: &Expr, columns: &[Column]) -> Type {
    match expr {
        Expr::Identifier(name) => of_column(None, &name.value, columns),
        Expr::CompoundIdentifier(path) => match path.as_slice() {
            [.., table, name] => of_column(Some(&table.value), &name.value, columns),
            _ => Type::Text,
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => kind(inner, columns),
        Expr::Value(value) => match &value.value {
            Value::Boolean(_) => Type::Bool,
            Value::Number(digits, _) if digits.parse::<i32>().is_ok() => Type::Int4,
            Value::Number(digits, _) if digits.parse::<i64>().is_ok() => Type::Int8,
            _ => Type::Text,
        },
        Expr::Cast { data_type, .. } => of_name(&data_type.to_string()),
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => Type::Bool,
        Expr::UnaryOp { expr, .. } => kind(expr, columns),
        Expr::BinaryOp { left, op, right } => of_operator(op, kind(left, columns), kind(right, columns)),
        Expr::Case { conditions, else_result, .. } => {
            let results = conditions.iter().map(|when| &when.result).chain(else_result.as_deref());
            let kinds = results.filter(|result| !is_null(result)).map(|result| kind(result, columns));
            kinds.reduce(|a, b| if a == b { a } else { Type::Text }).unwrap_or(Type::Text)
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let first = match &function.args {
                FunctionArguments::List(list) => list.args.first(),
                _ => None,
            };
            let first = match first {
                Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(first))) => kind(first, columns),
                _ => Type::Text,
            };
            of_function(name.rsplit('.').next().unwrap_or_default(), first)
        }
        Expr::Array(_) => Type::Texts,
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::AnyOp { .. }
        | Expr::AllOp { .. }
        | Expr::Exists { .. } => Type::Bool,
        _ => Type::Text,
    }
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if value.value == Value::Null)
}

fn of_column(table: Option<&str>, name: &str, columns: &[Column]) -> Type {
    let fits = |column: &&Column| {
        *column.name == *name.to_lowercase() && table.is_none_or(|table| *column.table == *table.to_lowercase())
    };
    columns.iter().find(fits).map_or(Type::Text, |column| column.kind)
}

fn of_name(name: &str) -> Type {
    let name = name.to_lowercase().replace("pg_catalog.", "");
    match name.as_str() {
        "bool" | "boolean" => Type::Bool,
        "smallint" | "int2" => Type::Int2,
        "int" | "integer" | "int4" => Type::Int4,
        "bigint" | "int8" => Type::Int8,
        "oid" => Type::Oid,
        name if name.ends_with("[]") => Type::Texts,
        _ => Type::Text,
    }
}

fn of_operator(op: &BinaryOperator, left: Type, right: Type) -> Type {
    match op {
        BinaryOperator::StringConcat if left == Type::Texts || right == Type::Texts => Type::Texts,
        BinaryOperator::StringConcat => Type::Text,
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo => {
            if left == Type::Int8 || right == Type::Int8 {
                Type::Int8
            } else {
                Type::Int4
            }
        }
        _ => Type::Bool,
    }
}

fn of_function(name: &str, first: Type) -> Type {
    match name {
        "count" | "sum" | "pg_relation_size" | "pg_table_size" | "pg_total_relation_size" | "pg_database_size" => {
            Type::Int8
        }
        "min" | "max" | "coalesce" | "nullif" => first,
        "pg_backend_pid" | "length" | "char_length" | "array_length" | "array_upper" | "array_lower"
        | "cardinality" | "strpos" | "position" | "array_position" => Type::Int4,
        "bool_and" | "bool_or" | "every" | "pg_is_in_recovery" | "pg_relation_is_publishable" => Type::Bool,
        "array" | "array_agg" | "current_schemas" | "string_to_array" | "parse_ident" => Type::Texts,
        "to_regclass" | "to_regtype" => Type::Oid,
        name if name.ends_with("_is_visible") || name.ends_with("_privilege") => Type::Bool,
        _ => Type::Text,
    }
}
