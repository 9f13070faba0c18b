//! NVIDIA's management library, loaded when it is there: questions in, what it says out. Nothing is judged here.

#[cfg(target_os = "linux")]
use std::path::Path;

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor, TemperatureThreshold};
use nvml_wrapper::error::NvmlError;

use super::trouble::{Here, Trouble};
use super::{Driver, Lasting, Now};

/// The library and what it was asked.
pub(super) struct Nvml {
    loaded: nvml_wrapper::Nvml,
    /// Of each card, up to when programs' shares were read, in the driver's microseconds.
    read: Vec<u64>,
}

impl Nvml {
    /// Loads the library from where the system has it.
    pub(super) fn load() -> Result<Self, Trouble> {
        Self::opened(nvml_wrapper::Nvml::init())
    }

    /// Loads one from a file.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn load_from(file: &Path) -> Result<Self, Trouble> {
        Self::opened(nvml_wrapper::Nvml::builder().lib_path(file.as_os_str()).init())
    }

    fn opened(library: Result<nvml_wrapper::Nvml, NvmlError>) -> Result<Self, Trouble> {
        Ok(Self { loaded: library.map_err(trouble)?, read: Vec::new() })
    }

    fn device(&self, index: u32) -> Result<Device<'_>, Trouble> {
        self.loaded.device_by_index(index).map_err(trouble)
    }
}

impl Driver for Nvml {
    fn count(&mut self) -> Result<u32, Trouble> {
        self.loaded.device_count().map_err(trouble)
    }

    fn place(&mut self, index: u32) -> Result<String, Trouble> {
        let told = self.device(index)?.pci_info().map_err(trouble)?.bus_id.to_ascii_lowercase();
        // The library writes eight digits of the domain, the system four.
        let short = told.get(told.len().saturating_sub("0000:00:00.0".len())..);
        Ok(short.unwrap_or_default().to_owned())
    }

    fn lasting(&mut self, index: u32) -> Result<Lasting, Trouble> {
        let device = self.device(index)?;
        let mhz = device.max_clock_info(Clock::Memory).ok();
        Ok(Lasting {
            name: device.name().ok(),
            computes: device.cuda_compute_capability().ok().map(|capability| capability.major),
            limit: device.temperature_threshold(TemperatureThreshold::Slowdown).ok(),
            memory: mhz.zip(device.memory_bus_width().ok()),
        })
    }

    fn now(&mut self, index: u32) -> Result<Now, Trouble> {
        let device = self.device(index)?;
        let memory = match device.memory_info() {
            Ok(memory) => Some((memory.total, memory.free)),
            Err(NvmlError::NotSupported) => None,
            Err(error) => return Err(trouble(error)),
        };
        let pids = |processes: Vec<nvml_wrapper::struct_wrappers::device::ProcessInfo>| {
            processes.into_iter().map(|process| process.pid).collect()
        };
        let mut now = Now {
            memory,
            percent: device.utilization_rates().ok().map(|rates| rates.gpu),
            celsius: device.temperature(TemperatureSensor::Gpu).ok(),
            milliwatts: device.power_usage().ok(),
            reasons: device.current_throttle_reasons().ok().map(|reasons| reasons.bits()),
            drawing: device.running_graphics_processes().map(pids).unwrap_or_default(),
            computing: device.running_compute_processes().map(pids).unwrap_or_default(),
            programs: None,
        };
        let since = self.read.get(index as usize).copied().unwrap_or_default();
        let (programs, until) = match device.process_utilization_stats(since) {
            Ok(samples) => {
                let until = samples.iter().map(|sample| sample.timestamp).max().unwrap_or(since);
                (Some(samples.into_iter().map(|sample| (sample.pid, sample.sm_util)).collect()), until)
            }
            // No program did anything since.
            Err(NvmlError::NotFound) => (Some(Vec::new()), since),
            Err(_) => (None, since),
        };
        now.programs = programs;
        if self.read.len() <= index as usize {
            self.read.resize(index as usize + 1, 0);
        }
        if let Some(read) = self.read.get_mut(index as usize) {
            *read = until;
        }
        Ok(now)
    }

    #[cfg(target_os = "linux")]
    fn is_asleep(&self, place: &str) -> bool {
        let status = Path::new("/sys/bus/pci/devices").join(place).join("power/runtime_status");
        std::fs::read_to_string(status).is_ok_and(|status| status.trim() == "suspended")
    }

    #[cfg(not(target_os = "linux"))]
    fn is_asleep(&self, _place: &str) -> bool {
        false
    }
}

fn trouble(error: NvmlError) -> Trouble {
    let why = error.to_string();
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => Trouble::Absent { why, here: here() },
        NvmlError::DriverNotLoaded | NvmlError::NoPermission | NvmlError::OperatingSystem => {
            Trouble::NotLoaded(why)
        }
        NvmlError::LibRmVersionMismatch => Trouble::Mismatch,
        NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound => Trouble::TooOld(why),
        NvmlError::GpuLost | NvmlError::ResetRequired => Trouble::Lost(why),
        _ => Trouble::Other(why),
    }
}

/// What the system shows of cards of NVIDIA, with whatever driver.
#[cfg(target_os = "linux")]
fn here() -> Here {
    if Path::new("/proc/driver/nvidia/version").exists() {
        return Here::Driver;
    }
    let says = |device: &Path, file: &str, begins: &str| {
        std::fs::read_to_string(device.join(file)).is_ok_and(|text| text.starts_with(begins))
    };
    // A display controller; a card's loudspeaker is a device of its own.
    let is_card = |device: &Path| says(device, "vendor", "0x10de") && says(device, "class", "0x03");
    let mut devices = std::fs::read_dir("/sys/bus/pci/devices").into_iter().flatten().flatten().take(DEVICES);
    if devices.any(|device| is_card(&device.path())) { Here::Card } else { Here::Nothing }
}

/// Devices of a machine that are looked at.
#[cfg(target_os = "linux")]
const DEVICES: usize = 1_024;

#[cfg(not(target_os = "linux"))]
fn here() -> Here {
    Here::Nothing
}
