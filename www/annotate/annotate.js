// @ts-check
/**
 * The Annotate tab of the page: detects keypoints in images, to be named, corrected and exported.
 *
 * @module
 */

import { Camera } from "./camera.js";
import { AnnotationProject } from "./annotation_project.js";
import { Editor } from "./editor.js";
import { Gallery } from "./gallery.js";
import { EngineError } from "../autolink.js";
import { counted, grouped } from "../ui/format.js";
import { cropsOf, find } from "./locating.ts";
import { make, showEdges, showKeypoints, showLandmarks } from "./labels.js";
import { MotionPanel } from "./motion.js";
import { BitmapCache } from "./bitmaps.js";
import { ProjectPanel } from "./project_panel.js";
import { isVideo, openVideo } from "./video.js";

/** @import * as protocol from "../engine/protocol.js" */
/** @import { NamedFile, Session } from "../autolink.js" */
/** @import { PageState, Store } from "../state/state.js" */
/** @import { Video } from "./video.js" */

/** @typedef {"all" | "unlabelled" | "unsure" | "corrected" | "jumps"} Filter Images to show. */

/**
 * Parts of the page that this tab uses.
 * @typedef {object} Page
 * @property {(command: (session: Session) => Promise<unknown>) => Promise<void>} attempt Runs a command, and shows its failure.
 * @property {(file: File) => void} download
 * @property {import("../state/saves.js").Saves} saves
 */

/**
 * @param {Store} store
 * @param {Page} page
 * @returns {{ detect: (files: NamedFile[], failed?: protocol.Rejected[], labels?: NamedFile[]) => void, importLabels: (files: NamedFile[], failed?: protocol.Rejected[]) => void, openProject: (file: NamedFile) => void, restore: () => Promise<void>, flush: () => Promise<unknown> }} Where
 *   what is dropped goes; and what was done on an earlier visit, to be called when an engine is new.
 */
export function openAnnotate(store, { attempt, download, saves }) {
  const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const select = (/** @type {string} */ id) => /** @type {HTMLSelectElement} */ (byId(id));
  const say = (/** @type {string} */ text) => store.set({ message: { kind: "info", text } });

  /** Videos whose frames are in the project, by content hash. @type {Map<string, Video>} */
  const videos = new Map();
  const bitmaps = new BitmapCache((image) => {
    const row = store.state.project?.row(image);
    if (!row?.is_here) return null;
    const { width_px, height_px } = row;
    const video = row.video && videos.get(row.video.content);
    /** @type {() => Promise<Blob>} */
    const read = () =>
      new Promise((resolve, reject) => {
        attempt(async (session) => resolve(await session.imageFile(image))).then(() =>
          reject(new Error("the engine does not have the file")),
        );
      });
    const seconds = row.video?.seconds ?? 0;
    return { width_px, height_px, read: video ? () => video.image(seconds) : read };
  });
  // Edits are stored in the browser and restored on the next visit.
  const projectPanel = new ProjectPanel(store, { attempt, download, saves }, () => {
    for (const video of videos.values()) video.close();
    videos.clear();
    bitmaps.clear();
    store.set({ fileNotes: [] });
  });
  const edit = (/** @type {protocol.Edit} */ edit) =>
    attempt(async (session) => {
      await session.edit(edit);
      projectPanel.edited(true);
      if (store.state.message?.kind === "error") store.set({ message: null });
    }).then(() => {
      // A field whose edit was rejected shows the old value.
      if (store.state.message?.kind === "error" && store.state.project)
        store.set({ project: new AnnotationProject(store.state.project.view, store.state.project) });
    });
  const layer = () => /** @type {protocol.Layer} */ (select("annotate-layer").value);
  const order = () => {
    const { project } = store.state;
    const all = project?.order(/** @type {"name"} */ (select("annotate-order").value)) ?? [];
    return project ? project.filtered(all, /** @type {Filter} */ (select("annotate-filter").value), layer()) : all;
  };
  const remove = (/** @type {number[]} */ images) => {
    const [first] = images;
    const name = store.state.project?.row(first)?.name;
    const text = images.length === 1 ? `Removed ${name}.` : `Removed ${counted(images.length, "image")}.`;
    return edit({ kind: "remove", images }).then(() => projectPanel.offerUndo(text, () => edit({ kind: "undo" }), true));
  };

  const editor = new Editor(/** @type {HTMLDialogElement} */ (byId("editor")), bitmaps, edit, (image) => remove([image]));
  const motion = new MotionPanel(byId("motion"), attempt, download);
  const gallery = new Gallery(
    byId("gallery"),
    bitmaps,
    (image) => editor.open(image),
    (image) => remove([image]),
  );

  const show = () => {
    const { project } = store.state;
    const isLandmarks = layer() === "landmarks";
    gallery.show(project, layer(), order());
    editor.show(project, layer(), order());
    byId("annotate-empty").hidden = Boolean(project?.count);
    byId("annotate-full").hidden = !project?.count;
    byId("keypoints-part").hidden = isLandmarks;
    byId("landmarks-part").hidden = !isLandmarks;
    if (!project) return;
    const { view } = project;
    byId("annotate-count").textContent = counted(project.count, "image");
    byId("annotate-labelled").textContent = isLandmarks
      ? `${grouped(view.labelled)} of ${grouped(project.count)} labelled`
      : `${grouped(project.rows.filter(({ id }) => project.placed(id, "keypoints") > 0).length)} of ${grouped(project.count)} corrected`;
    const jumps = /** @type {HTMLOptionElement} */ (byId("filter-jumps"));
    jumps.hidden = view.jumps.length === 0;
    jumps.textContent = `skeleton jumps (${grouped(view.jumps.length)})`;
    byId("annotate-filtered").hidden = order().length > 0;
    const waiting = byId("annotate-waiting");
    waiting.hidden = view.waiting === 0;
    const [labels, here] = [view.waiting, view.attachable];
    /** @type {HTMLElement} */ (waiting.querySelector("span")).textContent =
      `The labels of ${counted(labels, "image")} come from an earlier version, which stored only file names. ` +
      (here
        ? `${here} of these names ${here === 1 ? "is" : "are"} in the project. Press Attach by name if ${here === 1 ? "it is the same image" : "they are the same images"}.`
        : "Drop in the images, then press Attach by name.");
    /** @type {HTMLButtonElement} */ (byId("annotate-attach")).disabled = here === 0;
    const missing = project.rows.filter((row) => !row.is_here).length;
    byId("annotate-missing").textContent = missing
      ? `${counted(missing, "image file")} ${missing === 1 ? "is missing. Drop it in to see the image; its" : "are missing. Drop them in to see the images; their"} labels are kept.`
      : "";
    const category = /** @type {HTMLInputElement} */ (byId("category"));
    if (document.activeElement !== category) category.value = view.category;
    showKeypoints(byId("keypoints"), project, edit);
    motion.show(project, layer());
    showEdges(byId("edges"), project, edit);
    showLandmarks(byId("landmarks"), project, edit, (index) => editor.open(index));
    byId("landmarks-missing").textContent = view.missing;
    const next = /** @type {HTMLButtonElement} */ (byId("label-next"));
    next.disabled = view.next.length === 0;
    next.textContent = view.next.length ? `Label next: ${project.row(view.next[0])?.name}` : "Label next";
    /** @type {HTMLButtonElement} */ (byId("annotate-undo")).disabled = !view.can_undo;
    /** @type {HTMLButtonElement} */ (byId("annotate-redo")).disabled = !view.can_redo;
  };
  store.watch(["project"], show);
  // The dialog hides the message.
  store.watch(["message"], ({ message }) => message?.kind === "error" && editor.isOpen && editor.setStatus(message.text));
  // Keypoints stay as they were detected until the user detects them again.
  store.watch(["project", "step", "runId", "isDetecting", "engine"], ({ project, step, runId, isDetecting, engine }) => {
    const isOther = project?.view.run !== runId;
    const old = project?.rows.filter((row) => row.is_here && (isOther || row.step !== step)) ?? [];
    byId("annotate-again").hidden = old.length === 0 || isDetecting || engine !== "running";
    const steps = [...new Set(old.flatMap((row) => row.step ?? []))].sort((a, b) => a - b);
    const origin = steps.length
      ? `were detected at step ${steps.map(grouped).join(", ")}${isOther ? " of another run" : ""}`
      : "have not been detected yet";
    /** @type {HTMLElement} */ (byId("annotate-again").querySelector("span")).textContent =
      `Keypoints in ${counted(old.length, "image")} ${origin}. The model is at step ${grouped(step)}.`;
  });
  // A run that is opened brings back its keypoint names.
  store.watch(["runId"], ({ project, runId }) => {
    if (project && runId) attempt((session) => session.showProject());
  });
  select("annotate-filter").addEventListener("change", show);
  select("annotate-layer").addEventListener("change", show);
  select("annotate-order").addEventListener("change", show);

  const saveVideo = make(
    "button",
    { type: "button", class: "small", "data-testid": "export-video", "aria-label": "Download: Annotated video" },
    "Download",
  );
  const videoItem = make(
    "li",
    {},
    make("div", {}, make("b", {}, "Annotated video"), " ", make("small", {}, "Skeleton and trails over the frames; MP4, or WebM.")),
    saveVideo,
  );
  saveVideo.addEventListener("click", () => {
    stopped = false;
    store.set({ isDetecting: true, message: null });
    attempt(async () => {
      const { annotatedVideo } = await import("./annotated_video.ts");
      const { project } = store.state;
      const names = [];
      for (const [content, video] of videos) {
        const rows = project?.rows.filter((row) => row.video?.content === content) ?? [];
        const name = rows[0]?.video?.name;
        if (!project || !name) continue;
        const ids = new Map(rows.map(({ id, video }) => [video?.frame, id]));
        const pointsOf = (/** @type {number} */ frame) => {
          const id = ids.get(frame);
          return id === undefined ? undefined : project.points(id, layer());
        };
        const drawing = { labels: project.labels(layer()), edges: project.edges(layer()), pointsOf };
        const file = await annotatedVideo(name, video, drawing, (seconds) => {
          const what = `Writing the video of ${name}, seconds`;
          store.set({ progress: { what, done: Math.round(seconds), total: Math.ceil(video.duration), isBytes: false } });
          return !stopped;
        });
        if (!file) return say("Stopped: no video was saved.");
        download(file);
        names.push(file.name);
      }
      if (names.length === 0) throw new Error("The project has no video here. Drop one in first.");
      say(`Saved ${names.join(", ")}.`);
    }).finally(() => store.set({ isDetecting: false, progress: null }));
  });

  store.watch(["formats"], ({ formats }) => {
    byId("formats").replaceChildren(
      ...formats.map(({ format, title, about, holds_images }) => {
        const button = make(
          "button",
          { type: "button", class: "small", "data-testid": `export-${format}`, "aria-label": `Download: ${title}` },
          "Download",
        );
        const withImages = () => holds_images && /** @type {HTMLInputElement} */ (byId("with-images")).checked;
        button.addEventListener("click", () =>
          attempt(async (session) => {
            if (withImages() || format === "png") await provideFrames(session);
            const file = await session.export({ layer: layer(), format, withImages: withImages() });
            download(file);
            store.set({ progress: null });
            const { project } = store.state;
            const without = layer() === "keypoints" ? (project?.rows.filter((row) => row.step === null).length ?? 0) : 0;
            const missing = withImages() ? (project?.rows.filter((row) => !row.is_here).length ?? 0) : 0;
            const notes = [
              without ? ` It leaves out ${counted(without, "image")} without keypoints: press Detect again, then export once more.` : "",
              missing
                ? ` It lacks ${counted(missing, "image file")}: drop ${missing === 1 ? "it" : "them"} in, then export once more.`
                : "",
            ];
            say(`Saved ${file.name}.${notes.join("")}`);
          }),
        );
        return make("li", {}, make("div", {}, make("b", {}, title), " ", make("small", {}, about)), button);
      }),
      videoItem,
    );
  });

  store.watch(["fileNotes"], ({ fileNotes }) => {
    const section = /** @type {HTMLDetailsElement} */ (byId("file-notes"));
    section.hidden = fileNotes.length === 0;
    section.open = fileNotes.length > 0 && fileNotes.length <= 3;
    byId("file-notes-summary").textContent = `Notes on ${counted(fileNotes.length, "file")}`;
    byId("file-notes-files").replaceChildren(...fileNotes.map(({ name, reason }) => make("li", {}, make("b", {}, name), ` ${reason}`)));
  });

  store.watch(["engine", "isDetecting", "step", "imageCount", "config"], ({ engine, isDetecting, step, config }) => {
    byId("annotate-cancel").hidden = !isDetecting;
    byId("annotate-mend-label").hidden = !config?.locate;
    byId("annotate-untrained").hidden = step > 0 || engine !== "running";
    /** @type {HTMLButtonElement} */ (byId("annotate-training")).disabled =
      engine !== "running" || isDetecting || store.state.imageCount === 0;
  });

  /** Provides the images of video frames for an export. @param {Session} session */
  const provideFrames = async (session) => {
    const rows = store.state.project?.rows ?? [];
    const frames = rows.flatMap(({ id, video }) => (video && videos.has(video.content) ? [{ id, video }] : []));
    for (const [done, { id, video }] of frames.entries()) {
      store.set({ progress: { what: "Taking frames", done, total: frames.length, isBytes: false } });
      const image = await /** @type {Video} */ (videos.get(video.content)).image(video.seconds);
      await session.provideFrame(id, new File([image], "frame.png"));
    }
  };

  /** Returns the frames of a video in the project by number, each with true if its keypoints come from the current model.
   * @param {string} content
   * @returns {Map<number, boolean>}
   */
  const framesOf = (content) => {
    const { project, step, runId } = store.state;
    const rows = project?.rows.filter(({ video }) => video?.content === content) ?? [];
    return new Map(rows.map((row) => [row.video?.frame ?? 0, row.is_here && row.step === step && project?.view.run === runId]));
  };
  /** Crops of the frames of videos, by content hash and margin. @type {Map<string, { crops: Map<number, protocol.Crop>, about: string }>} */
  const cropsOfVideos = new Map();
  /** Returns the crops around the animal for a model that was trained on such crops, by frame; none for other models, and where the animal is not
   * found. Stops with `stopped`.
   * @param {Session} session
   * @param {string} name
   * @param {string} content
   * @param {Video} video
   * @returns {Promise<{ crops: Map<number, protocol.Crop>, about: string }>}
   */
  const cropsIn = async (session, name, content, video) => {
    const none = { crops: new Map(), about: "" };
    if (!store.state.config?.locate) return none;
    const key = `${content} ${store.state.config.crop_margin}`;
    const known = cropsOfVideos.get(key);
    if (known) return known;
    try {
      const found = await find(session, { name, video, images: [] }, (done, total) => {
        store.set({ progress: { what: `Finding the animal in ${name}`, done, total, isBytes: false } });
        return !stopped;
      });
      if (!found) return none;
      const located = { crops: cropsOf(found), about: found.located.about_detection };
      cropsOfVideos.set(key, located);
      return located;
    } catch (error) {
      if (error instanceof EngineError && error.kind === "crash") throw error;
      const reason = error instanceof Error ? error.message : `${error}`;
      return { ...none, about: `The model was trained on crops around an animal, but sees whole frames here. ${reason}` };
    }
  };

  /**
   * Mends swapped heads and tails in a video, whose crops the engine reads in reverse for it: a few first, all if those cast doubt.
   * @param {Session} session
   * @param {string} content
   * @param {Video} video
   * @returns {Promise<number>} Number of frames that were mended.
   */
  const mendFlips = async (session, content, video) => {
    const rows = store.state.project?.rows ?? [];
    const frameOf = new Map(rows.flatMap((row) => (row.video?.content === content ? [[row.id, row.video.frame]] : [])));
    const idOf = new Map([...frameOf].map(([id, frame]) => [frame, id]));
    const read = new Set();
    while (!stopped) {
      const { mended, unread } = await session.mendFlips(content);
      // A frame that cannot be decoded again stays unread.
      const frames = unread.filter((id) => !read.has(id)).flatMap((id) => frameOf.get(id) ?? []);
      if (frames.length === 0) return mended;
      for (const id of unread) read.add(id);
      let done = 0;
      for await (const frame of video.pick(frames.sort((a, b) => a - b))) {
        if (stopped) break;
        const id = idOf.get(frame.frame);
        if (id !== undefined) await session.readReversed(id, frame);
        store.set({ progress: { what: "Looking for swapped heads and tails", done: ++done, total: frames.length, isBytes: false } });
      }
    }
    return 0;
  };

  /** Adds the frames of videos to the project, one at a time. @param {Session} session @param {NamedFile[]} files */
  const detectInVideos = async (session, files) => {
    const every = Number(select("annotate-every").value);
    /** @type {protocol.Rejected[]} */ const rejected = [];
    let count = 0;
    await session.pause();
    for (const { file, name } of files) {
      try {
        const video = await openVideo(file);
        const content = await session.identify(file);
        videos.get(content)?.close();
        videos.set(content, video);
        const before = framesOf(content);
        const isKnown = before.size > 0;
        const { crops, about } = await cropsIn(session, name, content, video);
        if (about) rejected.push({ name, reason: about });
        let added = 0;
        try {
          for await (const frame of video.frames(every)) {
            if (stopped) break;
            // A video that is added again adds only missing frames.
            if (before.get(frame.frame)) continue;
            await session.addFrame({ name, content }, frame, crops.get(frame.frame));
            added += 1;
            const what = `Detecting keypoints in ${name}, seconds`;
            store.set({ progress: { what, done: Math.round(frame.seconds), total: Math.ceil(video.duration), isBytes: false } });
          }
        } finally {
          count += added;
        }
        await session.showProject();
        if (crops.size && added && !stopped && /** @type {HTMLInputElement} */ (byId("annotate-mend")).checked) {
          const mended = await mendFlips(session, content, video);
          if (mended) rejected.push({ name, reason: `Head and tail were swapped in ${counted(mended, "frame")}. This is mended.` });
          if (mended) await session.showProject();
        }
        const called = store.state.project?.rows.find((row) => row.video?.content === content)?.video?.name ?? name;
        if (video.guessed) rejected.push({ name, reason: video.guessed });
        if (isKnown && added === 0) rejected.push({ name, reason: `This video is already in the project, as ${called}.` });
        else if (called !== name)
          rejected.push({
            name,
            reason: isKnown
              ? `This is the same video as ${called}.`
              : `Another video has this name. This one is called ${called} here and in exports.`,
          });
      } catch (error) {
        if (error instanceof EngineError) throw error;
        rejected.push({ name, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    await session.showProject();
    return { about: `Detected keypoints in ${counted(count, "frame")}.`, rejected };
  };
  let stopped = false;

  /**
   * @param {NamedFile[]} files Without any: the training images.
   * @param {protocol.Rejected[]} [failed] Files dropped with them that cannot be used.
   * @param {NamedFile[]} [labels] Files of labels dropped with them; they are imported after the images.
   */
  const detect = (files, failed = [], labels = []) => {
    stopped = false;
    const videoFiles = files.filter(isVideo);
    const imageFiles = files.filter((file) => !isVideo(file));
    store.set({
      isDetecting: true,
      fileNotes: [],
      message: null,
      progress: { what: "Detecting keypoints", done: 0, total: null, isBytes: false },
    });
    attempt(async (session) => {
      bitmaps.clear();
      const results = [];
      if (imageFiles.length || files.length === 0) results.push(await session.addImages(imageFiles));
      if (videoFiles.length) results.push(await detectInVideos(session, videoFiles));
      bitmaps.clear();
      if (store.state.project) store.set({ project: new AnnotationProject(store.state.project.view, store.state.project) });
      for (const file of labels) results.push(await labelsOf(session, file));
      projectPanel.edited(false);
      store.set({ fileNotes: [...failed, ...results.flatMap((results) => results?.rejected ?? [])], progress: null });
      const about = results
        .map((results) => results?.about ?? "")
        .join(" ")
        .trim();
      if (about) say(about);
    }).finally(() => store.set({ isDetecting: false, progress: null }));
  };
  /** Imports labels dropped with images. A file that is not one of labels becomes a note. @param {Session} session @param {NamedFile} labels */
  const labelsOf = async (session, { file, name }) => {
    try {
      const results = await session.importLabels(file);
      if (results) showLabels();
      return results;
    } catch (error) {
      if (error instanceof EngineError && error.kind === "crash") throw error;
      return { about: "", rejected: [{ name, reason: error instanceof Error ? error.message : `${error}` }] };
    }
  };
  const showLabels = () => {
    projectPanel.edited(true);
    select("annotate-layer").value = "landmarks";
    show();
  };
  const importLabels = (/** @type {NamedFile[]} */ files, /** @type {protocol.Rejected[]} */ failed = []) =>
    void attempt(async (session) => {
      /** @type {protocol.Rejected[]} */ const rejected = [...failed];
      for (const { file } of files) {
        const results = await session.importLabels(file);
        if (!results) continue;
        rejected.push(...results.rejected);
        showLabels();
        say(results.about);
      }
      store.set({ fileNotes: rejected });
    });

  /** Detects keypoints again where they come from an older model. Names, corrections and landmarks stay. */
  const detectAgain = () => {
    stopped = false;
    store.set({
      isDetecting: true,
      fileNotes: [],
      message: null,
      progress: { what: "Detecting keypoints again", done: 0, total: null, isBytes: false },
    });
    attempt(async (session) => {
      const results = await session.detectAgain();
      const notes = results?.rejected ?? [];
      for (const [content, video] of videos) {
        const { project, step, runId } = store.state;
        const isOld = (/** @type {protocol.ImageRow} */ row) =>
          row.video?.content === content && (row.step !== step || project?.view.run !== runId);
        const rows = project?.rows.filter(isOld) ?? [];
        const wanted = new Set(rows.map((row) => row.video?.frame));
        if (wanted.size === 0) continue;
        const name = rows[0].video?.name ?? "";
        const { crops, about } = await cropsIn(session, name, content, video);
        if (about) notes.push({ name, reason: about });
        for await (const frame of video.frames(1)) {
          if (stopped) break;
          if (wanted.has(frame.frame)) await session.addFrame({ name, content }, frame, crops.get(frame.frame));
        }
      }
      await session.showProject();
      store.set({ fileNotes: notes, progress: null });
      if (results) say(results.about);
    }).finally(() => store.set({ isDetecting: false, progress: null }));
  };
  byId("annotate-detect-again").addEventListener("click", detectAgain);
  byId("annotate-attach").addEventListener("click", () => edit({ kind: "attach-waiting" }));

  byId("annotate-training").addEventListener("click", () => detect([]));
  byId("annotate-cancel").addEventListener("click", () => {
    stopped = true;
    attempt((session) => session.cancelLoad());
  });

  const camera = new Camera(/** @type {HTMLCanvasElement} */ (byId("camera")), byId("camera-readout"), select("camera-choice"));
  byId("annotate-camera").addEventListener("click", () => {
    if (camera.isOn) return camera.stop();
    attempt(async (session) => {
      await session.pause(); // a training step would delay the images
      const { keypoints, edges } = await skeletonOf(session);
      byId("camera-card").hidden = false;
      byId("annotate-camera").textContent = "Stop the camera";
      await camera.show(session, () => ({ labels: keypoints, edges }));
    }).finally(() => {
      camera.stop();
      byId("camera-card").hidden = true;
      byId("annotate-camera").textContent = "Camera";
    });
  });
  addEventListener("hashchange", () => camera.stop());
  byId("annotate-clear").addEventListener("click", () => {
    const { project } = store.state;
    if (project?.count) remove(project.rows.map(({ id }) => id));
  });
  byId("annotate-undo").addEventListener("click", () => edit({ kind: "undo" }));
  byId("annotate-redo").addEventListener("click", () => edit({ kind: "redo" }));
  byId("label-next").addEventListener("click", () => {
    const next = store.state.project?.view.next[0];
    if (next !== undefined) editor.open(next);
  });
  byId("landmark-add").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = /** @type {HTMLInputElement} */ (byId("landmark-new"));
    edit({ kind: "add-landmark", name: field.value || `landmark ${(store.state.project?.view.landmarks.length ?? 0) + 1}` });
    field.value = "";
    field.focus();
  });
  byId("category").addEventListener("change", (event) =>
    edit({ kind: "category", name: /** @type {HTMLInputElement} */ (event.currentTarget).value }),
  );
  /** Names and edges of the keypoints, from the project or from the model. @param {Session} session */
  const skeletonOf = async (session) => {
    const view = store.state.project?.view;
    if (view && view.keypoints.length > 0) return { keypoints: view.keypoints, edges: view.skeleton };
    await session.showProject();
    const project = /** @type {AnnotationProject} */ (/** @type {PageState} */ (store.state).project);
    return { keypoints: project.view.keypoints, edges: project.view.skeleton };
  };

  const openProject = (/** @type {NamedFile} */ { file }) => {
    location.hash = "#annotate";
    projectPanel.openFile(file);
  };
  return { detect, importLabels, openProject, restore: () => projectPanel.start(), flush: () => projectPanel.flush() };
}
