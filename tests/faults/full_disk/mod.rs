mod indexing;
mod service;
mod workload;
