//! The hosts that the service serves, and the client's address behind trusted proxies.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use picpick_tests::client::Request;
use picpick_tests::{Answer, Database, Service, sandbox, service};
use serde_json::json;

/// Maximum time to wait for a response. Only a failing test waits that long.
const ANSWER_MAX: Duration = Duration::from_secs(120);

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
    stream
}

/// Sends a request line and header lines to `address`. Returns the status and the whole response.
fn send(address: &str, request: &str, headers: &[&str]) -> (u16, String) {
    let mut stream = connect(address);
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    write!(stream, "{request}\r\n{lines}Connection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {answer}"));
    (status.parse().unwrap(), answer)
}

fn host_of(service: &Service) -> String {
    service.address().strip_prefix("http://").unwrap().to_owned()
}

#[test]
fn only_requests_to_this_service_are_answered() {
    let service = service!(Database::Sqlite);
    let own = host_of(&service);
    let (_, port) = own.split_once(':').unwrap();
    let [local, foreign] = ["localhost", "evil.example"].map(|host| format!("Host: {host}:{port}"));
    let own = format!("Host: {own}");
    let address = host_of(&service);
    for path in
        ["/healthz", "/readyz", "/sign-in", "/api/v1/openapi.json", "/assets/api.js", "/none"]
    {
        let get = format!("GET {path} HTTP/1.1");
        let (expected, _) = send(&address, &get, &[&own]);
        assert_eq!(send(&address, &get, &[&local]).0, expected, "{path}");
        for (headers, status, code) in [
            (&[][..], 400, "bad_request"),
            (&[own.as_str(), &own], 400, "bad_request"),
            (&[own.as_str(), &foreign], 400, "bad_request"),
            (&["Host: a b"], 400, "bad_request"),
            (&[foreign.as_str()], 421, "foreign_host"),
            (&["Host: localhost:1"], 421, "foreign_host"),
        ] {
            let (received, answer) = send(&address, &get, headers);
            assert_eq!(received, status, "{path} {headers:?}: {answer}");
            // An HTTP parser that rejects the request itself sends no problem document.
            assert!(answer.contains(code) || received == 400, "{path} {headers:?}: {answer}");
        }
    }
    // A target in absolute form names the host too, and HTTP/1.0 needs no header.
    let absolute = format!("GET http://evil.example:{port}/healthz HTTP/1.1");
    assert_eq!(send(&address, &absolute, &[&own]).0, 421);
    assert_eq!(send(&address, "GET /healthz HTTP/1.0", &[]).0, 204);
    assert_eq!(send(&address, "GET /healthz HTTP/1.0", &["Host: evil.example"]).0, 421);
}

/// HSTS is sent on encrypted connections, with the subdomains if the operator says that they are ours.
#[test]
fn subdomains_are_encrypted_only_on_request() {
    for (setting, expected) in
        [(None, "max-age=63072000\r\n"), (Some("true"), "max-age=63072000; includeSubDomains\r\n")]
    {
        let chosen = setting.map(|on| ("PICPICK_HSTS_SUBDOMAINS", on.to_owned()));
        let environment = chosen.into_iter().collect();
        let service = Service::start_with(sandbox!(), environment);
        let (address, get) = (host_of(&service), "GET /healthz HTTP/1.1");
        let host = format!("Host: {address}");
        let (_, plain) = send(&address, get, &[&host]);
        assert!(!plain.contains("strict-transport-security"), "{plain}");
        // A trusted proxy says that the client's connection is encrypted.
        let (status, answer) = send(&address, get, &[&host, "X-Forwarded-Proto: https"]);
        let header = format!("strict-transport-security: {expected}");
        assert!(status == 204 && answer.contains(&header), "{answer}");
    }
}

#[test]
fn the_metrics_have_the_same_hosts_and_the_operator_adds_others() {
    let environment = vec![
        ("PICPICK_METRICS_LISTEN", "127.0.0.1:0".to_owned()),
        ("PICPICK_ALLOW_HOST", "picpick.internal,probe.internal:9".to_owned()),
    ];
    let service = Service::start_with(sandbox!(), environment);
    let log = service.log();
    let (_, rest) = log.split_once("Metrics are at http://").expect("the address of the metrics");
    let metrics = rest.lines().next().unwrap().strip_suffix("/metrics").unwrap();
    let own = format!("Host: {metrics}");
    let get = "GET /metrics HTTP/1.1";
    let (status, figures) = send(metrics, get, &[&own]);
    assert!(status == 200 && figures.contains("picpick_"), "{figures}");
    assert_eq!(send(metrics, get, &["Host: picpick.internal"]).0, 200);
    assert_eq!(send(metrics, get, &["Host: probe.internal:9"]).0, 200);
    assert_eq!(send(metrics, "GET /readyz HTTP/1.1", &["Host: evil.example"]).0, 421);
    for headers in
        [&["Host: evil.example"][..], &["Host: probe.internal"], &[], &[own.as_str(), &own]]
    {
        let (status, answer) = send(metrics, get, headers);
        assert!(
            [400, 421].contains(&status) && !answer.contains("picpick_"),
            "{headers:?}: {answer}"
        );
    }
    let health = "GET /healthz HTTP/1.1";
    assert_eq!(send(&host_of(&service), health, &["Host: picpick.internal:1"]).0, 204);
    assert_eq!(send(&host_of(&service), health, &["Host: other.internal"]).0, 421);
}

/// Requests `/healthz` in HTTP/2 with an authority. Returns the first byte of the response's header block
/// (RFC 7541): 0x89 for status 204, 0x8c for 400.
fn http2(address: &str, authority: Option<&str>) -> u8 {
    let mut block = vec![0x82, 0x86, 0x04, 8];
    block.extend(b"/healthz");
    if let Some(authority) = authority {
        block.extend([0x01, u8::try_from(authority.len()).unwrap()]);
        block.extend(authority.as_bytes());
    }
    let mut stream = connect(address);
    let length = u8::try_from(block.len()).unwrap();
    let headers = [0, 0, length, 1, 0x05, 0, 0, 0, 1];
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
    stream.write_all(&[&headers[..], &block].concat()).unwrap();
    loop {
        let mut frame = [0; 9];
        stream.read_exact(&mut frame).unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, frame[0], frame[1], frame[2]]) as usize];
        stream.read_exact(&mut payload).unwrap();
        if frame[3] == 1 {
            return payload[0];
        }
    }
}

#[test]
fn the_authority_of_http2_is_the_host() {
    let service = service!(Database::Sqlite);
    let own = host_of(&service);
    assert_eq!(http2(&own, Some(&own)), 0x89);
    assert_eq!(http2(&own, None), 0x8c);
    let foreign = http2(&own, Some("evil.example"));
    assert!(foreign != 0x89 && foreign != 0x8c, "{foreign:#x}");
}

/// Signs in with wrong credentials, as a client whose requests arrive with these lines of `X-Forwarded-For`.
fn sign_in(service: &Service, lines: &[&str]) -> Answer {
    let [first @ .., last] = lines else { panic!("no line") };
    let line = |text: &&str| ("x-forwarded-for".to_owned(), (*text).to_owned());
    let wrong = json!({ "email": "nowhere@mail.example", "password": "not a password" });
    service.client().at(last).send(Request {
        method: "POST".into(),
        path: "/session".into(),
        headers: first.iter().map(line).collect(),
        body: Some(("application/json".into(), wrong.to_string().into_bytes())),
    })
}

#[test]
fn a_client_cannot_choose_its_address() {
    // One sign-in costs 50 of the 60 units that an address may use at once.
    let environment = vec![("PICPICK_RATE_LIMIT_IP", "1".to_owned())];
    let service = Service::start_with(sandbox!(), environment);
    for [first, second] in [
        [&["203.0.113.1"][..], &["203.0.113.1:9"]],
        [&["9.9.9.9, 203.0.113.5:4431"], &["8.8.8.8, 203.0.113.5:4432"]],
        [&["7.7.7.1, [2001:db8:1::2]:443"], &["7.7.7.2, 2001:db8:1::2"]],
        [&["7.7.7.3, unknown"], &["7.7.7.4, _hidden"]],
        [&["7.7.7.5", "203.0.113.6:1"], &["7.7.7.6", "203.0.113.6:2"]],
        [&["7.7.7.7, 203.0.113.7, 127.0.0.1"], &["7.7.7.8", "203.0.113.7", "127.0.0.1:80"]],
    ] {
        sign_in(&service, first).fails(401, "wrong_credentials");
        sign_in(&service, second).fails(429, "too_many_requests");
    }
}
