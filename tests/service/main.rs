//! Scenarios of the service over HTTP; the modules mirror `server/src/api`.

mod access;
mod account;
mod album;
mod audit_and_receipts;
mod audit_chain;
mod browser_data;
mod compat;
mod coverage;
mod event;
mod file_names;
mod folder;
mod guest;
mod hosts;
mod idempotency;
mod mail;
mod matching;
mod openapi;
mod pages;
mod people;
mod photo;
mod photo_store;
mod remnants;
mod revocation;
mod studio;
mod upload;
