use crate::service::Service;

/// Raises the failures of all subjects, so that the delay of a subject with a failure cannot end on a slow
/// machine: it is the longest of the subject's policy, at least 5 minutes, counted from now.
pub fn lengthen(service: &Service) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let rows = service.change_rows(&format!(
        "UPDATE lockouts SET tat_unix_s = {}, last_attempt_unix_s = {now} \
         WHERE tat_unix_s > {now}",
        now + 10_000_000
    ));
    assert!(rows > 0, "there is a failed attempt");
}

/// Moves all attempts `seconds` into the past.
pub fn shift(service: &Service, seconds: i64) {
    let rows = service.change_rows(&format!(
        "UPDATE lockouts SET tat_unix_s = tat_unix_s - {seconds}, \
         last_attempt_unix_s = last_attempt_unix_s - {seconds}"
    ));
    assert!(rows > 0, "there is an attempt");
}

/// Forgets all attempts.
pub fn forget(service: &Service) {
    service.change_rows("DELETE FROM lockouts");
}
