//! The worker: one loop that takes the page's messages and, between them, trains.

mod project; // what it does for annotations

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use burn::tensor::Device;
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use js_sys::{Array, Reflect, Uint8Array};
use serde::Serialize;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, Blob, DedicatedWorkerGlobalScope, MessageChannel, MessageEvent};
use web_time::{Duration, Instant};

use super::{fetch, gpu, hands};
use crate::annotate::{desk::AnnotationProject, formats};
use crate::checkpoint::{self, torch::ReadAt};
use crate::config::{Config, Preset, SETTINGS};
use crate::data::inputs::{self, Inputs};
use crate::data::{Dataset, decode, synthetic};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{self, cpu::helpers};
use crate::render::palette;
use crate::session::{
    Backend, Command, Edits, Event, Keypoints, Phase, Rejected, Session, SnapshotView, Source,
    StepReport, ViewSchedule, animation, open_gpu,
};

/// Work goes on for so long before the event loop takes a turn.
const TIME_SLICE: Duration = Duration::from_millis(30);
/// While slow motion waits, the page's messages are looked for this often, ms.
const SLOW_LOOK_MS: i32 = 20;
/// Helpers that were hired are looked for this often, ms ...
const HELPER_LOOK_MS: i32 = 100;
/// ... and so many times: whoever comes later is counted when something else happens.
const HELPER_LOOKS: usize = 600;
/// Between two reports of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// Downloads under way at once.
const DOWNLOADS: usize = 6;
/// Puppets on which the keypoints are scored, ...
const SCORED_PUPPETS: usize = 96;
/// ... which may take one in so many parts of the time.
const SCORE_RARITY: u32 = 20;
/// Where nothing of what came can be used.
const NO_PICTURE: &str =
    "There is no picture in this: PNG, JPEG, WebP, GIF and BMP can be read, also in zips.";
/// More puppets than anybody looks at.
const MOST_PUPPETS: usize = 20_000;

/// What arrives.
enum Incoming {
    /// From the page.
    Message(Message),
    /// A photograph of a sample, for the load of this number.
    Fetched {
        load: u32,
        index: usize,
        bytes: Result<Vec<u8>>,
    },
    /// The file of weights that was asked for.
    Weights(Result<Vec<u8>>),
    /// A helper has come.
    Helper,
}

/// A command with its files and their names.
struct Message {
    id: u32,
    command: Command,
    files: Files,
    /// Of a frame; empty otherwise.
    pixels: Vec<u8>,
}

type Files = Vec<(String, Blob)>;

/// What is said of labels among training images.
const LABELS_WAIT: &str = "It holds labels: they are used once its images are annotated.";

/// Starts the worker; it says `booted` when it listens.
pub fn start() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        let message = format!(
            "The engine broke down ({info}). Load the page again; nothing of yours was sent anywhere."
        );
        post(&Event::Failed {
            id: None,
            kind: ErrorKind::Crash,
            message,
        });
    }));
    helpers::worker_loop();
    let Ok(scope) = fetch::scope() else { return };
    let Ok(turns) = MessageChannel::new() else {
        return;
    };
    let (sender, inbox) = unbounded();
    let outbox = sender.clone();
    let listener = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        match message(&event.data()) {
            Ok(message) => {
                let _ = sender.unbounded_send(Incoming::Message(message));
            }
            Err(failed) => post(&failed),
        }
    });
    scope.set_onmessage(Some(listener.as_ref().unchecked_ref()));
    listener.forget(); // it listens for as long as the worker lives
    spawn_local(Engine::new(inbox, outbox, turns).run());
    let booted = js_sys::Object::new();
    let _ = Reflect::set(&booted, &"type".into(), &"booted".into());
    let _ = scope.post_message(&booted);
}

/// `{id, command, files?, names?, pixels?}`
fn message(data: &JsValue) -> std::result::Result<Message, Box<Event>> {
    let get = |key: &str| Reflect::get(data, &key.into()).unwrap_or(JsValue::UNDEFINED);
    let id = get("id").as_f64().map(|id| id as u32);
    let unclear = |what: String| {
        Box::new(Event::Failed {
            id,
            kind: ErrorKind::Setting,
            message: format!("The page asked for something unclear ({what})."),
        })
    };
    let command = serde_wasm_bindgen::from_value(get("command"))
        .map_err(|error| unclear(error.to_string()))?;
    let names = get("names").dyn_into::<Array>().unwrap_or_default();
    let files = get("files").dyn_into::<Array>().unwrap_or_default();
    let files = files
        .iter()
        .enumerate()
        .filter_map(|(i, file)| {
            let name = names
                .get(i as u32)
                .as_string()
                .or_else(|| Reflect::get(&file, &"name".into()).ok()?.as_string());
            Some((
                name.unwrap_or_else(|| "picture".into()),
                file.dyn_into().ok()?,
            ))
        })
        .collect();
    let pixels = get("pixels").dyn_into::<Uint8Array>();
    Ok(Message {
        pixels: pixels.map(|pixels| pixels.to_vec()).unwrap_or_default(),
        id: id.ok_or_else(|| unclear("it has no id".into()))?,
        command,
        files,
    })
}

/// Tells the page. Bytes go over as `Uint8Array`s; they are handed over without a copy.
fn post(event: &Event) {
    let serializer =
        serde_wasm_bindgen::Serializer::json_compatible().serialize_bytes_as_arrays(false);
    let (Ok(scope), Ok(value)) = (fetch::scope(), event.serialize(&serializer)) else {
        return;
    };
    post_value(event, &scope, &value);
}

/// ... as it is.
fn post_value(event: &Event, scope: &DedicatedWorkerGlobalScope, value: &JsValue) {
    let moved = Array::new();
    let keys: &[&str] = match event {
        Event::Views(_)
        | Event::Snapshot(_)
        | Event::Transferred { .. }
        | Event::Thumbnails { .. } => &["pixels"],
        Event::Inspected(_) => &["pixels", "heatmaps", "mask"],
        Event::Project(_) => &["points"],
        Event::Saved { .. } => &["bytes"],
        _ => &[],
    };
    for &key in keys {
        let bytes = Reflect::get(value, &key.into()).map(JsCast::dyn_into::<Uint8Array>);
        if let Ok(Ok(bytes)) = bytes {
            moved.push(&bytes.buffer());
        }
    }
    let _ = scope.post_message_with_transfer(value, &moved);
}

/// Hands a file of the browser's to the page.
fn post_file(id: u32, name: String, file: &Blob) {
    let event = Event::Exported { id, name, file: () };
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    if let (Ok(scope), Ok(value)) = (fetch::scope(), event.serialize(&serializer)) {
        let _ = Reflect::set(&value, &"file".into(), file);
        post_value(&event, &scope, &value);
    }
}

/// Says how far something has come, some ten times a second.
struct Progress {
    what: &'static str,
    is_bytes: bool,
    last: Option<Instant>,
}

impl Progress {
    fn of(what: &'static str) -> Self {
        Self {
            what,
            is_bytes: false,
            last: None,
        }
    }

    fn of_bytes(what: &'static str) -> Self {
        Self {
            is_bytes: true,
            ..Self::of(what)
        }
    }

    fn report(&mut self, done: usize, total: Option<usize>) {
        if self
            .last
            .is_none_or(|last| last.elapsed() >= PROGRESS_EVERY)
            || Some(done) == total
        {
            self.last = Some(Instant::now());
            post(&Event::Progress {
                what: self.what.into(),
                done,
                total,
                is_bytes: self.is_bytes,
            });
        }
    }
}

/// Where pictures can be had again, at another size.
#[derive(Clone)]
enum ImageSource {
    /// A person's own.
    Files(Files),
    /// A sample's.
    Hands(Files),
    Puppets {
        count: usize,
        seed: u64,
    },
}

/// Training that the page asked for.
#[derive(Clone, Copy)]
struct Task {
    /// The command to answer when it ends.
    id: u32,
    /// Steps to go; none: until paused.
    left: Option<u32>,
    /// In slow motion: from step to step.
    every: Option<Duration>,
    /// In slow motion: not before then.
    next: Option<Instant>,
}

impl Task {
    /// In slow motion: whether the next step is still to wait.
    fn waits(&self) -> bool {
        self.next.is_some_and(|next| Instant::now() < next)
    }
}

struct Engine {
    inbox: UnboundedReceiver<Incoming>,
    outbox: UnboundedSender<Incoming>,
    /// Came in while something was under way.
    backlog: VecDeque<Message>,
    turns: MessageChannel,
    weights_url: String,
    /// A file of weights is being downloaded.
    weights_under_way: bool,
    /// There once the page has opened it.
    session: Option<Session>,
    /// Each with how many pictures came of it.
    piles: Vec<(ImageSource, usize)>,
    loads: u32,
    task: Option<Task>,
    cadence: ViewSchedule,
    /// On the CPU: how many cores the page was told of, and why it is the CPU.
    cpu: Option<(u32, String)>,
    /// The probe that the page wants to see taken apart.
    touch: Option<Edits>,
    /// When puppets were last scored, and what it cost.
    scored: Option<(Instant, Duration)>,
    /// There once something was found.
    desk: Option<AnnotationProject>,
    /// Of each image of the project, by the id of its row: its file, and its place in it if that is a zip.
    desk_files: HashMap<u32, desk::Place>,
    /// The model whose keypoints it shows: its run and steps.
    desk_of: Option<(String, usize)>,
    desk_shown: Instant,
}

impl Engine {
    fn new(
        inbox: UnboundedReceiver<Incoming>,
        outbox: UnboundedSender<Incoming>,
        turns: MessageChannel,
    ) -> Self {
        Self {
            inbox,
            outbox,
            backlog: VecDeque::new(),
            turns,
            weights_url: String::new(),
            weights_under_way: false,
            session: None,
            piles: Vec::new(),
            loads: 0,
            task: None,
            cadence: ViewSchedule::default(),
            cpu: None,
            touch: None,
            scored: None,
            desk: None,
            desk_files: HashMap::new(),
            desk_of: None,
            desk_shown: Instant::now(),
        }
    }

    /// Messages first; while there are none, training.
    async fn run(mut self) {
        loop {
            if self.task.is_some() {
                fetch::turn(&self.turns).await;
            }
            self.drain();
            self.tell_cores();
            let message = match self.backlog.pop_front() {
                Some(message) => message,
                None if self.task.is_some_and(|task| task.waits()) => {
                    fetch::sleep(SLOW_LOOK_MS).await;
                    continue;
                }
                None if self.task.is_some() => {
                    self.train().await;
                    continue;
                }
                None => match self.inbox.recv().await {
                    Ok(incoming) => {
                        self.accept(incoming);
                        continue;
                    }
                    Err(_) => return,
                },
            };
            let id = message.id;
            match self.handle(message).await {
                Ok(true) => post(&Event::Done { id }),
                Ok(false) => {} // answered otherwise, or later
                Err(error) => {
                    if let Error::Training(_) = error {
                        self.abort_training(&error); // it went back, so nobody is to go on from here
                    }
                    fail(Some(id), &error);
                }
            }
        }
    }

    /// Accepts what has come so far.
    fn drain(&mut self) {
        while let Ok(incoming) = self.inbox.try_recv() {
            self.accept(incoming);
        }
    }

    fn accept(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message(message) => self.backlog.push_back(message),
            Incoming::Fetched { .. } => {} // of a load that was cancelled
            Incoming::Helper => self.tell_cores(),
            Incoming::Weights(bytes) => {
                self.weights_under_way = false;
                match (bytes, &mut self.session) {
                    (Ok(bytes), Some(session)) => session.give_weights(bytes),
                    (Err(error), _) if self.task.is_some() => self.abort_training(&error),
                    _ => {} // nobody waits for them any longer
                }
            }
        }
    }

    /// Does what a message asks; whether it is done and nobody was told yet.
    async fn handle(&mut self, message: Message) -> Result<bool> {
        let Message {
            id,
            command,
            files,
            pixels,
        } = message;
        match command {
            Command::Open {
                backend,
                weights_url,
            } => {
                self.weights_url = weights_url;
                self.open(backend).await?;
            }
            Command::Load { source, adds } => self.load(source, files, adds).await?,
            Command::Thumbnails { first, count } => {
                let session = self.session()?;
                let (names, pixels) = session.thumbnails(first, count);
                let size = session.pictures().size_px();
                post(&Event::Thumbnails {
                    id,
                    size,
                    names,
                    pixels,
                });
                return Ok(false);
            }
            Command::RemoveImages { places } => {
                self.end_task();
                self.session()?.leave_out(&places)?;
                self.post_state(self.phase());
                self.post_views().await?;
            }
            Command::CancelLoad => {} // there is none: a load looks for this by itself
            Command::Configure { config } => self.configure(config).await?,
            Command::Train { steps, every_ms } => {
                self.session()?.pictures().check()?;
                self.end_task();
                if steps == Some(0) {
                    return Ok(true);
                }
                self.task = Some(Task {
                    id,
                    left: steps,
                    every: every_ms.map(|ms| Duration::from_millis(ms.into())),
                    next: None,
                });
                self.post_state(Phase::Training);
                return Ok(false);
            }
            Command::Pause => {
                if let Err(error) = self.stop().await {
                    self.abort_training(&error);
                }
                self.post_state(self.phase());
            }
            Command::Reset => {
                self.end_task();
                self.session()?.reset();
                self.post_state(self.phase());
                self.post_views().await?;
            }
            Command::RefreshViews => {
                self.session()?.pictures().check()?;
                self.post_views().await?;
            }
            Command::Inspect { touch } => {
                self.touch = touch;
                self.post_parts().await?;
            }
            Command::Transfer { probes } => {
                let grid = self.session()?.transfer(&probes).await?;
                post(&Event::Transferred { id, grid });
                return Ok(false);
            }
            Command::Illustrate { what } => {
                let figure = self.session()?.illustrate(what).await?;
                post(&Event::Illustrated { id, figure });
                return Ok(false);
            }
            Command::Animate {
                width,
                height,
                frame_ms,
            } => {
                let bytes = animation::gif(&pixels, [width, height], frame_ms)?;
                let name = "autolink-training.gif".into();
                post(&Event::Saved { id, name, bytes });
                return Ok(false);
            }
            Command::Detect => {
                let found = self.detect(files).await?;
                post(&Event::Detected { id, found });
                return Ok(false);
            }
            Command::Save { kind } => {
                let session = self.session()?;
                post_steps(session.settle().await?); // told to the page, not only kept in the file
                let bytes = session.file(kind).await?;
                let name = kind.file_name(session.steps_taken());
                post(&Event::Saved { id, name, bytes });
                return Ok(false);
            }
            Command::Resume => self.resume(files).await?,
            annotating => return self.annotate(id, annotating, files, pixels).await,
        }
        Ok(true)
    }

    fn session(&mut self) -> Result<&mut Session> {
        self.session
            .as_mut()
            .ok_or_else(|| Error::Backend("The engine was not opened yet.".into()))
    }

    fn config(&self) -> Config {
        self.session.as_ref().map_or_else(
            || Config::preset(Preset::Tiny),
            |session| session.config().clone(),
        )
    }

    fn phase(&self) -> Phase {
        match &self.session {
            Some(session) if !session.pictures().is_empty() => {
                if self.task.is_some() {
                    Phase::Training
                } else {
                    Phase::Paused
                }
            }
            _ => Phase::Empty,
        }
    }

    fn post_state(&self, phase: Phase) {
        if let Some(session) = &self.session {
            let (step, pictures) = (session.steps_taken(), session.pictures().len());
            post(&Event::State {
                phase,
                config: session.config().clone(),
                step,
                run_id: session.run_id().into(),
                pictures,
            });
        }
    }

    /// Shows the probes, where there are any.
    async fn post_views(&mut self) -> Result<()> {
        let start = Instant::now();
        if let Some(session) = self
            .session
            .as_mut()
            .filter(|session| session.pictures().check().is_ok())
        {
            let kept = session.snapshots().all().len();
            let views = session.views().await?;
            post(&Event::Views(views));
            let moment = session.snapshots().all().get(kept);
            if let Some(moment) = moment {
                post(&Event::Snapshot(SnapshotView::of(moment)));
            }
            let is_kept = moment.is_some();
            self.post_parts().await?;
            self.cadence.looked(start);
            if is_kept {
                self.post_score().await?;
            }
        }
        Ok(())
    }

    /// Says how well the keypoints tell where the joints are, where those are known and it is quick enough.
    async fn post_score(&mut self) -> Result<()> {
        let (Some(session), [(ImageSource::Puppets { seed, .. }, _)]) =
            (&self.session, &self.piles[..])
        else {
            return Ok(());
        };
        let is_quick = (self.scored).is_none_or(|(at, cost)| at.elapsed() >= cost * SCORE_RARITY);
        let pictures = session.pictures();
        if !is_quick || pictures.len() < SCORED_PUPPETS || session.steps_taken() == 0 {
            return Ok(());
        }
        let start = Instant::now();
        // At any size the joints are the same.
        let joints: Vec<_> = (0..SCORED_PUPPETS)
            .map(|index| synthetic::puppet(pictures.place(index), *seed, 16).1)
            .collect();
        let score = session.score(&joints).await?;
        self.scored = Some((Instant::now(), start.elapsed()));
        post(&Event::Scored {
            step: session.steps_taken(),
            error: score.error,
            baseline: score.baseline,
        });
        Ok(())
    }

    /// Shows the probe that the page wants to see taken apart, if it wants one and there is one.
    async fn post_parts(&self) -> Result<()> {
        if let (Some(session), Some(touch)) = (&self.session, &self.touch)
            && session.pictures().check().is_ok()
        {
            post(&Event::Inspected(session.inspect(touch).await?));
        }
        Ok(())
    }

    async fn open(&mut self, wanted: Option<Backend>) -> Result<()> {
        let config = self.config();
        let (device, backend, mut reason) = choose(wanted).await?;
        if backend == Backend::Cpu {
            look_for_helpers(helpers::spawn_workers(), self.outbox.clone());
            let cores = 1 + helpers::ready_workers();
            let why = std::mem::take(&mut reason);
            reason = on_cpu(cores, &why);
            self.cpu = Some((cores, why));
        }
        self.session = Some(Session::new(device, backend, config)?);
        post(&Event::Ready {
            backend,
            reason,
            settings: SETTINGS.to_vec(),
            presets: [Preset::Tiny, Preset::Small, Preset::Paper]
                .map(|preset| (preset, Config::preset(preset)))
                .to_vec(),
            palette: palette::colours().into_iter().map(palette::hex).collect(),
            formats: formats::Offer::all(),
        });
        self.post_state(Phase::Empty);
        Ok(())
    }

    /// Tells the page how many cores compute, where that has changed: what has answered counts, and what is still there.
    fn tell_cores(&mut self) {
        let cores = 1 + helpers::ready_workers();
        if let Some((told, why)) = &mut self.cpu
            && *told != cores
        {
            *told = cores;
            let reason = on_cpu(cores, why);
            post(&Event::Cores { reason });
        }
    }

    /// Replaces the pictures or adds to them; what fails or is cancelled leaves those before in place.
    async fn load(&mut self, source: Source, files: Files, adds: bool) -> Result<()> {
        let config = self.session()?.config().clone();
        self.end_task();
        self.post_state(Phase::Loading);
        let done = self.load_under(source, files, adds, config).await;
        self.post_state(self.phase());
        if done? {
            self.post_views().await?;
        }
        Ok(())
    }

    /// Whether there are other pictures now: false if the load was cancelled.
    async fn load_under(
        &mut self,
        source: Source,
        files: Files,
        adds: bool,
        config: Config,
    ) -> Result<bool> {
        let pile = match source {
            Source::Files => ImageSource::Files(files),
            Source::Puppets { count, seed } => ImageSource::Puppets {
                count: count.min(MOST_PUPPETS),
                seed,
            },
            Source::Hands {
                count,
                ref base_url,
            } => match self.fetch_hands(count, base_url).await? {
                Some(files) => ImageSource::Hands(files),
                None => return Ok(false),
            },
        };
        let Some((read, rejected)) = self.read(&[&pile], &config).await? else {
            return Ok(false);
        };
        let count = read.read_len();
        let begun = match adds {
            _ if count == 0 => Err(Error::Pictures(NO_PICTURE.into())),
            true => self.session()?.add(read),
            false => self.session()?.begin(config, read),
        };
        if begun.is_ok() {
            if !adds {
                self.piles.clear();
            }
            self.piles.push((pile, count));
        }
        // Said in any case: what could not be used explains why nothing could be begun.
        let pictures = self.session()?.pictures();
        post(&Event::Loaded {
            is_new: begun.is_ok(),
            pictures: pictures.len(),
            read: pictures.read_len(),
            about: self.about(),
            rejected,
        });
        begun.map(|()| true)
    }

    /// A sentence about the pictures for each kind of source.
    fn about(&self) -> String {
        let (mut yours, mut hands, mut puppets) = (0, 0, 0);
        for (pile, count) in &self.piles {
            match pile {
                ImageSource::Files(_) => yours += count,
                ImageSource::Hands(_) => hands += count,
                ImageSource::Puppets { .. } => puppets += count,
            }
        }
        let parts = [
            (puppets, format!("{puppets} drawn puppets.")),
            (hands, format!("{hands} {}.", hands::ABOUT)),
            (
                yours,
                format!("{yours} pictures of yours; they stay on this device."),
            ),
        ];
        let said = parts.into_iter().filter(|(count, _)| *count > 0);
        said.map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    }

    /// Whether the page no longer wants what is being loaded.
    fn is_cancelled(&mut self) -> bool {
        let cancel = self
            .backlog
            .iter()
            .position(|message| matches!(message.command, Command::CancelLoad));
        if let Some(message) = cancel.and_then(|at| self.backlog.remove(at)) {
            post(&Event::Done { id: message.id });
            return true;
        }
        self.backlog
            .iter()
            .any(|message| matches!(message.command, Command::Load { .. }))
    }

    /// The pictures once more, at the size of `config`, without those that are left out; nothing if cancelled.
    async fn read_again(&mut self, config: &Config) -> Result<Option<Dataset>> {
        let left_out = self.session()?.pictures().removed();
        let piles = self.piles.clone();
        let piles: Vec<&ImageSource> = piles.iter().map(|(pile, _)| pile).collect();
        Ok(self.read(&piles, config).await?.map(|(mut pictures, _)| {
            pictures.set_removed(&left_out);
            pictures
        }))
    }

    /// Pictures of piles at the size of `config`, and the files that are none; nothing if cancelled.
    async fn read(
        &mut self,
        piles: &[&ImageSource],
        config: &Config,
    ) -> Result<Option<(Dataset, Vec<Rejected>)>> {
        let (mut pictures, mut rejected) = (Dataset::new(config.size), Vec::new());
        let mut stint = Instant::now();
        for pile in piles {
            match pile {
                ImageSource::Puppets { count, seed } => {
                    Dataset::check_memory(pictures.read_len() + count, config.size)?;
                    let mut progress = Progress::of("Drawing puppets");
                    for index in 0..*count {
                        pictures.push(synthetic::puppet(index, *seed, config.size).0);
                        progress.report(index + 1, Some(*count));
                        if self.is_interrupted(&mut stint).await {
                            return Ok(None);
                        }
                    }
                }
                ImageSource::Files(files) | ImageSource::Hands(files) => {
                    let Some(inputs) = self.look_through(files, &mut stint).await else {
                        return Ok(None);
                    };
                    rejected.extend(inputs.rejected.iter().map(reject));
                    rejected.extend(inputs.labels.iter().map(|labels| Rejected {
                        name: labels.path(),
                        reason: LABELS_WAIT.into(),
                    }));
                    let mut progress = Progress::of("Reading pictures");
                    let (names, total) = (inputs.names(|_| false), inputs.images.len());
                    Dataset::check_memory(pictures.read_len() + total, config.size)?;
                    for (done, (input, name)) in inputs.images.iter().zip(names).enumerate() {
                        let bytes = inputs::read(&files[input.file].1, input.entry.as_ref());
                        match bytes.and_then(|bytes| {
                            decode::decode(&name, &bytes, config.size, config.fit)
                        }) {
                            Ok(picture) => pictures.push(picture),
                            Err(reason) => rejected.push(Rejected {
                                name: input.path(),
                                reason,
                            }),
                        }
                        progress.report(done + 1, Some(total));
                        if self.is_interrupted(&mut stint).await {
                            return Ok(None);
                        }
                    }
                }
            }
        }
        Ok(Some((pictures, rejected)))
    }

    /// What the page's files are, and what is in zips among them; nothing if cancelled.
    async fn look_through(&mut self, files: &Files, stint: &mut Instant) -> Option<Inputs> {
        let mut inputs = Inputs::default();
        for (number, (name, file)) in files.iter().enumerate() {
            inputs.add_named(number, name, file);
            if self.is_interrupted(stint).await {
                return None;
            }
        }
        Some(inputs)
    }

    /// Lets the event loop take a turn after a stint; whether the load was cancelled in it.
    async fn is_interrupted(&mut self, stint: &mut Instant) -> bool {
        if stint.elapsed() < TIME_SLICE {
            return false;
        }
        fetch::turn(&self.turns).await;
        *stint = Instant::now();
        self.drain();
        self.is_cancelled()
    }

    /// The first so many hands; nothing if cancelled.
    async fn fetch_hands(&mut self, count: usize, base_url: &str) -> Result<Option<Files>> {
        self.loads += 1;
        let load = self.loads;
        let names: Vec<String> = hands::names().take(count).collect();
        let total = names.len();
        let abort = AbortController::new().map_err(|error| Error::Network(fetch::said(error)))?;
        let waiting: VecDeque<_> = names
            .iter()
            .map(|name| format!("{base_url}{name}"))
            .enumerate()
            .collect();
        let waiting = Rc::new(RefCell::new(waiting));
        for _ in 0..DOWNLOADS {
            let (waiting, outbox, signal) = (waiting.clone(), self.outbox.clone(), abort.signal());
            spawn_local(async move {
                loop {
                    let next = waiting.borrow_mut().pop_front();
                    let Some((index, url)) = next else { return };
                    let bytes = fetch::bytes(&url, Some(&signal), |_, _| {}).await;
                    let _ = outbox.unbounded_send(Incoming::Fetched { load, index, bytes });
                }
            });
        }
        let mut progress = Progress::of("Fetching photographs of hands");
        let mut files: Vec<Option<Blob>> = vec![None; total];
        let mut done = 0;
        let result = loop {
            if done == total {
                break Ok(true);
            }
            match self.inbox.recv().await {
                Ok(Incoming::Fetched {
                    load: of,
                    index,
                    bytes,
                }) if of == load => match bytes {
                    Ok(bytes) => {
                        files[index] = Blob::new_with_u8_array_sequence(&Array::of1(
                            &Uint8Array::from(&bytes[..]),
                        ))
                        .ok();
                        done += 1;
                        progress.report(done, Some(total));
                    }
                    Err(error) => break Err(error),
                },
                Ok(incoming) => {
                    self.accept(incoming);
                    if self.is_cancelled() {
                        break Ok(false);
                    }
                }
                Err(_) => break Ok(false),
            }
        };
        waiting.borrow_mut().clear();
        abort.abort();
        let files = names
            .into_iter()
            .zip(files)
            .filter_map(|(name, file)| Some((name, file?)))
            .collect();
        Ok(result?.then_some(files))
    }

    async fn configure(&mut self, config: Config) -> Result<()> {
        config.validate()?;
        let session = self.session()?;
        let is_live = session.config().is_live_change(&config);
        if session.needs_new_pictures(&config) {
            self.post_state(Phase::Loading);
            let begun = match self.read_again(&config).await {
                Ok(Some(pictures)) => self.session()?.begin(config, pictures),
                other => other.map(|_| ()),
            };
            if begun.is_err() {
                self.post_state(self.phase());
            }
            begun?;
        } else {
            session.configure(config)?;
        }
        self.post_state(self.phase());
        self.cadence = ViewSchedule::default();
        if self.task.is_none() || !is_live {
            self.post_views().await?;
        }
        Ok(())
    }

    /// Takes over the model or run in a file; what fails leaves everything as it was.
    async fn resume(&mut self, files: Files) -> Result<()> {
        let nothing = || Error::File("There is no model to open.".into());
        let (name, file) = files.into_iter().next().ok_or_else(nothing)?;
        let device = self.session()?.training_device();
        let loaded = checkpoint::open(&BlobFile(file), &device).await?;
        let mut pictures = None;
        if self.session()?.needs_new_pictures(&loaded.config) {
            self.post_state(Phase::Loading);
            let read = self.read_again(&loaded.config).await;
            self.post_state(self.phase());
            pictures = read?;
            if pictures.is_none() {
                return Ok(()); // cancelled
            }
        }
        self.end_task();
        let (step, is_run, losses) = (loaded.step, loaded.is_run(), loaded.losses.clone());
        self.session()?.resume(loaded, pictures)?;
        self.post_state(self.phase());
        post(&Event::Resumed {
            is_run,
            about: format!("{name}, trained for {step} steps."),
            losses,
        });
        for moment in self.session()?.snapshots().all() {
            post(&Event::Snapshot(SnapshotView::of(moment)));
        }
        self.cadence = ViewSchedule::default();
        self.post_views().await
    }

    async fn detect(&mut self, files: Files) -> Result<Keypoints> {
        let nothing = || Error::File("There is no picture to look at.".into());
        let (name, file) = files.into_iter().next().ok_or_else(nothing)?;
        let buffer = JsFuture::from(file.array_buffer()).await.map_err(|error| {
            Error::File(format!("{name} cannot be read ({}).", fetch::said(error)))
        })?;
        let session = self.session()?;
        let Config { size, fit, .. } = *session.config();
        let picture = decode::decode(&name, &Uint8Array::new(&buffer).to_vec(), size, fit)
            .map_err(|reason| Error::Pictures(format!("{name}: {reason}")))?;
        let mut pictures = Dataset::new(size);
        pictures.push(picture);
        session.detect(&pictures).await?.pop().ok_or_else(nothing)
    }

    /// One step, and what there is to tell about it.
    async fn train(&mut self) {
        if let Err(error) = self.try_train().await {
            self.abort_training(&error);
            if let Error::Training(_) = error {
                // What it has gone back to. If that fails, it was told already.
                let _ = self.post_views().await;
            }
        }
    }

    async fn try_train(&mut self) -> Result<()> {
        if let Some(file) = self.session()?.needs_weights().first() {
            return self.wait_for_weights(file).await;
        }
        let start = Instant::now();
        let session = self.session()?;
        post_steps(session.step().await?);
        let step = session.steps_taken();
        if let Some(Task {
            left: Some(left), ..
        }) = &mut self.task
        {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return self.stop().await;
            }
        }
        if let Some(Task {
            every: Some(every),
            next,
            ..
        }) = &mut self.task
        {
            *next = Some(start + *every);
            let session = self.session()?;
            post_steps(session.settle().await?);
            session.pause(); // waiting is not training
            self.post_views().await?;
        } else if self.cadence.is_due(step) {
            self.post_views().await?;
        }
        Ok(())
    }

    /// Ends training as it should end: everything told, then its command answered.
    async fn stop(&mut self) -> Result<()> {
        if self.task.is_some() {
            post_steps(self.session()?.settle().await?);
            self.post_views().await?;
            self.end_task();
        }
        Ok(())
    }

    /// Ends training because something went wrong.
    fn abort_training(&mut self, error: &Error) {
        let id = self.task.take().map(|task| task.id);
        if let Some(session) = &mut self.session {
            session.pause();
            // If they are at fault, they are fetched again.
            if let Error::Weights(_) = error {
                session.forget_weights();
            }
        }
        self.post_state(self.phase());
        fail(id, error);
    }

    /// Answers whoever asked for training.
    fn end_task(&mut self) {
        if let Some(task) = self.task.take() {
            if let Some(session) = &mut self.session {
                session.pause();
            }
            self.post_state(self.phase());
            post(&Event::Done { id: task.id });
        }
    }

    /// Fetches a file of weights in the background, and waits until it or a message comes.
    async fn wait_for_weights(&mut self, file: &str) -> Result<()> {
        if !self.weights_under_way {
            self.weights_under_way = true;
            let (url, outbox) = (format!("{}{file}", self.weights_url), self.outbox.clone());
            spawn_local(async move {
                let mut progress = Progress::of_bytes("Loading VGG16's weights");
                let bytes = fetch::weights(&url, |done, total| progress.report(done, total)).await;
                let _ = outbox.unbounded_send(Incoming::Weights(bytes));
            });
        }
        if let Ok(incoming) = self.inbox.recv().await {
            self.accept(incoming);
        }
        Ok(())
    }
}

fn reject((name, reason): &(String, String)) -> Rejected {
    Rejected {
        name: name.clone(),
        reason: reason.clone(),
    }
}

/// A file of the page, read by slices.
struct BlobFile(Blob);

impl ReadAt for BlobFile {
    fn size(&self) -> u64 {
        self.0.size() as u64
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let end = offset as f64 + length as f64;
        let unreadable = |error| {
            Error::File(format!(
                "The file cannot be read, or no longer ({}).",
                fetch::said(error)
            ))
        };
        let slice = self
            .0
            .slice_with_f64_and_f64(offset as f64, end)
            .map_err(unreadable)?;
        let buffer = JsFuture::from(slice.array_buffer())
            .await
            .map_err(unreadable)?;
        Ok(Uint8Array::new(&buffer).to_vec())
    }
}

/// Reports every change in the number of ready helpers, until all that were hired are ready.
fn look_for_helpers(hired: u32, outbox: UnboundedSender<Incoming>) {
    if hired == 0 {
        return;
    }
    spawn_local(async move {
        let mut seen = 0;
        for _ in 0..HELPER_LOOKS {
            fetch::sleep(HELPER_LOOK_MS).await;
            let here = helpers::ready_workers();
            if here != seen {
                seen = here;
                let _ = outbox.unbounded_send(Incoming::Helper);
            }
            if here >= hired {
                return;
            }
        }
    });
}

/// What computes on the CPU, in a sentence.
fn on_cpu(cores: u32, why: &str) -> String {
    match cores {
        1 => format!("The processor{why}"),
        _ => format!("The processor, {cores} cores{why}"),
    }
}

/// The device to compute on, and why that one; of the CPU only why, for [`on_cpu`].
async fn choose(wanted: Option<Backend>) -> Result<(Device, Backend, String)> {
    let cpu = |why: String| (Device::flex(), Backend::Cpu, why);
    if wanted == Some(Backend::Cpu) {
        return Ok(cpu(", as asked for.".into()));
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
    if adapter.is_software && !is_forced {
        return Ok(cpu(format!(
            ": WebGPU only has {} here, which is slower.",
            adapter.name
        )));
    }
    let asked = if is_forced { ", as asked for" } else { "" };
    ops::set_adapter(adapter.lanes, adapter.is_software);
    match open_gpu().await {
        Ok(device) => Ok((
            device,
            Backend::Gpu,
            format!("WebGPU on {}{asked}.", adapter.name),
        )),
        Err(error) if is_forced => Err(error),
        Err(_) => Ok(cpu(format!(
            ": WebGPU on {} could not be opened.",
            adapter.name
        ))),
    }
}

fn post_steps(reports: Vec<StepReport>) {
    for StepReport {
        step,
        loss,
        steps_per_second,
        elapsed_seconds,
    } in reports
    {
        post(&Event::Step {
            step,
            loss,
            steps_per_second,
            elapsed_seconds,
        });
    }
}

fn fail(id: Option<u32>, error: &Error) {
    post(&Event::Failed {
        id,
        kind: error.kind(),
        message: error.to_string(),
    });
}
