//! Events: a point of a stream, with the device's time at it.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use abi::cuda::CUevent;
use abi::{CUerror, CUresult};

use crate::core::context::{Owned, Resources};
use crate::core::stream::{Point, Stream};
use crate::error::cuda_error;
use crate::handles::EVENTS;

/// `CU_EVENT_DISABLE_TIMING`.
pub const DISABLE_TIMING: u32 = 0x2;
/// `CU_EVENT_INTERPROCESS`.
pub const INTERPROCESS: u32 = 0x4;

/// A point that streams can be asked about and wait for.
pub struct Event {
    handle: usize,
    timed: bool,
    resources: Weak<Resources>,
    recorded: Mutex<Option<Recorded>>,
}

#[derive(Clone)]
struct Recorded {
    point: Point,
    stream: Weak<Stream>,
    timestamp: Option<Arc<vulkan::Timestamp>>,
}

impl Owned for Event {
    fn owner(&self) -> &Weak<Resources> {
        &self.resources
    }
}

impl Event {
    /// A new event, which counts as reached until it is recorded.
    pub fn create(resources: &Arc<Resources>, flags: u32) -> Arc<Self> {
        EVENTS.insert_with(|handle| Self {
            handle,
            timed: flags & DISABLE_TIMING == 0,
            resources: Arc::downgrade(resources),
            recorded: Mutex::default(),
        })
    }

    pub fn handle(&self) -> CUevent {
        CUevent(self.handle)
    }

    /// Moves the event to the end of a stream's work so far.
    ///
    /// # Errors
    /// `INVALID_HANDLE` if event and stream are of different contexts; the status
    /// of a device that failed.
    pub fn record(&self, stream: &Arc<Stream>) -> CUresult {
        let resources = self.resources()?;
        if resources.context != stream.resources()?.context {
            return Err(CUerror::INVALID_HANDLE);
        }
        let timestamp = self.timed.then(|| resources.vulkan.timestamp()).transpose();
        let timestamp = timestamp.map_err(|error| cuda_error(&error))?;
        let point = match &timestamp {
            Some(timestamp) => stream.record(|recorder| {
                recorder.timestamp(timestamp);
                Ok(())
            })?,
            None => stream.end()?,
        };
        let recorded = Recorded {
            point,
            stream: Arc::downgrade(stream),
            timestamp,
        };
        *self.recorded.lock().unwrap_or_else(PoisonError::into_inner) = Some(recorded);
        Ok(())
    }

    /// Whether the work before the event is done.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn is_reached(&self) -> Result<bool, CUerror> {
        match self.submitted()? {
            Some(recorded) => recorded.point.is_reached(&*self.resources()?),
            None => Ok(true),
        }
    }

    /// Waits until the work before the event is done.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn synchronize(&self) -> CUresult {
        match self.submitted()? {
            Some(recorded) => recorded.point.wait(&*self.resources()?),
            None => Ok(()),
        }
    }

    /// Where the event is, for another stream to wait for; `None` if it was never
    /// recorded.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn point(&self) -> Result<Option<Point>, CUerror> {
        Ok(self.submitted()?.map(|recorded| recorded.point))
    }

    /// The time from `start` to `self` in nanoseconds of the device's clock.
    ///
    /// # Errors
    /// `INVALID_HANDLE` if one of them was not recorded or keeps no time;
    /// `NOT_READY` if one of them is not reached.
    pub fn nanoseconds_since(&self, start: &Self) -> Result<i128, CUerror> {
        let (start, end) = (start.time()?, self.time()?);
        Ok(i128::from(end) - i128::from(start))
    }

    fn time(&self) -> Result<u64, CUerror> {
        let recorded = self.submitted()?.ok_or(CUerror::INVALID_HANDLE)?;
        let timestamp = recorded.timestamp.ok_or(CUerror::INVALID_HANDLE)?;
        if !recorded.point.is_reached(&*self.resources()?)? {
            return Err(CUerror::NOT_READY);
        }
        let time = timestamp
            .nanoseconds()
            .map_err(|error| cuda_error(&error))?;
        time.ok_or(CUerror::NOT_READY)
    }

    /// The last recording, with its stream's work handed to the device: who asks
    /// for an event wants it to come.
    fn submitted(&self) -> Result<Option<Recorded>, CUerror> {
        let recorded = self
            .recorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(stream) = recorded
            .as_ref()
            .and_then(|recorded| recorded.stream.upgrade())
        {
            stream.flush()?;
        }
        Ok(recorded)
    }
}
