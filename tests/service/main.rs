//! Scenarios of the service over HTTP; the modules mirror `server/src/api`.

mod access;
mod account;
mod album;
mod audit_and_receipts;
mod audit_chain;
mod compat;
mod coverage;
mod folder;
mod guest;
mod idempotency;
mod mail;
mod matching;
mod openapi;
mod pages;
mod people;
mod photo;
mod photo_store;
mod studio;
mod upload;
