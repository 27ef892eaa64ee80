mod batch;
pub mod routes;
mod settling;
pub mod worker;
