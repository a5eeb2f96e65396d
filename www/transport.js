// @ts-check
/**
 * Play, Pause and Step: what people asked for last, and the engine brought to it.
 *
 * A press only says what is wanted. One training command at a time is under way; when its answer comes, or the engine becomes able to
 * train, what is wanted then is asked of it. So no press is swallowed by what was under way when it came.
 *
 * @module
 */

import { EngineError } from "./autolink.js";
import { canTrain, isFinished, isPressable } from "./state.js";

/** @import { Session } from "./autolink.js" */
/** @import { Store } from "./state.js" */

/** In slow motion a step is taken this often, ms. */
const SLOW_STEP = 1000;

/**
 * @typedef {object} Engine
 * @property {() => Session | null} session The one that runs now.
 * @property {(command: (session: Session) => Promise<unknown>) => Promise<void>} attempt Runs a command, and shows its failure.
 * @property {() => void} onRest Called when training ended and nothing more is wanted.
 */

/** The training command under way. */
class Command {
  /** Whether the engine was asked to pause it. */ isPaused = false;

  /** @param {string} wish What it does: "step", or slow motion and end of a training. */
  constructor(wish) {
    this.wish = wish;
  }
}

export class Transport {
  #store;
  #engine;
  /** Presses of Step that are not answered yet. */ #steps = 0;
  /** Whoever wants the engine for himself, and has not given it back. */ #interruptions = 0;
  /** @type {Command | null} */ #command = null;
  /** Settles when that is answered. */ #answered = Promise.resolve();
  /** Whether training was under way when the engine failed. */ #resumesAfterRestart = false;

  /**
   * @param {Store} store
   * @param {Engine} engine
   */
  constructor(store, engine) {
    this.#store = store;
    this.#engine = engine;
    store.react(["engine", "phase", "imageCount", "loading", "resetting", "slow", "stopStep", "isPlaying"], () => this.#sync());
  }

  /** Trains as soon as that is possible, or stops after the step under way. */
  toggle() {
    if (!isPressable(this.#store.state)) return;
    const { state } = this.#store;
    this.#steps = 0;
    if (state.isPlaying) return this.#store.set({ isPlaying: false });
    this.#clearMessage();
    // Whoever goes on after the end wants no end.
    this.#store.set({ isPlaying: true, ...(isFinished(state) ? { stopStep: null } : {}) });
  }

  /** Takes one more step. While it trains, that says nothing. */
  step() {
    if (!isPressable(this.#store.state) || this.#store.state.isPlaying) return;
    this.#steps += 1;
    this.#clearMessage();
    this.#sync();
  }

  /** A message that has been read gives way. */
  #clearMessage() {
    if (canTrain(this.#store.state)) this.#store.set({ message: null });
  }

  /** Wants no training any more. */
  stop() {
    this.#steps = 0;
    this.#store.set({ isPlaying: false });
  }

  /**
   * Ends training for something that takes its place; what is pressed meanwhile holds afterwards.
   * @template T
   * @param {() => Promise<T>} act
   * @returns {Promise<T>}
   */
  replace(act) {
    if (this.#interruptions === 0) this.stop();
    return this.whilePaused(act);
  }

  /**
   * Does something between two steps, for which training pauses; afterwards it goes on, or what was pressed meanwhile holds.
   * @template T
   * @param {() => Promise<T>} act
   * @returns {Promise<T>}
   */
  async whilePaused(act) {
    this.#interruptions += 1;
    this.#sync();
    try {
      await this.#answered;
      return await act();
    } finally {
      this.#interruptions -= 1;
      if (this.#interruptions === 0 && !canTrain(this.#store.state)) this.stop();
      this.#sync();
    }
  }

  /** The engine failed: whether it trained is remembered for the next one. */
  fail() {
    this.#resumesAfterRestart ||= this.#store.state.isPlaying;
    this.stop();
  }

  /** Whether a new engine is to go on training by itself; told once. */
  takeResumesAfterRestart() {
    const goesOn = this.#resumesAfterRestart;
    this.#resumesAfterRestart = false;
    return goesOn;
  }

  /** Brings the engine to what is wanted, as far as that can be done now. */
  #sync() {
    const { state } = this.#store;
    const { isPlaying, slow, stopStep } = state;
    const command = this.#command;
    if (command) {
      const isWanted = command.wish === "step" || (isPlaying && this.#interruptions === 0 && command.wish === `${slow} ${stopStep}`);
      if (!isWanted) this.#pause(command);
      return;
    }
    if (this.#interruptions > 0 || !canTrain(state)) return;
    const session = this.#engine.session();
    if (!session) return;
    if (isPlaying) {
      const steps = stopStep === null ? null : stopStep - session.state().step;
      if (steps === null || steps > 0) this.#answered = this.#train(`${slow} ${stopStep}`, { steps, everyMs: slow ? SLOW_STEP : null });
      else this.#store.set({ isPlaying: false });
    } else if (this.#steps > 0) {
      this.#steps -= 1;
      this.#answered = this.#train("step", { steps: 1 });
    }
  }

  /** @param {Command} command */
  #pause(command) {
    if (!this.#store.state.isPlaying) this.#store.set({ isPausing: true });
    if (command.isPaused) return;
    command.isPaused = true;
    this.#engine.attempt((session) => session.pause());
  }

  /**
   * @param {string} wish
   * @param {Parameters<Session["train"]>[0]} options
   */
  async #train(wish, options) {
    const command = (this.#command = new Command(wish));
    this.#store.set({ phase: "training" });
    await this.#engine.attempt(async (session) => {
      try {
        await session.train(options);
        // It came to its end, or something else took the engine. Who paused it from here may want more.
        if (!command.isPaused && wish !== "step") this.stop();
      } catch (error) {
        const isOver = error instanceof EngineError && (error.kind === "backend" || error.kind === "crash");
        if (isOver) this.fail();
        else this.stop();
        throw error;
      }
    });
    this.#command = null;
    const session = this.#engine.session();
    const { state } = this.#store;
    if (session && state.engine === "running" && !state.loading) this.#store.set({ phase: session.state().phase, isPausing: false, progress: null });
    this.#sync();
    if (wish !== "step" && !this.#store.state.isPlaying) this.#engine.onRest();
  }
}
