//! Accounts: sign-in, second factor, addresses.

mod email;
mod sign_in;
