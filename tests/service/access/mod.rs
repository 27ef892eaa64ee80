//! Sends every operation of the API as every kind of caller, for own, foreign and unknown resources, and
//! compares the responses with the access rules.
//!
//! The requests are generated from the API description (`tests/src/openapi.rs`); the expected access comes
//! from `table.rs`. A new route is covered without a change here; a route without a rule fails the test.

mod fixtures;
mod table;

use std::collections::BTreeSet;

use fixtures::{Caller, KINDS, Place, Standing, World};
use picpick_tests::openapi::{Operation, operations};
use picpick_tests::{Answer, Service, on_both_databases};

on_both_databases!(access_agrees_with_the_table);

/// Operations that the handler itself refuses to allowed callers, with the reason.
const REFUSED_BY_HANDLER: [(&str, &str); 3] = [
    ("GET /album/download", "an album without photos has no archive"),
    ("PUT /me/second-factor", "the generated code is wrong"),
    ("POST /studios", "members of single events create no studios"),
];

/// The violations found, and the numbers of requests.
#[derive(Default)]
struct Findings {
    breaches: Vec<String>,
    tried: usize,
    unauthorised: usize,
    succeeded: BTreeSet<String>,
    /// True if a caller made a forbidden change. Later requests may then find that a resource is missing.
    spoilt: bool,
}

impl Findings {
    fn breach(&mut self, what: &str, caller: &str, answer: &Answer) {
        let body = String::from_utf8_lossy(&answer.body);
        let status = answer.status;
        self.breaches.push(format!("{what} as {caller}: {} → {status} {body}", answer.asked));
    }
}

fn access_agrees_with_the_table(service: Service) {
    let mut world = World::new(&service);
    let operations = operations(&service.client());
    let unclear: Vec<String> = operations.iter().filter_map(table::unclear).collect();
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
    let mut findings = Findings::default();
    'tries: for operation in &operations {
        for caller in 0..world.callers.len() {
            // The owner invites more members here than an owner may in a day.
            service.change_rows("DELETE FROM quotas WHERE subject LIKE 'invitations:%'");
            check_own(&mut world, operation, caller, &mut findings);
            if findings.spoilt {
                break 'tries;
            }
            check_foreign(&world, operation, caller, &mut findings);
        }
    }
    let Findings { breaches, tried, unauthorised, succeeded, .. } = findings;
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
    world.assert_foreign_unchanged();
    println!("{tried} requests to {} operations, {unauthorised} of them refused", operations.len());
    assert!(unauthorised > 20 * operations.len(), "expected more refusals than {unauthorised}");
    // A service that refuses every request must fail the test.
    let known = |operation: &&Operation| operation.parameters().iter().all(|it| KINDS.contains(it));
    let known: Vec<String> = operations.iter().filter(known).map(Operation::name).collect();
    let failed: Vec<&String> = known.iter().filter(|name| !succeeded.contains(*name)).collect();
    println!("no caller succeeded with: {failed:?}");
    assert!(succeeded.len() * 10 >= known.len() * 8, "no caller succeeded with {failed:?}");
}

/// Returns whether the guard refused the request, as opposed to a handler that rejects a wrong password.
fn is_refusal(answer: &Answer) -> bool {
    let ours = ["unauthenticated", "forbidden", "cross_site"].contains(&answer.code().as_str());
    matches!(answer.status, 401 | 403) && ours
}

/// Sends `operation` as `caller` for resources of the studio under test, and checks access by the table.
fn check_own(world: &mut World, operation: &Operation, caller: usize, findings: &mut Findings) {
    let allowed = table::may(operation, &world.callers[caller], Place::Own);
    let deletes_event = operation.method == "DELETE" && operation.path.ends_with("{event}");
    let fresh = (deletes_event && allowed).then(|| world.with_fresh_event(caller));
    let (caller_now, event) = match &fresh {
        Some((caller, event)) => (caller, Some(event.as_str())),
        None => (&world.callers[caller], None),
    };
    let fill = |name: &str| match (name, event) {
        ("event", Some(event)) => Some(event.to_owned()),
        _ => world.fill(name, Place::Own, caller_now),
    };
    let answer = caller_now.client.send(operation.request(&fill));
    findings.tried += 1;
    let name = operation.name();
    let exempt = REFUSED_BY_HANDLER.iter().any(|(refused, _)| *refused == name);
    if !allowed {
        findings.unauthorised += 1;
        if !matches!(answer.status, 401 | 403 | 404) {
            findings.breach("forbidden by the table, but not refused", &caller_now.name, &answer);
            findings.spoilt |= answer.status < 300 && operation.method != "GET";
        }
        if table::lacks_credentials(operation, caller_now) && answer.status != 401 {
            findings.breach("expected 401 without credentials", &caller_now.name, &answer);
        }
    } else if is_refusal(&answer) && !exempt {
        findings.breach("allowed by the table, but refused", &caller_now.name, &answer);
    } else if (200..300).contains(&answer.status) {
        findings.succeeded.insert(name);
    }
    if operation.method != "GET" {
        world.sign_in_again(caller);
    }
}

/// Checks that the responses for resources of another studio and for unknown ids are indistinguishable.
fn check_foreign(world: &World, operation: &Operation, caller: usize, findings: &mut Findings) {
    let caller = &world.callers[caller];
    let parameters = operation.parameters();
    let outside = table::lacks_credentials(operation, caller);
    let ask = |place: &dyn Fn(&str) -> Place| {
        caller.client.send(operation.request(&|name| world.fill(name, place(name), caller)))
    };
    let mut compare = |what: &str, foreign: Answer, unknown: Answer, must_be_404: bool| {
        findings.tried += 2;
        findings.unauthorised += 2;
        let same = foreign.status == unknown.status
            && foreign.body == unknown.body
            && comparable_headers(&foreign) == comparable_headers(&unknown);
        if !same {
            findings.breach(
                &format!("{what}: distinguishable from an unknown id"),
                &caller.name,
                &foreign,
            );
        }
        for answer in [&foreign, &unknown] {
            let expected = if outside { 401 } else { 404 };
            if answer.status < 400 || (must_be_404 && answer.status != expected) {
                findings.breach(what, &caller.name, answer);
            }
        }
    };
    let open = operation.access.as_ref().is_none_or(|access| access.scope == "open");
    if parameters.is_empty() || open {
        return;
    }
    let people_only = operation.access.as_ref().is_some_and(|access| access.scope == "signed_in");
    // A visitor without the annotate PIN and an unverified guest are refused before any resource is looked
    // up.
    let scope = operation.access.as_ref().map_or("", |access| access.scope.as_str());
    let too_early = ["album", "guest"].contains(&scope)
        && !outside
        && !table::may(operation, caller, Place::Own);
    let reaches = !(too_early || people_only && caller.person.is_none());
    // For an owner of the other studio, own and foreign resources are swapped.
    let swapped = caller.standing == Standing::Foreign && !people_only;
    let foreign = if swapped { Place::Own } else { Place::Foreign };
    let must_be_404 = reaches || outside;
    let known = parameters.iter().all(|name| KINDS.contains(name));
    compare("foreign", ask(&|_| foreign), ask(&|_| Place::Unknown), must_be_404 && known);
    if table::may(operation, caller, Place::Own) {
        let last = *parameters.last().unwrap();
        let only_last = |place| move |name: &str| if name == last { place } else { Place::Own };
        let known = KINDS.contains(&last);
        let (foreign, unknown) = (ask(&only_last(Place::Foreign)), ask(&only_last(Place::Unknown)));
        compare("foreign below one's own", foreign, unknown, known);
        for field in operation.fields(|name| KINDS.contains(&name) && !parameters.contains(&name)) {
            let only_field =
                |place| move |name: &str| if name == field { place } else { Place::Own };
            let foreign = ask(&only_field.clone()(Place::Foreign));
            compare("a foreign reference", foreign, ask(&only_field(Place::Unknown)), false);
        }
    }
    if caller.is_for_one_event() && parameters.contains(&"event") {
        let sibling = |name: &str| if name == "event" { Place::Sibling } else { Place::Own };
        compare("another event of the studio", ask(&sibling), ask(&|_| Place::Unknown), true);
    }
}

/// Returns the headers that could distinguish two responses, without request id and date.
fn comparable_headers(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let own = ["x-request-id", "date"];
    let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    headers.sort();
    headers
}

#[test]
fn an_anonymous_caller_is_recognised() {
    let caller = Caller::anonymous(picpick_tests::Client::new(&Default::default()));
    assert!(caller.is_anonymous() && !caller.is_for_one_event());
}
