use std::net::IpAddr;

use super::UsageError;

/// Reads the database's address from the environment or a file, and not from an option, because the address
/// contains a password. Returns `None` if neither variable is set.
///
/// # Errors
/// - `UsageError` if PICPICK_DATABASE_URL is invalid or the file of PICPICK_DATABASE_URL_FILE cannot be read.
pub fn database() -> Result<Option<String>, UsageError> {
    let Some(url) = super::secret("PICPICK_DATABASE_URL", "PICPICK_DATABASE_URL_FILE")? else {
        return Ok(None);
    };
    if url.starts_with("sqlite:") {
        return Ok(Some(url.to_string()));
    }
    if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        // The database library reads PGSSLMODE if the address names no mode.
        let chosen = std::env::var_os("PGSSLMODE").is_some();
        return Ok(Some(if chosen { url.to_string() } else { with_verified_tls(&url) }));
    }
    Err(UsageError(
        "PICPICK_DATABASE_URL: expected postgres://USER:PASSWORD@HOST/DATABASE or sqlite:PATH"
            .into(),
    ))
}

/// Returns the PostgreSQL address `url` with `sslmode=verify-full`, unless the address names a mode itself or
/// the database is on this machine. The library's own default accepts a connection without encryption, and a
/// server without a valid certificate.
fn with_verified_tls(url: &str) -> String {
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let parameters = || query.split('&').filter_map(|parameter| parameter.split_once('='));
    if parameters().any(|(name, _)| ["sslmode", "ssl-mode"].contains(&name)) {
        return url.to_owned();
    }
    let authority = before.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    let in_query = parameters().filter(|(name, _)| ["host", "hostaddr"].contains(name));
    let hosts: Vec<&str> = in_query.map(|(_, host)| host).collect();
    let local = if hosts.is_empty() {
        is_local(without_port(address))
    } else {
        hosts.into_iter().all(is_local)
    };
    if local {
        return url.to_owned();
    }
    let separator = if query.is_empty() { "" } else { "&" };
    format!("{before}?{query}{separator}sslmode=verify-full")
}

fn without_port(address: &str) -> &str {
    match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => address.split(':').next().unwrap_or_default(),
    }
}

/// Returns whether `host` is a socket's folder or a loopback address. An empty host is a socket, too.
fn is_local(host: &str) -> bool {
    let socket = host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f");
    let loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    host.is_empty() || socket || host == "localhost" || loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_on_another_machine_needs_a_verified_certificate() {
        for (given, query) in [
            ("postgres://u:p@db.example/d", "?sslmode=verify-full"),
            ("postgres://u:p%40x@10.0.0.5:5432/d?application_name=x", "&sslmode=verify-full"),
            ("postgresql://u@[2001:db8::1]:5432/d", "?sslmode=verify-full"),
            ("postgres:///d?host=db.example", "&sslmode=verify-full"),
            ("postgres://u@localhost/d?host=db.example", "&sslmode=verify-full"),
            ("postgres://u:localhost@db.example/d", "?sslmode=verify-full"),
        ] {
            assert_eq!(with_verified_tls(given), format!("{given}{query}"));
        }
        for kept in [
            "postgres://u:p@db.example/d?sslmode=require",
            "postgres://u:p@db.example/d?a=b&sslmode=disable",
            "postgres://u:p@localhost:5432/d",
            "postgres://u:p@127.0.0.1/d",
            "postgres://u:p@[::1]:5432/d",
            "postgres://u:p@%2Frun%2Fpostgresql/d",
            "postgres:///d?host=/run/postgresql",
            "postgres:///d",
        ] {
            assert_eq!(with_verified_tls(kept), kept);
        }
    }
}
