// @ts-check
/**
 * The project at hand: opened, kept at once after each edit, and others beside it.
 *
 * @module
 */

import { counted, dateText, grouped } from "../format.js";
import { persist, persistSentence } from "../persist.js";
import { PROJECT_FILE, Projects, lockProject, newProjectId } from "../projects.js";
import { make } from "./labels.js";

/** @import { Session } from "../autolink.js" */
/** @import { SavedProject } from "../projects.js" */
/** @import { Store } from "../state.js" */

/** A project is kept so long after an edit at the latest, ms. */
const SAVE_AFTER = 500;

/**
 * What it needs of the page.
 * @typedef {object} Page
 * @property {(command: (session: Session) => Promise<unknown>) => Promise<void>} attempt Runs a command, and shows its failure.
 * @property {(file: File) => void} download
 * @property {import("../saves.js").Saves} saves
 */

export class ProjectPanel {
  #store;
  #page;
  #onChange;
  #projects = new Projects();
  /** @type {SavedProject[]} What the browser keeps. */ #list = [];
  #id = newProjectId();
  #name = "Project 1";
  /** Whether there is something in it that is worth keeping. */ #isWorthSaving = false;
  /** Gives the project back to other tabs. @type {(() => void) | null} */ #release = null;
  /** Ends the wait for a project that another tab has. @type {AbortController | null} */ #waiting = null;
  #timer = 0;
  /** The newest change of what is open or kept; one at a time. @type {Promise<unknown>} */ #last = Promise.resolve();
  /** Why the browser does not keep it. */ #saveError = "";
  /** Whether what is offered to be undone is the last edit, so that the next one ends the offer. */ #undoesEdit = false;

  /**
   * @param {Store} store
   * @param {Page} page
   * @param {() => void} forget Another project is there now: its images are others.
   */
  constructor(store, page, forget) {
    this.#store = store;
    this.#page = page;
    this.#onChange = forget;
    const name = this.#nameField;
    name.addEventListener("change", () => this.#rename(name.value));
    name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());
    element("project-new").addEventListener("click", () => this.#new());
    element("project-save").addEventListener("click", () => this.#download());
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.flush());
    addEventListener("pagehide", () => this.flush());
    this.#show();
  }

  /** Opens what was open, once an engine is new: in this tab, or on the last visit. */
  start() {
    return this.#inOrder(async () => {
      this.#list = await this.#projects.list().catch(() => []);
      const open = this.#release ? this.#list.find(({ id }) => id === this.#id) : undefined;
      if (open) await this.#openStored(open.id);
      else if (!this.#release && !(await this.#migrate()) && this.#list[0]) await this.#openOrWait(this.#list[0]);
      this.#show();
    });
  }

  /** Something was done in the project; it is kept soon.
   * @param {boolean} isWork Whether a person did it; what others did is kept with that.
   */
  edited(isWork) {
    this.#stopWaiting();
    this.#isWorthSaving ||= isWork;
    if (isWork && this.#undoesEdit) element("project-undo").hidden = true;
    if (!this.#isWorthSaving) return;
    this.#timer ||= window.setTimeout(() => this.flush(), SAVE_AFTER);
    this.#show();
  }

  /** Keeps at once what was not kept yet. */
  flush() {
    if (!this.#timer) return this.#last;
    clearTimeout(this.#timer);
    this.#timer = 0;
    // It may have been deleted since, or another one begun.
    return this.#inOrder(async () => void (this.#isWorthSaving && (await this.#save())));
  }

  /** Opens a project from a file, beside those that the browser keeps.
   * @param {File} file
   */
  openFile(file) {
    return this.#inOrder(async () => {
      const name = await this.#openInEngine(file);
      if (name === null) return;
      await this.#setCurrent(newProjectId(), this.#freeName(name || file.name.replace(PROJECT_FILE, "")), true);
      await this.#save();
    });
  }

  /** Says what was done, with a way back.
   * @param {string} text
   * @param {() => void} undo
   * @param {boolean} isEdit Whether it undoes the last edit.
   */
  offerUndo(text, undo, isEdit) {
    this.#undoesEdit = isEdit;
    const strip = element("project-undo");
    const button = make("button", { type: "button", class: "small", "data-testid": "project-undo-button" }, "Undo");
    button.addEventListener("click", () => {
      strip.hidden = true;
      undo();
    });
    strip.replaceChildren(make("span", {}, text), button);
    strip.hidden = false;
  }

  get #nameField() {
    return /** @type {HTMLInputElement} */ (element("project-name"));
  }

  /** One after the other, so that nothing is kept under another project's name.
   * @template T
   * @param {() => Promise<T>} change
   */
  #inOrder(change) {
    const next = this.#last.then(change);
    this.#last = next.catch(() => {});
    return next;
  }

  /** A name that no kept project has.
   * @param {string} wanted
   */
  #freeName(wanted) {
    const isTaken = (/** @type {string} */ name) => this.#list.some((other) => other.name === name);
    let name = wanted;
    for (let number = 2; isTaken(name); number++) name = `${wanted} (${number})`;
    return name;
  }

  #newName() {
    let number = this.#list.length + 1;
    while (this.#list.some(({ name }) => name === `Project ${number}`)) number++;
    return `Project ${number}`;
  }

  /** The engine's project is this one from now on.
   * @param {string} id
   * @param {string} name
   * @param {boolean} isWorth
   * @param {(() => void) | null} [release] Where this tab has it already.
   */
  async #setCurrent(id, name, isWorth, release = null) {
    this.#stopWaiting();
    const before = this.#release;
    this.#release = release ?? (await lockProject(id));
    if (before !== this.#release) before?.();
    this.#id = id;
    this.#name = name;
    this.#isWorthSaving = isWorth;
    this.#saveError = "";
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#onChange();
    this.#show();
  }

  /** Lets the engine open a project.
   * @param {Blob} project
   * @returns {Promise<string | null>} Its name; null where it was refused, which is shown.
   */
  async #openInEngine(project) {
    if (this.#timer) {
      clearTimeout(this.#timer);
      this.#timer = 0;
      await this.#save();
    }
    /** @type {string | null} */ let name = null;
    await this.#page.attempt(async (session) => (name = await session.openProject(project)));
    return name;
  }

  /** From its newest state that the engine accepts.
   * @param {string} id
   */
  async #openStored(id) {
    for (const { project } of await this.#projects.states(id)) {
      const name = await this.#openInEngine(project);
      if (name !== null) {
        this.#onChange();
        this.#store.set({ message: null });
        return true;
      }
    }
    return false;
  }

  /** @param {SavedProject} saved */
  async #openOrWait(saved) {
    const release = await lockProject(saved.id);
    if (!release) return this.#wait(saved);
    if (await this.#openStored(saved.id)) await this.#setCurrent(saved.id, saved.name, true, release);
    else release();
  }

  /** Another tab has it: says so, and opens it when that tab is done.
   * @param {SavedProject} saved
   */
  #wait(saved) {
    this.#stopWaiting();
    const waits = new AbortController();
    this.#waiting = waits;
    const copy = make("button", { type: "button", class: "small", "data-testid": "project-copy" }, "Open a copy");
    copy.addEventListener("click", () => this.#copy(saved));
    const text = `“${saved.name}” is open in another tab. It opens here when that tab is closed.`;
    element("project-busy").replaceChildren(make("span", {}, text), copy);
    element("project-busy").hidden = false;
    lockProject(saved.id, waits.signal).then((release) => {
      if (release && waits.signal.aborted) return release();
      if (!release) return;
      this.#inOrder(async () => {
        this.#list = await this.#projects.list().catch(() => this.#list);
        const newest = this.#list.find(({ id }) => id === saved.id);
        if (newest && !waits.signal.aborted && (await this.#openStored(saved.id))) await this.#setCurrent(saved.id, newest.name, true, release);
        else release();
      });
    });
  }

  #stopWaiting() {
    this.#waiting?.abort();
    this.#waiting = null;
    element("project-busy").hidden = true;
  }

  /** @param {SavedProject} saved */
  #copy(saved) {
    return this.#inOrder(async () => {
      if (!(await this.#openStored(saved.id))) return;
      await this.#setCurrent(newProjectId(), this.#freeName(`${saved.name} (copy)`), true);
      await this.#save();
    });
  }

  /** What an earlier version kept becomes a project. */
  async #migrate() {
    const work = await this.#page.saves.legacyProject().catch(() => null);
    if (!work || (await this.#openInEngine(work)) === null) return false;
    await this.#setCurrent(newProjectId(), this.#freeName("Earlier work"), true);
    if (await this.#save()) await this.#page.saves.removeLegacyProject();
    return true;
  }

  #new() {
    return this.#inOrder(async () => {
      if (this.#timer) await this.#save();
      await this.#page.attempt(async (session) => {
        await session.newProject();
        await this.#setCurrent(newProjectId(), this.#newName(), false);
      });
    });
  }

  /** Keeps the project as it is.
   * @returns {Promise<boolean>}
   */
  async #save() {
    const [id, name, desk] = [this.#id, this.#name, this.#store.state.project];
    this.#release ??= await lockProject(id);
    let isKept = false;
    await this.#page.attempt(async (session) => {
      const project = await session.saveProject(name);
      const saved = { id, name, date: Date.now(), images: desk?.count ?? 0, labelled: desk?.view.labelled ?? 0 };
      try {
        await this.#projects.write(saved, project);
        this.#list = [{ ...saved, bytes: project.size }, ...this.#list.filter((other) => other.id !== id)];
        this.#saveError = "";
        isKept = true;
        persist().then((answer) => (element("project-persisted").textContent = persistSentence(answer)));
      } catch (error) {
        const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
        const reason = isFull ? "its space for this page is used up" : error instanceof Error ? error.message : String(error);
        this.#saveError = `Not saved (${reason.replace(/\.$/, "")}). Press Save to a file.`;
      }
    });
    this.#show();
    return isKept;
  }

  /** @param {string} wanted */
  #rename(wanted) {
    const name = wanted.trim();
    if (name && name !== this.#name) {
      this.#name = name;
      this.edited(true);
    }
    this.#show();
  }

  #download() {
    return this.#page.attempt(async (session) => {
      const project = await session.saveProject(this.#name);
      const file = new File([project], fileName(this.#name), { type: "application/json" });
      this.#page.download(file);
      this.#store.set({ message: { kind: "info", text: `Saved ${file.name}. The file holds labels and names but no images: keep them with it.` } });
    });
  }

  /** @param {SavedProject} saved */
  #delete(saved) {
    return this.#inOrder(async () => {
      const isOpen = saved.id === this.#id;
      const release = isOpen ? () => {} : await lockProject(saved.id);
      if (!release) {
        const text = `“${saved.name}” is open in another tab. Close that tab to delete the project.`;
        return this.#store.set({ message: { kind: "error", text } });
      }
      clearTimeout(this.#timer);
      this.#timer = 0;
      const restore = await this.#projects.remove(saved.id);
      release();
      this.#list = this.#list.filter(({ id }) => id !== saved.id);
      if (isOpen) {
        await this.#page.attempt(async (session) => {
          await session.newProject();
          await this.#setCurrent(newProjectId(), this.#newName(), false);
        });
      }
      this.#show();
      this.offerUndo(`Deleted “${saved.name}”.`, () =>
        this.#inOrder(async () => {
          await restore();
          this.#list = await this.#projects.list();
          if (isOpen && !this.#isWorthSaving) await this.#openOrWait(saved);
          this.#show();
        }),
        false,
      );
    });
  }

  #show() {
    const name = this.#nameField;
    if (document.activeElement !== name) name.value = this.#name;
    const isKept = this.#list.some(({ id }) => id === this.#id);
    element("project-saved").textContent = this.#saveError || (this.#timer ? "Saving" : isKept ? "Saved in this browser" : "");
    element("project-saved").classList.toggle("unkept", this.#saveError !== "");
    element("projects").hidden = this.#list.length === 0;
    element("projects-count").textContent = `${this.#list.length}`;
    const list = element("project-list");
    const focused = list.contains(document.activeElement) ? document.activeElement?.id : undefined;
    list.replaceChildren(...this.#list.map((saved) => this.#item(saved)));
    if (focused) document.getElementById(focused)?.focus();
  }

  /** @param {SavedProject} saved */
  #item(saved) {
    const isOpen = saved.id === this.#id;
    const button = (/** @type {string} */ act, /** @type {string} */ text, /** @type {() => unknown} */ press) => {
      const made = make("button", { type: "button", class: "small", id: `project-${act}-${saved.id}`, "data-testid": `project-${act}`, "aria-label": `${text}: ${saved.name}` }, text);
      made.addEventListener("click", () => press());
      return made;
    };
    const open = button("open", "Open", () => this.#inOrder(() => this.#openOrWait(saved)));
    /** @type {HTMLButtonElement} */ (open).disabled = isOpen;
    const { images, labelled } = saved;
    const about = `${dateText(saved.date)}, ${counted(images, "image")}, ${grouped(labelled)} labelled, ${size(saved.bytes)}`;
    return make("li", isOpen ? { "aria-current": "true" } : {}, make("p", {}, make("b", {}, saved.name), make("small", {}, ` ${about}`)), make("div", { class: "row" }, open, button("copy-of", "Copy", () => this.#copy(saved)), button("delete", "Delete", () => this.#delete(saved))));
  }
}

const element = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** What a project's file is called, on Windows as well. @param {string} name */
function fileName(name) {
  const stem = name.replace(/[\\/:*?"<>|\s\p{Cc}]+/gu, " ").trim() || "project";
  return `${stem}${/^(con|prn|aux|nul|com\d|lpt\d)$/i.test(stem) ? "_" : ""}${PROJECT_FILE}`;
}

/** @param {number} bytes */
const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
