//! Values in and out of SQL: parameters from plain data, rows to JSON. Sessions decide when.

use bytes::BytesMut;
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};
use tokio_postgres::{Column, Row as Raw};

/// A row: its columns by name.
pub type Row = Map<String, Value>;

/// A value for `$1`. It travels as text and the server reads it as whatever type it wants there.
#[derive(Clone)]
pub struct Parameter(Value);

impl<T: Into<Value>> From<T> for Parameter {
    fn from(value: T) -> Self {
        Self(value.into())
    }
}

impl Parameter {
    /// What tells it from another, for a keyed fingerprint.
    pub fn essence(&self) -> String {
        self.0.to_string()
    }
}

/// It may be a secret.
impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[parameter]")
    }
}

impl ToSql for Parameter {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match text(&self.0, matches!(ty.kind(), Kind::Array(_))) {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }
}

fn text(value: &Value, as_array: bool) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if as_array => Some(array(items)),
        other => Some(other.to_string()),
    }
}

/// `{"a","b",NULL}`
fn array(items: &[Value]) -> String {
    let item = |item: &Value| match item {
        Value::Array(inner) => array(inner),
        other => match text(other, false) {
            Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            None => "NULL".into(),
        },
    };
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(","))
}

/// Whether this column's type is read as it comes; any other is turned into JSON by the server.
fn native(ty: &Type) -> bool {
    let known = [Type::BOOL, Type::INT2, Type::INT4, Type::INT8, Type::OID];
    let texts = [Type::TEXT, Type::VARCHAR, Type::NAME, Type::UNKNOWN, Type::JSON, Type::JSONB, Type::VOID];
    known.contains(ty) || texts.contains(ty)
}

/// The same query with every column that is not read natively turned into JSON; `None` where none is.
pub(super) fn with_json(sql: &str, columns: &[Column]) -> Option<String> {
    if columns.iter().all(|column| native(column.type_())) {
        return None;
    }
    let names = (1..=columns.len()).map(|number| format!("c{number}")).collect::<Vec<_>>().join(", ");
    let taken = columns.iter().enumerate().map(|(index, column)| {
        let number = index + 1;
        if native(column.type_()) { format!("c{number}") } else { format!("pg_catalog.to_jsonb(c{number})") }
    });
    let taken = taken.collect::<Vec<_>>().join(", ");
    Some(format!("SELECT {taken} FROM (\n{}\n) AS answer ({names})", sql.trim().trim_end_matches(';')))
}

/// A row of the answer, under the names that the query gave its columns.
pub(super) fn read(row: &Raw, columns: &[Column]) -> Result<Row, tokio_postgres::Error> {
    let cell = |index: usize| -> Result<Value, tokio_postgres::Error> {
        Ok(match *row.columns()[index].type_() {
            Type::BOOL => row.try_get::<_, Option<bool>>(index)?.into(),
            Type::INT2 => row.try_get::<_, Option<i16>>(index)?.into(),
            Type::INT4 => row.try_get::<_, Option<i32>>(index)?.into(),
            Type::INT8 => row.try_get::<_, Option<i64>>(index)?.into(),
            Type::OID => row.try_get::<_, Option<u32>>(index)?.into(),
            Type::JSON | Type::JSONB => row.try_get::<_, Option<Value>>(index)?.unwrap_or_default(),
            Type::VOID => Value::Null,
            _ => row.try_get::<_, Option<String>>(index)?.into(),
        })
    };
    columns.iter().enumerate().map(|(index, column)| Ok((column.name().to_owned(), cell(index)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_are_told_apart_and_not_shown() {
        assert_ne!(Parameter::from("1").essence(), Parameter::from(1).essence());
        assert_eq!(format!("{:?}", Parameter::from("hunter22")), "[parameter]");
    }

    #[test]
    fn parameters_are_written_as_the_server_reads_them() {
        let written = |value: Value, as_array| text(&value, as_array);
        assert_eq!(written(json!(null), false), None);
        assert_eq!(written(json!("o'clock ü"), false).as_deref(), Some("o'clock ü"));
        assert_eq!(written(json!(true), false).as_deref(), Some("true"));
        assert_eq!(written(json!({"a": 1}), false).as_deref(), Some("{\"a\":1}"));
        assert_eq!(written(json!(["a\"b", null, [1]]), true).as_deref(), Some("{\"a\\\"b\",NULL,{\"1\"}}"));
        assert_eq!(written(json!([1, 2]), false).as_deref(), Some("[1,2]"));
    }

    #[test]
    fn a_parameter_is_never_shown() {
        assert_eq!(format!("{:?}", Parameter::from("hunter22")), "[parameter]");
    }
}
