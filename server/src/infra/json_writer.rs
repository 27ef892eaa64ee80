//! Writes JSON documents of any length: one value at a time is in memory, and the bytes go on as they are written.

use serde::Serialize;

use super::db::{Page, Paging};
use super::piece_stream::ByteSink;
use crate::error::{ApiError, Result};

/// The writer of a document in progress. The caller opens and closes objects and lists, and names each value of an
/// object.
pub struct JsonWriter<'a, S> {
    sink: &'a mut S,
    /// The objects and lists that are open, outermost first.
    open: Vec<OpenValue>,
}

struct OpenValue {
    end: u8,
    has_values: bool,
}

impl<'a, S: ByteSink> JsonWriter<'a, S> {
    pub fn new(sink: &'a mut S) -> Self {
        Self { sink, open: Vec::new() }
    }

    /// Begins an object: the document, or a value of the open list.
    pub async fn open_object(&mut self) -> Result<()> {
        self.write(b"{").await?;
        self.open.push(OpenValue { end: b'}', has_values: false });
        Ok(())
    }

    /// Begins a list in the open object.
    pub async fn open_list(&mut self, name: &str) -> Result<()> {
        let mut text = serde_json::to_vec(name).map_err(ApiError::internal)?;
        text.extend_from_slice(b": [");
        self.write(&text).await?;
        self.open.push(OpenValue { end: b']', has_values: false });
        Ok(())
    }

    /// Ends the object or list that was begun last.
    pub async fn close(&mut self) -> Result<()> {
        match self.open.pop() {
            Some(OpenValue { end, .. }) => self.sink.append(&[b'\n', end]).await,
            None => Err(ApiError::internal("a JSON document with too many ends")),
        }
    }

    /// Writes a field of the open object.
    pub async fn field(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(name).map_err(ApiError::internal)?;
        text.extend_from_slice(b": ");
        serde_json::to_writer(&mut text, value).map_err(ApiError::internal)?;
        self.write(&text).await
    }

    /// Writes values of the open list.
    pub async fn items(&mut self, values: &[impl Serialize]) -> Result<()> {
        for value in values {
            let text = serde_json::to_vec(value).map_err(ApiError::internal)?;
            self.write(&text).await?;
        }
        Ok(())
    }

    /// Writes the items of a page as values of the open list. Returns where the next page begins; `None` after the
    /// last page.
    pub async fn page<T: Serialize>(&mut self, page: Page<T>) -> Result<Option<Paging>> {
        self.items(&page.items).await?;
        Ok(page.following())
    }

    /// Writes the beginning of a value, after a comma if it is not the first one of its object or list.
    async fn write(&mut self, text: &[u8]) -> Result<()> {
        if let Some(open) = self.open.last_mut() {
            let between: &[u8] = if open.has_values { b",\n" } else { b"\n" };
            open.has_values = true;
            self.sink.append(between).await?;
        }
        self.sink.append(text).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Keeps what is written, and the size of the largest part.
    #[derive(Default)]
    struct Part {
        all: Vec<u8>,
        largest: usize,
    }

    impl ByteSink for Part {
        async fn append(&mut self, bytes: &[u8]) -> Result<()> {
            self.largest = self.largest.max(bytes.len());
            self.all.extend_from_slice(bytes);
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_document_is_written_value_by_value() {
        let mut sink = Part::default();
        let mut json = JsonWriter::new(&mut sink);
        let item = |nth: usize| json!({ "nth": nth, "text": "\"x\"\n" });
        json.open_object().await.unwrap();
        json.field("a \"name\"", &1).await.unwrap();
        json.open_list("none").await.unwrap();
        json.close().await.unwrap();
        json.open_list("many").await.unwrap();
        for nth in 0..50_000 {
            json.items(&[item(nth)]).await.unwrap();
        }
        json.close().await.unwrap();
        json.open_list("nested").await.unwrap();
        for nth in 0..2 {
            json.open_object().await.unwrap();
            json.field("nth", &nth).await.unwrap();
            json.open_list("items").await.unwrap();
            json.items(&[item(1), item(2)]).await.unwrap();
            json.close().await.unwrap();
            json.close().await.unwrap();
        }
        json.close().await.unwrap();
        json.close().await.unwrap();
        assert!(json.close().await.is_err(), "nothing is open");
        let read: Value = serde_json::from_slice(&sink.all).unwrap();
        let many: Vec<Value> = (0..50_000).map(item).collect();
        let nested = |nth: usize| json!({ "nth": nth, "items": [item(1), item(2)] });
        let expected =
            json!({ "a \"name\"": 1, "none": [], "many": many, "nested": [nested(0), nested(1)] });
        assert_eq!(read, expected);
        assert!(sink.largest < 100, "{} bytes at once", sink.largest);
    }
}
