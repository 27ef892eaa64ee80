//! User accounts: setup of the first account, sign-in and sign-out, passwords, sessions, second factor.
//!
//! `routes.rs` and `second_factor.rs` hold the HTTP handlers and `service.rs` the rules. `credentials.rs`
//! proves an account by password, `totp.rs` codes and `recovery_codes.rs`. `reset.rs` and `email.rs` handle
//! links sent by e-mail, `operator.rs` the commands of `picpick account`. `infra/password_hasher.rs` hashes passwords.

pub mod credentials;
pub mod email;
pub mod operator;
pub mod recovery_codes;
pub mod reset;
pub mod routes;
pub mod second_factor;
pub mod service;
pub mod totp;

pub use reset::resolve_reset;
pub use service::{begin_setup, new_studio};
