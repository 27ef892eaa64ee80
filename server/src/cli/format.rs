use std::path::Path;
use std::time::Duration;

use time::UtcDateTime;

/// Formats a number with its noun: `1 photo`, `2 photos`, `12,345 photos`.
pub fn count(number: usize, thing: &str) -> String {
    let plural = match thing.strip_suffix("person") {
        Some(start) => format!("{start}people"),
        None => format!("{thing}s"),
    };
    format!("{} {}", thousands(number), if number == 1 { thing } else { &plural })
}

/// Formats a number with its digits in groups of three: `12,345`.
pub fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Formats a size in decimal units with at least two digits: `12 MB`, `3.4 GB`.
pub fn bytes(number: u64) -> String {
    let mut value = number as f64;
    for unit in ["bytes", "kB", "MB", "GB"] {
        if value < 999.5 {
            let decimals = usize::from(value < 9.95 && unit != "bytes");
            return format!("{value:.decimals$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// Formats a duration: `4.2 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match seconds {
        0..=59 => format!("{:.1} s", time.as_secs_f64()),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Formats seconds since the Unix epoch: `2026-05-01 14:30 UTC`. Formats a time after the year 9999 as the
/// last minute of that year.
pub fn date(unix_s: u64) -> String {
    let time = i64::try_from(unix_s).ok().and_then(|s| UtcDateTime::from_unix_timestamp(s).ok());
    let time = time.unwrap_or(UtcDateTime::MAX);
    format!("{} {:02}:{:02} UTC", time.date(), time.hour(), time.minute())
}

/// Formats a path for the terminal: replaces bytes that are not UTF-8 and escapes control characters.
pub fn path(path: &Path) -> String {
    super::report::printable(&path.to_string_lossy()).replace('\n', "\\n")
}

/// Converts a duration to milliseconds, rounded to a tenth.
pub fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1, "photo"), "1 photo");
        assert_eq!(count(0, "face"), "0 faces");
        assert_eq!(count(1_234_567, "person"), "1,234,567 people");
        assert_eq!(count(1, "person"), "1 person");
        assert_eq!((bytes(0), bytes(1_234)), ("0 bytes".into(), "1.2 kB".into()));
        assert_eq!((bytes(999_600), bytes(84_000_000)), ("1.0 MB".into(), "84 MB".into()));
        assert_eq!(bytes(5_000_000_000_000), "5.0 TB");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(duration(Duration::from_millis(4_230)), "4.2 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(duration(Duration::from_secs(7_500)), "2 h 5 min");
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_827_696), "2000-02-29 12:34 UTC");
        assert_eq!(date(4_107_542_399), "2100-02-28 23:59 UTC");
        assert_eq!(date(u64::MAX), "9999-12-31 23:59 UTC");
    }
}
