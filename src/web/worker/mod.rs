//! The worker: one loop that answers the page's messages and, between them, trains.

mod device; // which device computes
mod files; // the browser's files
mod loading; // images and models into the engine
mod messages; // to and from the page
mod project; // annotations
mod search; // the animal before a still camera
mod training; // steps and views

use std::collections::{HashMap, VecDeque};

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use js_sys::Reflect;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use wasm_bindgen_futures::spawn_local;
use web_sys::{MessageChannel, MessageEvent};
use web_time::{Duration, Instant};

use self::loading::ImageSource;
use self::messages::{Message, fail, post, post_steps};
use self::training::Task;
use super::{cores, fetch};
use crate::annotate::project::AnnotationProject;
use crate::config::{Config, Preset};
use crate::error::{Error, ErrorKind, Result};
use crate::session::{Command, Edits, Event, Phase, Reversed, Session, ViewSchedule, animation};

/// Interval at which messages are checked while slow motion waits, ms.
const SLOW_MOTION_CHECK_MS: i32 = 20;

/// Anything that arrives at the loop.
enum Incoming {
    /// A message of the page.
    Message(Message),
    /// A photograph of a sample, for the load with this number.
    Fetched {
        load: u32,
        index: usize,
        bytes: Result<Vec<u8>>,
    },
    /// A file of weights.
    Weights(Result<Vec<u8>>),
    /// The number of ready CPU workers changed.
    WorkerReady,
}

/// Starts the worker. It posts `booted` once it listens.
pub fn start() {
    crate::web::console::init();
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        let message = format!(
            "The engine crashed ({info}). Reload the page. None of your data was sent anywhere."
        );
        post(&Event::Failed {
            id: None,
            kind: ErrorKind::Crash,
            message,
        });
    }));
    cores::worker_loop();
    let Ok(scope) = fetch::scope() else { return };
    let Ok(turns) = MessageChannel::new() else {
        return;
    };
    let (sender, inbox) = unbounded();
    let outbox = sender.clone();
    let listener = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
        match messages::parse(&event.data()) {
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

/// The worker's state.
struct Engine {
    inbox: UnboundedReceiver<Incoming>,
    outbox: UnboundedSender<Incoming>,
    /// Messages that came in during other work.
    backlog: VecDeque<Message>,
    /// Channel for giving the event loop a turn; see [`fetch::turn`].
    turns: MessageChannel,
    weights_url: String,
    /// A file of weights is being downloaded.
    is_loading_weights: bool,
    /// Stages to open once the weights are here.
    waiting_for_weights: Vec<Message>,
    /// Present once the page has opened the engine.
    session: Option<Session>,
    /// Sources of the images, each with its number of images.
    sources: Vec<(ImageSource, usize)>,
    /// Number of the last download of a sample.
    load_id: u32,
    task: Option<Task>,
    schedule: ViewSchedule,
    /// On the CPU: the number of cores that the page knows of, and the reason for the CPU.
    cpu: Option<(u32, String)>,
    /// The preview image that the page inspects, with its edits.
    edits: Option<Edits>,
    /// When the keypoints were last scored, and how long that took.
    last_score: Option<(Instant, Duration)>,
    /// When a slice of the held-out loss was last computed, and how long that took.
    last_slice: Option<(Instant, Duration)>,
    /// Present once images were added, or a project was opened.
    project: Option<AnnotationProject>,
    /// For each image of the project, by the id of its row: its file, and its place in the file if that is a zip.
    project_files: HashMap<u32, project::Place>,
    /// The model whose keypoints the project shows: its run and steps.
    shown_model: Option<(String, usize)>,
    /// When the project was last sent while images are added.
    project_shown: Instant,
    /// Reversed readings of frames of the project, by the ids of their rows.
    reversed: HashMap<u32, Reversed>,
    /// Searches for an animal, by the names of their videos or folders.
    searches: HashMap<String, search::Source>,
    /// Margin of the crops that were asked for last.
    crop_margin: f64,
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
            is_loading_weights: false,
            waiting_for_weights: Vec::new(),
            session: None,
            sources: Vec::new(),
            load_id: 0,
            task: None,
            schedule: ViewSchedule::default(),
            cpu: None,
            edits: None,
            last_score: None,
            last_slice: None,
            project: None,
            project_files: HashMap::new(),
            shown_model: None,
            project_shown: Instant::now(),
            reversed: HashMap::new(),
            searches: HashMap::new(),
            crop_margin: Config::CROP_MARGIN,
        }
    }

    /// Runs the loop: messages first; while there are none, training.
    async fn run(mut self) {
        loop {
            if self.task.is_some() {
                fetch::turn(&self.turns).await;
            }
            self.drain();
            self.post_cores();
            let message = match self.backlog.pop_front() {
                Some(message) => message,
                None if self.task.is_some_and(|task| task.is_waiting()) => {
                    fetch::sleep(SLOW_MOTION_CHECK_MS).await;
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
                Ok(false) => {} // answered by another event, or later
                Err(error) => {
                    if let Error::Training(_) = error {
                        self.abort_training(&error); // the run went back, and training must not go on by itself
                    }
                    fail(Some(id), &error);
                }
            }
        }
    }

    /// Accepts everything that has arrived so far.
    fn drain(&mut self) {
        while let Ok(incoming) = self.inbox.try_recv() {
            self.accept(incoming);
        }
    }

    fn accept(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message(message) => self.backlog.push_back(message),
            Incoming::Fetched { .. } => {} // of a load that was cancelled
            Incoming::WorkerReady => self.post_cores(),
            Incoming::Weights(bytes) => {
                self.is_loading_weights = false;
                let waiting = std::mem::take(&mut self.waiting_for_weights);
                match (bytes, &mut self.session) {
                    (Ok(bytes), Some(session)) => {
                        session.add_weights(bytes);
                        self.backlog.extend(waiting);
                    }
                    (Ok(_), None) => {}
                    (Err(error), _) => {
                        for message in waiting {
                            fail(Some(message.id), &error);
                        }
                        if self.task.is_some() {
                            self.abort_training(&error);
                        }
                    }
                }
            }
        }
    }

    /// Executes a command. Returns true if [`Event::Done`] is still to be sent.
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
            Command::Load { source, append } => self.load(source, files, append).await?,
            Command::Thumbnails { first, count } => {
                let session = self.session()?;
                let (names, pixels) = session.thumbnails(first, count);
                let size = session.images().size_px();
                post(&Event::Thumbnails {
                    id,
                    size,
                    names,
                    pixels,
                });
                return Ok(false);
            }
            Command::RemoveImages { indices } => {
                self.end_task();
                self.session()?.remove_images(&indices)?;
                self.post_state(self.phase());
                self.post_views().await?;
            }
            Command::CancelLoad => {} // no load is running: a load takes this message out of the backlog itself
            Command::Configure { config } => self.configure(config).await?,
            Command::Train { steps, every_ms } => {
                self.session()?.images().check()?;
                self.end_task();
                self.note_crops()?;
                if steps == Some(0) {
                    return Ok(true);
                }
                self.task = Some(Task {
                    id,
                    steps_left: steps,
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
                self.session()?.images().check()?;
                self.post_views().await?;
            }
            Command::Inspect { edits } => {
                self.edits = edits;
                self.post_stages().await?;
            }
            Command::Explain { edits, stage } => {
                let session = self.session()?;
                if let Some(file) = session.weights_to_explain(stage).first() {
                    self.fetch_weights(file);
                    self.waiting_for_weights.push(Message {
                        id,
                        command: Command::Explain { edits, stage },
                        files,
                        pixels,
                    });
                    return Ok(false);
                }
                let detail = session.explain(&edits, stage).await?;
                let step = session.steps_taken();
                post(&Event::Explained { id, step, detail });
                return Ok(false);
            }
            Command::Transfer { previews } => {
                let grid = self.session()?.transfer(&previews).await?;
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
                post_steps(session.read_losses().await?); // the page gets every loss that the file has
                let bytes = session.file(kind).await?;
                let name = kind.file_name(session.steps_taken());
                post(&Event::Saved { id, name, bytes });
                return Ok(false);
            }
            Command::Resume => self.resume(files).await?,
            Command::BeginSearch { .. }
            | Command::SampleFrames { .. }
            | Command::SearchFrames { .. }
            | Command::Locate { .. }
            | Command::ListCandidates { .. }
            | Command::AddCandidate { .. }
            | Command::ChooseFrames { .. } => {
                return self.locate(id, command, files, pixels).await;
            }
            annotating => return self.annotate(id, annotating, files, pixels).await,
        }
        Ok(true)
    }

    fn session(&mut self) -> Result<&mut Session> {
        self.session
            .as_mut()
            .ok_or_else(|| Error::Backend("The engine is not open yet. Reload the page.".into()))
    }

    fn config(&self) -> Config {
        self.session.as_ref().map_or_else(
            || Config::preset(Preset::Quick),
            |session| session.config().clone(),
        )
    }

    fn phase(&self) -> Phase {
        match &self.session {
            Some(session) if !session.images().is_empty() => {
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
            let (step, images) = (session.steps_taken(), session.images().len());
            post(&Event::State {
                phase,
                config: session.config().clone(),
                step,
                first_skeleton_step: session.config().first_skeleton_step(),
                run_id: session.run_id().into(),
                images,
                parameters: session.parameter_counts(),
                held_out: session.split().held_out.len(),
            });
        }
    }
}
