//! Choosing the device, and counting the CPU cores that compute.

use burn::tensor::Device;
use futures_channel::mpsc::UnboundedSender;
use wasm_bindgen_futures::spawn_local;

use super::messages::post;
use super::{Engine, Incoming};
use crate::annotate::formats;
use crate::config::{Config, Preset, SETTINGS};
use crate::error::{Error, Result};
use crate::render::palette;
use crate::session::{Backend, Event, Phase, Session};
use crate::web::{cores, fetch, gpu};

/// Interval at which spawned workers are counted, ms.
const COUNT_EVERY_MS: i32 = 100;
/// Number of times that they are counted. A worker that starts later is counted with the next message.
const MAX_COUNTS: usize = 600;

impl Engine {
    /// Opens the engine on the wanted backend; none: the fastest that works.
    pub(super) async fn open(&mut self, wanted: Option<Backend>) -> Result<()> {
        let (device, backend, mut reason) = choose(wanted).await?;
        let config = match &self.session {
            Some(session) => session.config().clone(),
            // A forced backend does not change the run.
            None => Config::for_device(backend == Backend::Gpu && wanted.is_none()),
        };
        if backend == Backend::Cpu {
            watch_workers(cores::spawn_workers(), self.outbox.clone());
            let count = 1 + cores::ready_workers();
            let why = std::mem::take(&mut reason);
            reason = cpu_reason(count, &why);
            self.cpu = Some((count, why));
        }
        self.session = Some(Session::new(device, backend, config)?);
        post(&Event::Ready {
            backend,
            reason,
            settings: SETTINGS.to_vec(),
            presets: Preset::ALL
                .map(|preset| (preset, Config::watched(preset)))
                .to_vec(),
            palette: palette::colours().into_iter().map(palette::hex).collect(),
            formats: formats::FormatInfo::all(),
        });
        self.post_state(Phase::Empty);
        Ok(())
    }

    /// Reports the number of cores that compute, where it has changed. Workers count once they have answered, and while they still do.
    pub(super) fn post_cores(&mut self) {
        let count = 1 + cores::ready_workers();
        if let Some((reported, why)) = &mut self.cpu
            && *reported != count
        {
            *reported = count;
            let reason = cpu_reason(count, why);
            post(&Event::Cores { reason });
        }
    }
}

/// Sends [`Incoming::WorkerReady`] whenever the number of ready workers changes, until all that were spawned are ready.
fn watch_workers(spawned: u32, outbox: UnboundedSender<Incoming>) {
    if spawned == 0 {
        return;
    }
    spawn_local(async move {
        let mut before = 0;
        for _ in 0..MAX_COUNTS {
            fetch::sleep(COUNT_EVERY_MS).await;
            let ready = cores::ready_workers();
            if ready != before {
                before = ready;
                let _ = outbox.unbounded_send(Incoming::WorkerReady);
            }
            if ready >= spawned {
                return;
            }
        }
    });
}

/// Describes the CPU as the device, with the reason for it.
fn cpu_reason(cores: u32, why: &str) -> String {
    match cores {
        1 => format!("CPU{why}"),
        _ => format!("CPU, {cores} cores{why}"),
    }
}

/// Chooses the device. Returns it with the reason; for the CPU only the end of the sentence, for [`cpu_reason`].
async fn choose(wanted: Option<Backend>) -> Result<(Device, Backend, String)> {
    let cpu = |why: String| {
        tracing::info!("the CPU computes{why}");
        (Device::flex(), Backend::Cpu, why)
    };
    if wanted == Some(Backend::Cpu) {
        return Ok(cpu(", as requested.".into()));
    }
    let is_forced = wanted == Some(Backend::Gpu);
    let adapter = match gpu::adapter().await {
        Ok(adapter) => adapter,
        Err(missing) if is_forced => {
            return Err(Error::Backend(format!(
                "{missing}, so the GPU cannot be used. Use the CPU instead."
            )));
        }
        Err(missing) => return Ok(cpu(format!(": {missing}."))),
    };
    if adapter.properties.is_software && !is_forced {
        return Ok(cpu(format!(
            ": WebGPU only offers {} here, which is slower.",
            adapter.name
        )));
    }
    let requested = if is_forced { ", as requested" } else { "" };
    tracing::info!(
        adapter.name,
        adapter.properties.lanes,
        adapter.properties.is_software,
        "WebGPU adapter"
    );
    match adapter.open().await {
        Ok(device) => Ok((
            device,
            Backend::Gpu,
            format!("WebGPU on {}{requested}.", adapter.name),
        )),
        Err(error) if is_forced => Err(error),
        Err(error) => {
            tracing::warn!("WebGPU could not be opened: {error}");
            Ok(cpu(format!(
                ": WebGPU on {} could not be opened.",
                adapter.name
            )))
        }
    }
}
