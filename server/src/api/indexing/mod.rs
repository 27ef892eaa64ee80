pub mod routes;
pub mod worker;
