use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Writes each log event to standard error as one line. A value from outside that holds a line break could
/// otherwise forge an entry of the text format.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineWriter;

impl<'a> MakeWriter<'a> for LineWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for LineWriter {
    /// Writes one event, which the log passes as a whole, with a line break at its end.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&one_line(event))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Returns `event` with `\n` and `\r` in place of line breaks, except for the one at its end.
fn one_line(event: &[u8]) -> Vec<u8> {
    let (text, end) = match event.strip_suffix(b"\n") {
        Some(text) => (text, "\n"),
        None => (event, ""),
    };
    let mut line = Vec::with_capacity(event.len());
    for byte in text {
        match byte {
            b'\n' => line.extend(br"\n"),
            b'\r' => line.extend(br"\r"),
            other => line.push(*other),
        }
    }
    line.extend(end.as_bytes());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        assert_eq!(
            one_line(b"INFO x=a\nERROR forged\r\n"),
            br"INFO x=a\nERROR forged\r".iter().chain(b"\n").copied().collect::<Vec<_>>()
        );
        assert_eq!(one_line("INFO ü\n".as_bytes()), "INFO ü\n".as_bytes());
        assert_eq!(one_line(b""), b"");
    }
}
