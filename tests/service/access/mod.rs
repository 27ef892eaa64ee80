//! Every operation that the service describes, as everybody who could try it, on what is theirs, on what is
//! somebody else's and on what is not there. On SQLite and on PostgreSQL.
//!
//! Requests come from the description (`contract.rs`), who may do what from a table of this test's own
//! (`service_access/table.rs`): a new route is covered at once, a route without a rule fails.

mod fixtures;
mod table;

use std::collections::BTreeSet;

use fixtures::{Caller, KINDS, Place, Standing, World};
use picpick_tests::openapi::{Operation, operations};
use picpick_tests::{Answer, Service, on_both_databases};

on_both_databases!(everybody_may_do_what_the_table_says);

/// What allowed callers are refused by the handler itself, and why.
const REFUSED_BY_HANDLER: [(&str, &str); 3] = [
    ("GET /album/download", "an album without photos gives none"),
    ("PUT /me/second-factor", "a code that is made up is wrong"),
    ("POST /studios/{studio}/keys", "keys are made by people, and programs are told so"),
];

/// What went wrong, and how much was tried.
#[derive(Default)]
struct Findings {
    breaches: Vec<String>,
    tried: usize,
    unauthorised: usize,
    succeeded: BTreeSet<String>,
    /// Somebody changed what they must not: what follows is tried on things that may be gone.
    spoilt: bool,
}

impl Findings {
    fn breach(&mut self, what: &str, caller: &str, answer: &Answer) {
        let body = String::from_utf8_lossy(&answer.body);
        let status = answer.status;
        self.breaches.push(format!("{what} as {caller}: {} → {status} {body}", answer.asked));
    }
}

fn everybody_may_do_what_the_table_says(service: Service) {
    let mut world = World::new(&service);
    let operations = operations(&service.client());
    let unclear: Vec<String> = operations.iter().filter_map(table::unclear).collect();
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
    let mut findings = Findings::default();
    'tries: for operation in &operations {
        for caller in 0..world.callers.len() {
            on_ones_own(&mut world, operation, caller, &mut findings);
            if findings.spoilt {
                break 'tries;
            }
            on_others(&world, operation, caller, &mut findings);
        }
    }
    let Findings { breaches, tried, unauthorised, succeeded, .. } = findings;
    assert!(breaches.is_empty(), "{} breaches:\n{}", breaches.len(), breaches.join("\n"));
    world.nothing_foreign_is_lost();
    println!("{tried} requests to {} operations, {unauthorised} of them refused", operations.len());
    assert!(unauthorised > 20 * operations.len(), "expected more refusals than {unauthorised}");
    // A test in which nobody succeeds would hold for a service that refuses everything.
    let known = |operation: &&Operation| operation.parameters().iter().all(|it| KINDS.contains(it));
    let known: Vec<String> = operations.iter().filter(known).map(Operation::name).collect();
    let failed: Vec<&String> = known.iter().filter(|name| !succeeded.contains(*name)).collect();
    println!("nobody succeeded with: {failed:?}");
    assert!(succeeded.len() * 10 >= known.len() * 8, "nobody succeeds with {failed:?}");
}

/// Whether `answer` says that the caller may not: by the guard, not because a password was wrong.
fn is_refusal(answer: &Answer) -> bool {
    let ours = ["signed_out", "forbidden", "cross_site"].contains(&answer.code().as_str());
    matches!(answer.status, 401 | 403) && ours
}

fn on_ones_own(world: &mut World, operation: &Operation, caller: usize, findings: &mut Findings) {
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
            findings.breach("must not pass", &caller_now.name, &answer);
            findings.spoilt |= answer.status < 300 && operation.method != "GET";
        }
        if table::shows_nothing(operation, caller_now) && answer.status != 401 {
            findings.breach("is to sign in first", &caller_now.name, &answer);
        }
    } else if is_refusal(&answer) && !exempt {
        findings.breach("may, and is refused", &caller_now.name, &answer);
    } else if (200..300).contains(&answer.status) {
        findings.succeeded.insert(name);
    }
    if operation.method != "GET" {
        world.sign_in_again(caller);
    }
}

/// What is somebody else's must not be told from what is not there, by anybody.
fn on_others(world: &World, operation: &Operation, caller: usize, findings: &mut Findings) {
    let caller = &world.callers[caller];
    let parameters = operation.parameters();
    let outside = table::shows_nothing(operation, caller);
    let ask = |place: &dyn Fn(&str) -> Place| {
        caller.client.send(operation.request(&|name| world.fill(name, place(name), caller)))
    };
    let mut compare = |what: &str, foreign: Answer, unknown: Answer, must_be_404: bool| {
        findings.tried += 2;
        findings.unauthorised += 2;
        let same = foreign.status == unknown.status
            && foreign.body == unknown.body
            && telling_headers(&foreign) == telling_headers(&unknown);
        if !same {
            findings.breach(
                &format!("{what}: is told from what is not there"),
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
    // Whoever lacks the PIN or has not shown their face is told so before anything is looked for.
    let scope = operation.access.as_ref().map_or("", |access| access.scope.as_str());
    let too_early = ["album", "guest"].contains(&scope)
        && !outside
        && !table::may(operation, caller, Place::Own);
    let reaches = !(too_early || people_only && caller.person.is_none());
    // What is foreign to everybody else is a foreign owner's own, and the other way round.
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

/// The headers that could tell two answers apart; an answer's own id and time do not.
fn telling_headers(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let own = ["x-request-id", "date"];
    let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let mut headers: Vec<_> =
        headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    headers.sort();
    headers
}

#[test]
fn a_caller_is_named_for_what_they_are() {
    let caller = Caller::nobody(picpick_tests::Client::new(&Default::default()));
    assert!(caller.is_nobody() && !caller.is_for_one_event());
}
