mod indexing;
mod workload;
