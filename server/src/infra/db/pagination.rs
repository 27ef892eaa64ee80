//! Keyset pagination: a page begins after the time and id of the previous page's last row.

use sqlx::any::AnyRow;

use super::Db;
use crate::error::{Failure, Result};
use crate::http::extract::{Page, Paging};

/// A query whose rows are listed page by page.
pub struct List<'a> {
    /// `SELECT … WHERE …` with the parameters `$1` to `$n` for `values`.
    pub select: &'a str,
    pub values: &'a [Value<'a>],
    /// The columns of time and id by which rows are ordered.
    pub order: [&'a str; 2],
}

/// A bound value of a statement.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Text(&'a str),
    Number(i64),
}

/// The order of most lists.
pub const BY_CREATION: [&str; 2] = ["created_unix_s", "id"];

impl Db {
    /// Returns the page of `list` that `paging` selects. `read` converts a row, `place` returns an item's
    /// time and id.
    pub async fn page<T, E>(
        &self,
        paging: &Paging,
        list: List<'_>,
        read: impl Fn(&AnyRow) -> std::result::Result<T, E>,
        place: impl Fn(&T) -> (i64, &str),
    ) -> Result<Page<T>>
    where
        Failure: From<E>,
    {
        let (limit, after) = (paging.limit()?, paging.after()?);
        let text = statement(&list);
        let query = list.values.iter().fold(sqlx::query(&text), |query, value| match value {
            Value::Text(text) => query.bind(*text),
            Value::Number(number) => query.bind(*number),
        });
        let query = query.bind(after.unix_s).bind(after.id).bind(limit + 1);
        let rows = query.fetch_all(self.read()).await?;
        let entries = rows.iter().map(read).collect::<std::result::Result<Vec<_>, E>>()?;
        Ok(Page::of(entries, limit, place))
    }
}

fn statement(list: &List<'_>) -> String {
    let [at, id] = list.order;
    let from = list.values.len() + 1;
    let (then, limit) = (from + 1, from + 2);
    format!(
        "{} AND ({at} > ${from} OR ({at} = ${from} AND {id} > ${then})) ORDER BY {at}, {id} LIMIT ${limit}",
        list.select
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_numbered_after_the_values() {
        let (select, values) = ("SELECT * FROM a WHERE b = $1", [Value::Text("x")]);
        let list = List { select, values: &values, order: ["m.at", "m.id"] };
        assert_eq!(
            statement(&list),
            "SELECT * FROM a WHERE b = $1 AND (m.at > $2 OR (m.at = $2 AND m.id > $3)) ORDER BY m.at, m.id LIMIT $4"
        );
    }
}
