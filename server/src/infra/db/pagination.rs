//! Keyset pagination: a page begins after the time and id of the previous page's last row.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use utoipa::{IntoParams, ToSchema};

use super::Db;
use crate::error::{ApiError, Result};

/// The query parameters that select a page of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// `next` of the previous page; absent for the first page.
    pub cursor: Option<String>,
    /// Maximum number of items of the page, 1 to 500.
    #[param(minimum = 1, maximum = 500, default = 100)]
    pub limit: Option<u32>,
}

/// A page of a list, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The position after which a page begins: the time and the id of the previous page's last item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    pub unix_s: i64,
    pub id: String,
}

impl Paging {
    /// Returns the validated number of items of the page. The caller queries one more item, to learn whether
    /// another page follows.
    ///
    /// # Errors
    /// - `Invalid` if the limit is not 1 to 500.
    pub fn limit(&self) -> Result<i64> {
        match self.limit.unwrap_or(100) {
            limit @ 1..=500 => Ok(i64::from(limit)),
            limit => Err(ApiError::invalid(format!("limit: expected 1 to 500, received {limit}."))),
        }
    }

    /// Returns the first page of the largest size, for a caller that reads all pages.
    pub fn of_all() -> Self {
        Self { cursor: None, limit: Some(500) }
    }

    /// Decodes the cursor. Without a cursor, the page begins with the first item.
    ///
    /// # Errors
    /// - `Invalid` if the text is not a cursor.
    pub fn after(&self) -> Result<After> {
        let Some(cursor) = &self.cursor else { return Ok(After { unix_s: -1, id: String::new() }) };
        let read = || {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
            let (unix_s, id) = text.split_once('.')?;
            Some(After { unix_s: unix_s.parse().ok()?, id: id.to_owned() })
        };
        read()
            .filter(|after| after.id.is_ascii() && !after.id.contains('\0'))
            .ok_or_else(|| ApiError::invalid("cursor: expected 'next' of the previous page."))
    }
}

impl<T> Page<T> {
    /// Builds the page from `items`, which the caller queried with `limit + 1`. `place` returns an item's
    /// time and id.
    pub fn of(mut items: Vec<T>, limit: i64, place: impl Fn(&T) -> (i64, &str)) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| {
            let (unix_s, id) = place(last);
            URL_SAFE_NO_PAD.encode(format!("{unix_s}.{id}"))
        });
        Self { items, next }
    }

    /// Returns the next page for a caller that reads all pages; `None` after the last page.
    pub fn following(self) -> Option<Paging> {
        self.next.map(|cursor| Paging { cursor: Some(cursor), ..Paging::of_all() })
    }

    /// Converts the items. The cursor stays.
    pub fn try_map<U>(self, convert: impl FnMut(T) -> Result<U>) -> Result<Page<U>> {
        let items = self.items.into_iter().map(convert).collect::<Result<_>>()?;
        Ok(Page { items, next: self.next })
    }
}

/// A query whose rows are listed page by page.
pub struct PageQuery<'a> {
    /// `SELECT … WHERE …` with the parameters `$1` to `$n` for `values`.
    pub select: &'a str,
    pub values: &'a [BoundValue<'a>],
    /// The columns of time and id by which rows are ordered.
    pub order: [&'a str; 2],
}

/// A bound value of a statement.
#[derive(Clone, Copy, Debug)]
pub enum BoundValue<'a> {
    Text(&'a str),
    Number(i64),
}

/// The order by time of creation, oldest first.
pub const BY_CREATION: [&str; 2] = ["created_unix_s", "id"];

impl Db {
    /// Returns the page of `list` that `paging` selects. `read` converts a row; `place` returns an item's
    /// time and id.
    ///
    /// # Errors
    /// - `Invalid` if the cursor or the limit is invalid.
    pub async fn page<T, E>(
        &self,
        paging: &Paging,
        list: PageQuery<'_>,
        read: impl Fn(&AnyRow) -> std::result::Result<T, E>,
        place: impl Fn(&T) -> (i64, &str),
    ) -> Result<Page<T>>
    where
        ApiError: From<E>,
    {
        let (limit, after) = (paging.limit()?, paging.after()?);
        let text = statement(&list);
        let query = list.values.iter().fold(sqlx::query(&text), |query, value| match value {
            BoundValue::Text(text) => query.bind(*text),
            BoundValue::Number(number) => query.bind(*number),
        });
        let query = query.bind(after.unix_s).bind(after.id).bind(limit + 1);
        let rows = query.fetch_all(self.read()).await?;
        let entries = rows.iter().map(read).collect::<std::result::Result<Vec<_>, E>>()?;
        Ok(Page::of(entries, limit, place))
    }
}

fn statement(list: &PageQuery<'_>) -> String {
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
        let (select, values) = ("SELECT * FROM a WHERE b = $1", [BoundValue::Text("x")]);
        let list = PageQuery { select, values: &values, order: ["m.at", "m.id"] };
        assert_eq!(
            statement(&list),
            "SELECT * FROM a WHERE b = $1 AND (m.at > $2 OR (m.at = $2 AND m.id > $3)) ORDER BY m.at, m.id LIMIT $4"
        );
    }

    #[test]
    fn pages_join_without_gap_and_refuse_what_is_no_cursor() {
        let place = |item: &(i64, String)| -> (i64, String) { item.clone() };
        let items: Vec<(i64, String)> = (0..5).map(|i| (i / 2, format!("{i}"))).collect();
        let page = Page::of(items.clone(), 4, |item| (item.0, item.1.as_str()));
        let paging = Paging { cursor: page.next.clone(), limit: None };
        let after = paging.after().unwrap();
        assert_eq!((after.unix_s, after.id), place(&items[3]));
        assert!(Page::of(items, 5, |item| (item.0, item.1.as_str())).next.is_none());
        for bad in ["", "%", "YQ", "LTE", "äö"] {
            assert!(Paging { cursor: Some(bad.into()), limit: None }.after().is_err(), "{bad}");
        }
        assert!(Paging { cursor: None, limit: Some(0) }.limit().is_err());
        assert!(Paging { cursor: None, limit: Some(501) }.limit().is_err());
    }
}
