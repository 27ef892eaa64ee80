use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

/// Maximum wait for the first byte, and maximum lag of the later bytes behind `BYTES_PER_S`: 30 s.
const GRACE: Duration = Duration::from_secs(30);
/// Minimum average rate of a body: 4 KiB/s, slower than any connection over which a studio uploads photos. At
/// this rate, a photo of 10 MB takes about 40 minutes.
const BYTES_PER_S: u64 = 4 << 10;

/// Wraps `body` so that it ends in an error (`TimedOut`) if it arrives more slowly than the minimum rate.
/// Used for uploads, which have no time limit.
pub fn enforce_rate(body: Body) -> Body {
    watched(body, GRACE, BYTES_PER_S)
}

fn watched(body: Body, patience: Duration, bytes_per_s: u64) -> Body {
    let state = (body.into_data_stream(), Instant::now(), 0_u64);
    Body::from_stream(stream::unfold(Some(state), move |state| async move {
        let (mut chunks, begun, bytes) = state?;
        let due = begun + patience + Duration::from_secs(bytes / bytes_per_s);
        let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
        let next: Result<Bytes, axum::BoxError> =
            match tokio::time::timeout_at(due, chunks.next()).await {
                Err(_) => Err(late().into()),
                Ok(None) => return None,
                Ok(Some(chunk)) => chunk.map_err(Into::into),
            };
        let rest = next.as_ref().ok().map(|chunk| {
            let bytes = bytes + u64::try_from(chunk.len()).unwrap_or(0);
            (chunks, begun, bytes)
        });
        Some((next, rest))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dripping(count: u64, every: Duration) -> Body {
        Body::from_stream(stream::unfold(0, move |sent| async move {
            tokio::time::sleep(every).await;
            (sent < count)
                .then(|| (Ok::<_, std::io::Error>(Bytes::from_static(b"12345678")), sent + 1))
        }))
    }

    #[tokio::test]
    async fn a_steady_body_comes_through_and_a_dripping_one_ends() {
        let patience = Duration::from_millis(300);
        let steady = watched(dripping(5, Duration::from_millis(5)), patience, 1 << 20);
        assert_eq!(axum::body::to_bytes(steady, 1000).await.unwrap().len(), 40);
        let slow = watched(dripping(1000, Duration::from_millis(20)), patience, 1 << 20);
        let begun = Instant::now();
        assert!(axum::body::to_bytes(slow, 10_000).await.is_err());
        assert!(begun.elapsed() < Duration::from_secs(2), "a slow body is cut off early");
        // Received bytes extend the deadline: the minimum is 8 bytes a second, and 8 bytes arrive every 20
        // ms.
        let fast = watched(dripping(40, Duration::from_millis(20)), patience, 8);
        assert_eq!(axum::body::to_bytes(fast, 1000).await.unwrap().len(), 320);
    }
}
