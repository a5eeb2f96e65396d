// @ts-check
/**
 * The project panel: name, list of stored projects, saving after each edit, opening and deleting.
 *
 * @module
 */

import { counted, dateText, grouped } from "../ui/format.js";
import { persist, persistSentence } from "../state/persist.js";
import { PROJECT_FILE, Projects, lockProject, newProjectId } from "../state/projects.js";
import { make } from "./labels.js";

/** @import { Session } from "../autolink.js" */
/** @import { SavedProject } from "../state/projects.js" */
/** @import { Store } from "../state/state.js" */

/** Delay between an edit and the save, ms. */
const SAVE_AFTER = 500;

/**
 * Parts of the page that the panel uses.
 * @typedef {object} Page
 * @property {(command: (session: Session) => Promise<unknown>) => Promise<void>} attempt Runs a command, and shows its failure.
 * @property {(file: File) => void} download
 * @property {import("../state/saves.js").Saves} saves
 */

export class ProjectPanel {
  #store;
  #page;
  #onChange;
  #projects = new Projects();
  /** @type {SavedProject[]} Projects stored in the browser. */ #list = [];
  #id = newProjectId();
  #name = "Project 1";
  /** True if the project contains work of a person, and is stored. */ #isWorthSaving = false;
  /** Releases the lock of the project. @type {(() => void) | null} */ #release = null;
  /** Ends the wait for a project that another tab has locked. @type {AbortController | null} */ #waiting = null;
  #timer = 0;
  /** The last change of the open or stored projects; changes run one at a time. @type {Promise<unknown>} */ #last = Promise.resolve();
  /** Sentence that says why the project could not be saved; empty if it could. */ #saveError = "";
  /** True if Undo refers to the last edit, so that the next edit hides it. */ #undoesEdit = false;

  /**
   * @param {Store} store
   * @param {Page} page
   * @param {() => void} onChange Called when another project is open.
   */
  constructor(store, page, onChange) {
    this.#store = store;
    this.#page = page;
    this.#onChange = onChange;
    const name = this.#nameField;
    name.addEventListener("change", () => this.#rename(name.value));
    name.addEventListener("keydown", (event) => event.key === "Enter" && name.blur());
    element("project-new").addEventListener("click", () => this.#new());
    element("project-save").addEventListener("click", () => this.#download());
    document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && this.flush());
    addEventListener("pagehide", () => this.flush());
    this.#show();
  }

  /** Restores the project of this tab or of the last visit in a new engine. */
  start() {
    return this.#enqueue(async () => {
      this.#list = await this.#projects.list().catch(() => []);
      const open = this.#release ? this.#list.find(({ id }) => id === this.#id) : undefined;
      if (open) await this.#openStored(open.id);
      else if (!this.#release && !(await this.#migrate()) && this.#list[0]) await this.#openOrWait(this.#list[0]);
      this.#show();
    });
  }

  /** Saves the project soon after an edit.
   * @param {boolean} isWork True for work of a person; other changes are saved with it.
   */
  edited(isWork) {
    this.#stopWaiting();
    this.#isWorthSaving ||= isWork;
    if (isWork && this.#undoesEdit) element("project-undo").hidden = true;
    if (!this.#isWorthSaving) return;
    this.#timer ||= window.setTimeout(() => this.flush(), SAVE_AFTER);
    this.#show();
  }

  /** Saves pending edits now. */
  flush() {
    if (!this.#timer) return this.#last;
    clearTimeout(this.#timer);
    this.#timer = 0;
    // The project may have been deleted or replaced meanwhile.
    return this.#enqueue(async () => void (this.#isWorthSaving && (await this.#save())));
  }

  /** Opens a project from a file, as another stored project.
   * @param {File} file
   */
  openFile(file) {
    return this.#enqueue(async () => {
      const name = await this.#openInEngine(file);
      if (name === null) return;
      await this.#setCurrent(newProjectId(), this.#freeName(name || file.name.replace(PROJECT_FILE, "")), true);
      await this.#save();
    });
  }

  /** Shows what was done, with an Undo button.
   * @param {string} text
   * @param {() => void} undo
   * @param {boolean} isEdit True if it undoes the last edit.
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

  /** Runs changes one after the other, so that no project is saved under the name of another.
   * @template T
   * @param {() => Promise<T>} change
   */
  #enqueue(change) {
    const next = this.#last.then(change);
    this.#last = next.catch(() => {});
    return next;
  }

  /** Returns a name that no stored project has.
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

  /** Sets the name and id of the project that is open in the engine.
   * @param {string} id
   * @param {string} name
   * @param {boolean} isWorthSaving
   * @param {(() => void) | null} [release] Releases the lock, if this tab has it already.
   */
  async #setCurrent(id, name, isWorthSaving, release = null) {
    this.#stopWaiting();
    const before = this.#release;
    this.#release = release ?? (await lockProject(id));
    if (before !== this.#release) before?.();
    this.#id = id;
    this.#name = name;
    this.#isWorthSaving = isWorthSaving;
    this.#saveError = "";
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#onChange();
    this.#show();
  }

  /** Opens a project in the engine, after saving the current one.
   * @param {Blob} project
   * @returns {Promise<string | null>} Its name; null if the engine rejected it, which is shown.
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

  /** Opens the newest save of a project that the engine accepts.
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

  /** Shows that another tab has the project, and opens it when that tab closes.
   * @param {SavedProject} saved
   */
  #wait(saved) {
    this.#stopWaiting();
    const waits = new AbortController();
    this.#waiting = waits;
    const copy = make("button", { type: "button", class: "small", "data-testid": "project-copy" }, "Open a copy");
    copy.addEventListener("click", () => this.#copy(saved));
    const text = `“${saved.name}” is open in another tab. Close that tab to open the project here, or open a copy.`;
    element("project-busy").replaceChildren(make("span", {}, text), copy);
    element("project-busy").hidden = false;
    lockProject(saved.id, waits.signal).then((release) => {
      if (release && waits.signal.aborted) return release();
      if (!release) return;
      this.#enqueue(async () => {
        this.#list = await this.#projects.list().catch(() => this.#list);
        const newest = this.#list.find(({ id }) => id === saved.id);
        if (newest && !waits.signal.aborted && (await this.#openStored(saved.id)))
          await this.#setCurrent(saved.id, newest.name, true, release);
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
    return this.#enqueue(async () => {
      if (!(await this.#openStored(saved.id))) return;
      await this.#setCurrent(newProjectId(), this.#freeName(`${saved.name} (copy)`), true);
      await this.#save();
    });
  }

  /** Turns the annotations of an earlier version into a project. */
  async #migrate() {
    const work = await this.#page.saves.legacyProject().catch(() => null);
    if (!work || (await this.#openInEngine(work)) === null) return false;
    await this.#setCurrent(newProjectId(), this.#freeName("Earlier work"), true);
    if (await this.#save()) await this.#page.saves.removeLegacyProject();
    return true;
  }

  #new() {
    return this.#enqueue(async () => {
      if (this.#timer) await this.#save();
      await this.#page.attempt(async (session) => {
        await session.newProject();
        await this.#setCurrent(newProjectId(), this.#newName(), false);
      });
    });
  }

  /** Saves the project.
   * @returns {Promise<boolean>}
   */
  async #save() {
    const [id, name, current] = [this.#id, this.#name, this.#store.state.project];
    this.#release ??= await lockProject(id);
    let isKept = false;
    await this.#page.attempt(async (session) => {
      const project = await session.saveProject(name);
      const saved = { id, name, date: Date.now(), images: current?.count ?? 0, labelled: current?.view.labelled ?? 0 };
      try {
        await this.#projects.write(saved, project);
        this.#list = [{ ...saved, bytes: project.size }, ...this.#list.filter((other) => other.id !== id)];
        this.#saveError = "";
        isKept = true;
        persist().then((answer) => (element("project-persisted").textContent = persistSentence(answer)));
      } catch (error) {
        const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
        const reason = isFull ? "its space for this page is used up" : error instanceof Error ? error.message : String(error);
        this.#saveError = `The browser cannot store this project: ${reason.replace(/\.$/, "")}. Press Save to a file.`;
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
      this.#store.set({
        message: { kind: "info", text: `Saved ${file.name}. It holds labels and names, but no images: keep those as well.` },
      });
    });
  }

  /** @param {SavedProject} saved */
  #delete(saved) {
    return this.#enqueue(async () => {
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
      this.offerUndo(
        `Deleted “${saved.name}”.`,
        () =>
          this.#enqueue(async () => {
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
    element("project-saved").classList.toggle("save-error", this.#saveError !== "");
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
      const made = make(
        "button",
        {
          type: "button",
          class: "small",
          id: `project-${act}-${saved.id}`,
          "data-testid": `project-${act}`,
          "aria-label": `${text}: ${saved.name}`,
        },
        text,
      );
      made.addEventListener("click", () => press());
      return made;
    };
    const open = button("open", "Open", () => this.#enqueue(() => this.#openOrWait(saved)));
    /** @type {HTMLButtonElement} */ (open).disabled = isOpen;
    const { images, labelled } = saved;
    const about = `${dateText(saved.date)}, ${counted(images, "image")}, ${grouped(labelled)} labelled, ${size(saved.bytes)}`;
    return make(
      "li",
      isOpen ? { "aria-current": "true" } : {},
      make("p", {}, make("b", {}, saved.name), make("small", {}, ` ${about}`)),
      make(
        "div",
        { class: "row" },
        open,
        button("copy-of", "Copy", () => this.#copy(saved)),
        button("delete", "Delete", () => this.#delete(saved)),
      ),
    );
  }
}

const element = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Name of a project file, valid on Windows as well. @param {string} name */
function fileName(name) {
  const stem = name.replace(/[\\/:*?"<>|\s\p{Cc}]+/gu, " ").trim() || "project";
  return `${stem}${/^(con|prn|aux|nul|com\d|lpt\d)$/i.test(stem) ? "_" : ""}${PROJECT_FILE}`;
}

/** @param {number} bytes */
const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
