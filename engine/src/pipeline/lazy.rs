use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::Pipeline;
use crate::error::Result;

/// A pipeline that the first worker to use it loads, while the other workers wait (single flight).
pub(super) struct LazyPipeline<'a> {
    load: &'a (dyn Fn() -> Result<Arc<Pipeline>> + Sync),
    cell: OnceLock<Arc<Pipeline>>,
    loading: Mutex<()>,
}

impl<'a> LazyPipeline<'a> {
    pub(super) fn new(load: &'a (dyn Fn() -> Result<Arc<Pipeline>> + Sync)) -> Self {
        Self { load, cell: OnceLock::new(), loading: Mutex::new(()) }
    }

    pub(super) fn get(&self) -> Result<&Pipeline> {
        if let Some(pipeline) = self.cell.get() {
            return Ok(pipeline);
        }
        let _loading = self.loading.lock();
        if let Some(pipeline) = self.cell.get() {
            return Ok(pipeline);
        }
        let pipeline = (self.load)()?;
        Ok(self.cell.get_or_init(|| pipeline))
    }
}
