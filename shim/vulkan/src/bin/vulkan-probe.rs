//! Prints every device that this crate finds: identity, limits, features,
//! whether it can be used and if not why, what the self-test saw, and how long
//! each step took. `pumice doctor` runs it.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Serialize;
use serde_json::json;
use vulkan::{Arithmetic, Device, Findings, MemoryBudget, PhysicalDevice};

/// Prints the Vulkan devices that pumice finds, and tests them.
#[derive(Parser)]
struct Arguments {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Probes arithmetic and convergence too, as the compiler does.
    #[arg(long)]
    deep: bool,
}

/// Everything about one device.
#[derive(Serialize)]
struct Report {
    name: String,
    kind: vulkan::Kind,
    driver: vulkan::Driver,
    /// Directory of the driver's closure, or `system loader`.
    source: String,
    api_version: String,
    vendor_id: u32,
    device_id: u32,
    device_uuid: String,
    pci: Option<String>,
    drm: Option<vulkan::Drm>,
    compute_units: u32,
    memory_total: u64,
    limits: vulkan::Limits,
    subgroup: vulkan::Subgroup,
    features: vulkan::Features,
    /// Why the device cannot be used; null where it can.
    unsuitable: Option<String>,
    #[serde(flatten)]
    trial: Trial,
}

/// What came of using the device.
#[derive(Default, Serialize)]
struct Trial {
    /// What went wrong; null where nothing did.
    error: Option<String>,
    memory: Option<MemoryBudget>,
    queues: usize,
    self_test: Option<Findings>,
    arithmetic: Option<Arithmetic>,
    exits_past_barriers: Option<bool>,
    open: Duration,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let start = Instant::now();
    let found = vulkan::enumerate_all();
    let enumerated = start.elapsed();
    let reports: Vec<_> = found
        .devices
        .iter()
        .map(|device| Report::of(device, arguments.deep))
        .collect();
    let failures: Vec<_> = found.failures.iter().map(ToString::to_string).collect();
    let printed = if arguments.json {
        let document = json!({ "devices": reports, "failures": failures, "enumerate": enumerated });
        writeln!(io::stdout(), "{document:#}")
    } else {
        print(&reports, &failures, enumerated)
    };
    let usable = reports.iter().any(Report::is_usable);
    if printed.is_ok() && usable {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Report {
    fn of(device: &PhysicalDevice, deep: bool) -> Report {
        let unsuitable = device.suitability().err().map(|why| why.to_string());
        let trial = if unsuitable.is_none() {
            Trial::of(device, deep)
        } else {
            Trial::default()
        };
        let (major, minor, patch) = device.api_version();
        Report {
            name: device.name().to_owned(),
            kind: device.kind(),
            driver: device.driver().clone(),
            source: device.driver_source().to_owned(),
            api_version: format!("{major}.{minor}.{patch}"),
            vendor_id: device.vendor_id(),
            device_id: device.device_id(),
            device_uuid: hexadecimal(&device.device_uuid()),
            pci: device.pci().map(|address| address.to_string()),
            drm: device.drm(),
            compute_units: device.compute_units(),
            memory_total: device.memory_total(),
            limits: *device.limits(),
            subgroup: *device.subgroup(),
            features: device.features().clone(),
            unsuitable,
            trial,
        }
    }

    fn is_usable(&self) -> bool {
        self.unsuitable.is_none() && self.trial.error.is_none()
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let Report {
            name,
            kind,
            driver,
            source,
            ..
        } = self;
        writeln!(out, "{name} ({kind:?})")?;
        writeln!(
            out,
            "  driver        {} {}, from {source}",
            driver.name, driver.info
        )?;
        let pci = self.pci.as_deref().unwrap_or("no PCI address");
        writeln!(
            out,
            "  identity      {pci}, UUID {}, Vulkan {}",
            self.device_uuid, self.api_version
        )?;
        let (limits, subgroup) = (&self.limits, &self.subgroup);
        writeln!(
            out,
            "  compute       {} units, subgroups of {}, workgroups of {}, {} KiB of workgroup memory",
            self.compute_units,
            subgroup.default_size,
            limits.workgroup_invocations,
            limits.shared_memory >> 10
        )?;
        writeln!(
            out,
            "  memory        {} MiB, allocations of {} MiB, buffers of {} MiB",
            self.memory_total >> 20,
            limits.memory_allocation >> 20,
            limits.buffer >> 20
        )?;
        if let Some(why) = &self.unsuitable {
            return writeln!(out, "  CANNOT BE USED: {why}");
        }
        self.trial.print(out)
    }
}

impl Trial {
    fn of(device: &PhysicalDevice, deep: bool) -> Trial {
        let mut trial = Trial::default();
        if let Err(error) = trial.run(device, deep) {
            trial.error = Some(error.to_string());
        }
        trial
    }

    fn run(&mut self, physical: &PhysicalDevice, deep: bool) -> Result<(), vulkan::Error> {
        let start = Instant::now();
        let device = Device::open(physical)?;
        self.open = start.elapsed();
        self.queues = device.queues().len();
        self.memory = Some(device.memory_budget());
        self.self_test = Some(vulkan::self_test(&device)?);
        if deep {
            self.arithmetic = Some(vulkan::probe_arithmetic(&device)?);
            self.exits_past_barriers = Some(vulkan::exits_past_barriers(&device)?);
        }
        Ok(())
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        if let Some(memory) = self.memory {
            writeln!(
                out,
                "  free memory   {} MiB of {} MiB",
                memory.free >> 20,
                memory.total >> 20
            )?;
        }
        writeln!(
            out,
            "  open          {:?}, {} queues",
            self.open, self.queues
        )?;
        if let Some(findings) = self.self_test {
            writeln!(
                out,
                "  self-test     passed in {:?}, {} lanes",
                findings.duration, findings.subgroup_size
            )?;
        }
        if let Some(arithmetic) = self.arithmetic {
            writeln!(out, "  arithmetic    {arithmetic:#?}")?;
        }
        if let Some(exits) = self.exits_past_barriers {
            writeln!(
                out,
                "  barriers      {} when part of a workgroup has left",
                if exits { "hold" } else { "fail" }
            )?;
        }
        match &self.error {
            Some(error) => writeln!(out, "  CANNOT BE USED: {error}"),
            None => Ok(()),
        }
    }
}

fn print(reports: &[Report], failures: &[String], enumerated: Duration) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for report in reports {
        report.print(&mut out)?;
    }
    for failure in failures {
        writeln!(out, "DRIVER FAILED: {failure}")?;
    }
    writeln!(out, "{} devices in {enumerated:?}", reports.len())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
