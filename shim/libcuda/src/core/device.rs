//! Devices: the Vulkan devices that the process sees as CUDA devices.

use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use abi::cuda::CUdevice;
use abi::persona::Persona;
use abi::{CUerror, trace};
use compiler::Target;
use identity::Identity;

use crate::core::attributes::Traits;
use crate::core::context::{Context, Resources};
use crate::core::memory::AddressMap;
use crate::core::pipeline_cache::{self, PipelineCache};
use crate::core::{debug, self_test, target, visible_devices, watchdog};
use crate::error::cuda_error;
use crate::process;

/// One CUDA device.
pub struct Device {
    ordinal: CUdevice,
    physical: vulkan::PhysicalDevice,
    traits: Traits,
    opened: Mutex<Option<Arc<vulkan::Device>>>,
    target: OnceLock<Result<Target, vulkan::Error>>,
    primary: OnceLock<PrimaryContext>,
    flusher: Flusher,
    pub pipelines: PipelineCache,
    /// Every address that the device's memory has.
    pub addresses: AddressMap,
}

/// The primary context, and how often it is retained.
pub struct PrimaryContext {
    pub context: Arc<Context>,
    retained: Mutex<u32>,
}

impl Device {
    pub fn ordinal(&self) -> CUdevice {
        self.ordinal
    }

    pub fn identity(&self) -> &Identity {
        &self.traits.identity
    }

    pub fn traits(&self) -> &Traits {
        &self.traits
    }

    /// Device memory in bytes.
    pub fn total_memory(&self) -> u64 {
        self.physical.memory_total()
    }

    /// The Vulkan device, shared by all contexts on it.
    ///
    /// # Errors
    /// The status of a device that cannot be opened.
    pub fn open(&self) -> Result<Arc<vulkan::Device>, CUerror> {
        self.try_open().map_err(|error| cuda_error(&error))
    }

    fn try_open(&self) -> Result<Arc<vulkan::Device>, vulkan::Error> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = &*opened {
            return Ok(device.clone());
        }
        let device = vulkan::Device::open(&self.physical)?;
        // Vulkan drivers tear themselves down in exit handlers; ours comes first.
        process::finish_before_exit_handlers_so_far();
        *opened = Some(device.clone());
        Ok(device)
    }

    /// What kernels are compiled for on this device.
    ///
    /// # Errors
    /// The status of a device that cannot be opened or probed.
    pub fn compiler_target(&self) -> Result<Target, CUerror> {
        let target = self.target.get_or_init(|| target::of(&self.try_open()?));
        target.as_ref().copied().map_err(cuda_error)
    }

    /// Whether the device computes what it should; the log says what it did not.
    fn passes_self_test(&self) -> bool {
        let result = self_test::pass(&self.physical, || self.try_open());
        if let Err(error) = &result {
            trace::log(format_args!("{error}: the device is not used"));
        }
        result.is_ok()
    }

    /// The device's primary context, whose handle never changes.
    pub fn primary_context(&'static self) -> &'static PrimaryContext {
        self.primary.get_or_init(|| PrimaryContext {
            context: Context::primary(self),
            retained: Mutex::new(0),
        })
    }

    /// Submits what the context's streams have recorded within a moment, so that
    /// work starts although nobody waits for it.
    pub fn submit_soon(&'static self, resources: &Weak<Resources>) {
        self.flusher.request(resources);
    }

    /// What is left to do when the process exits. A software device's threads run in
    /// this process and must not outlive its libraries; a GPU's work goes on without
    /// it.
    fn finish(&self) {
        let opened = self
            .opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(device) = opened else {
            return;
        };
        pipeline_cache::close(self, &device);
        if self.physical.kind() == vulkan::Kind::Cpu
            && let Err(error) = drain(&device)
        {
            trace::note(format_args!("at exit: {error}"));
        }
    }
}

/// Waits for the device's work, but not for a kernel without end: a process ends
/// although its kernels do not, as with NVIDIA's driver.
fn drain(device: &vulkan::Device) -> Result<(), vulkan::Error> {
    let limit = watchdog::limit().unwrap_or(EXIT_GRACE);
    if device.wait_done(limit.min(EXIT_GRACE))? {
        return device.wait_idle();
    }
    trace::note(format_args!("at exit: a kernel still runs"));
    Ok(())
}

impl PrimaryContext {
    /// Retains the context, which becomes active with the first retention.
    ///
    /// # Errors
    /// The status of a device that cannot be opened.
    pub fn retain(&self) -> Result<Arc<Context>, CUerror> {
        let mut retained = self.retained.lock().unwrap_or_else(PoisonError::into_inner);
        if *retained == 0 {
            self.context.activate()?;
        }
        *retained += 1;
        Ok(self.context.clone())
    }

    /// Releases the context, which becomes inactive with the last release.
    ///
    /// # Errors
    /// `INVALID_CONTEXT` if it is not retained.
    pub fn release(&self) -> Result<(), CUerror> {
        let mut retained = self.retained.lock().unwrap_or_else(PoisonError::into_inner);
        *retained = retained.checked_sub(1).ok_or(CUerror::INVALID_CONTEXT)?;
        if *retained == 0 {
            self.context.deactivate()
        } else {
            Ok(())
        }
    }

    /// Makes the context inactive, however often it is retained.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn reset(&self) -> Result<(), CUerror> {
        let mut retained = self.retained.lock().unwrap_or_else(PoisonError::into_inner);
        *retained = 0;
        self.context.deactivate()
    }
}

/// A thread that submits what streams have recorded a moment ago.
#[derive(Default)]
struct Flusher {
    requested: Mutex<Requests>,
    wake: Condvar,
}

#[derive(Default)]
struct Requests {
    contexts: Vec<Weak<Resources>>,
    running: bool,
}

/// How long a process that exits waits for its software device.
const EXIT_GRACE: Duration = Duration::from_secs(10);
/// How long recorded work may wait for more before it is submitted.
const MOMENT: Duration = Duration::from_micros(200);

impl Flusher {
    fn request(&'static self, resources: &Weak<Resources>) {
        let mut requests = self
            .requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !requests
            .contexts
            .iter()
            .any(|known| known.ptr_eq(resources))
        {
            requests.contexts.push(resources.clone());
            self.wake.notify_one();
        }
        if !requests.running {
            requests.running = true;
            let thread = std::thread::Builder::new().name("pumice-submit".into());
            if let Err(error) = thread.spawn(|| self.run()) {
                trace::log(format_args!("cannot start the submitting thread: {error}"));
            }
        }
    }

    fn run(&self) {
        loop {
            let contexts = {
                let requests = self
                    .requested
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                let waiting = self.wake.wait_while(requests, |r| r.contexts.is_empty());
                drop(waiting.unwrap_or_else(PoisonError::into_inner));
                std::thread::sleep(MOMENT);
                let mut requests = self
                    .requested
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut requests.contexts)
            };
            for stream in contexts
                .iter()
                .filter_map(Weak::upgrade)
                .flat_map(|r| r.streams())
            {
                // The stream's own calls return its failure.
                let _ = stream.flush_recorded();
            }
        }
    }
}

/// The devices that the process sees, by ordinal.
pub struct Devices(Vec<Device>);

impl Devices {
    /// Looks for devices, once per process.
    ///
    /// # Errors
    /// `NO_DEVICE` if there is none to use; the log says why.
    pub fn find() -> Result<Self, CUerror> {
        debug::flags();
        let found = vulkan::enumerate().map_err(|error| {
            trace::log(format_args!("no CUDA device: {error}"));
            CUerror::NO_DEVICE
        })?;
        let (suitable, unsuitable): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|physical| physical.suitability().is_ok());
        for reason in unsuitable
            .iter()
            .filter_map(|physical| physical.suitability().err())
        {
            trace::log(format_args!("{reason}"));
        }
        let mut identities = identity::of(&suitable);
        let order = std::env::var("CUDA_DEVICE_ORDER").ok();
        if visible_devices::by_pci_address(order.as_deref())? {
            identities.sort_by_key(|identity| identity.pci);
        }
        let variable = std::env::var("CUDA_VISIBLE_DEVICES").ok();
        let uuids = identities
            .iter()
            .map(|identity| identity.uuid)
            .collect::<Vec<_>>();
        let visible = visible_devices::select(variable.as_deref(), &uuids)?;
        if visible.is_empty() {
            return Err(no_device(identities.len(), variable.as_deref()));
        }
        let devices = visible.iter().map(|&index| {
            let identity = identities[index].clone();
            Device::new(suitable[identity.index].clone(), identity)
        });
        let mut devices = devices.filter(Device::passes_self_test).collect::<Vec<_>>();
        for (device, ordinal) in devices.iter_mut().zip(0..) {
            device.ordinal = ordinal;
        }
        if devices.is_empty() {
            return Err(no_device(0, None));
        }
        Ok(Self(devices))
    }

    /// The device of an ordinal.
    ///
    /// # Errors
    /// `INVALID_DEVICE` if there is none.
    pub fn get(&'static self, ordinal: CUdevice) -> Result<&'static Device, CUerror> {
        let index = usize::try_from(ordinal).map_err(|_| CUerror::INVALID_DEVICE)?;
        self.0.get(index).ok_or(CUerror::INVALID_DEVICE)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Device> {
        self.0.iter()
    }

    /// What is left to do when the process exits.
    pub fn finish(&self) {
        self.iter().for_each(Device::finish);
    }
}

impl Device {
    fn new(physical: vulkan::PhysicalDevice, identity: Identity) -> Self {
        let limits = physical.limits();
        let traits = Traits {
            persona: Persona::of_process(),
            identity,
            compute_units: physical.compute_units(),
            shared_memory: limits.shared_memory_accepted,
            workgroup_invocations: limits.workgroup_invocations,
            imports_host_memory: physical.features().external_memory_host,
        };
        Self {
            ordinal: 0,
            traits,
            physical,
            opened: Mutex::default(),
            target: OnceLock::new(),
            primary: OnceLock::new(),
            flusher: Flusher::default(),
            pipelines: PipelineCache::default(),
            addresses: AddressMap::default(),
        }
    }
}

fn no_device(suitable: usize, variable: Option<&str>) -> CUerror {
    match variable {
        Some(value) if suitable > 0 => trace::log(format_args!(
            "no CUDA device: CUDA_VISIBLE_DEVICES={value} selects none of the {suitable} there are"
        )),
        _ => trace::log(format_args!(
            "no CUDA device: no Vulkan device here is suitable; `pumice doctor` on the host says more"
        )),
    }
    CUerror::NO_DEVICE
}
