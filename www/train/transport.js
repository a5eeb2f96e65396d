// @ts-check
/**
 * Play, Pause and Step.
 *
 * A press only changes the wanted state. One training command runs at a time. When its answer arrives, or when the engine becomes able
 * to train, the engine gets the command for the state that is wanted then. So no press is lost while a command runs.
 *
 * @module
 */

import { EngineError } from "../autolink.js";
import { STEP } from "../model/slow_motion.js";
import { canTrain, isFinished, isPressable } from "../state/state.js";

/** @import { Session } from "../autolink.js" */
/** @import { Store } from "../state/state.js" */

/**
 * @typedef {object} Engine
 * @property {() => Session | null} session Returns the current session.
 * @property {(command: (session: Session) => Promise<unknown>) => Promise<void>} attempt Runs a command, and shows its failure.
 * @property {() => void} onRest Called when training has ended and no more is wanted.
 */

/** The training command that is running. */
class Command {
  /** True if the engine was told to pause it. */ isPaused = false;

  /** @param {string} wish "step", or the slow-motion and stop-step settings of a training. */
  constructor(wish) {
    this.wish = wish;
  }
}

export class Transport {
  #store;
  #engine;
  /** Presses of Step that are not executed yet. */ #steps = 0;
  /** Number of actions that currently keep training paused. */ #interruptions = 0;
  /** @type {Command | null} */ #command = null;
  /** Settles when the running command is answered. */ #answered = Promise.resolve();
  /** True if the engine failed during training. */ #resumesAfterRestart = false;

  /**
   * @param {Store} store
   * @param {Engine} engine
   */
  constructor(store, engine) {
    this.#store = store;
    this.#engine = engine;
    store.react(["engine", "phase", "imageCount", "loading", "resetting", "slow", "stopStep", "isPlaying"], () => this.#sync());
  }

  /** Starts training as soon as possible, or pauses it after the current step. */
  toggle() {
    if (!isPressable(this.#store.state)) return;
    const { state } = this.#store;
    this.#steps = 0;
    if (state.isPlaying) return this.#store.set({ isPlaying: false });
    this.#clearMessage();
    // Play after the last step removes the limit.
    this.#store.set({ isPlaying: true, ...(isFinished(state) ? { stopStep: null } : {}) });
  }

  /** Takes one more step. Has no effect during training. */
  step() {
    if (!isPressable(this.#store.state) || this.#store.state.isPlaying) return;
    this.#steps += 1;
    this.#clearMessage();
    this.#sync();
  }

  /** Removes the message if training is possible. */
  #clearMessage() {
    if (canTrain(this.#store.state)) this.#store.set({ message: null });
  }

  /** Requests that training stops. */
  stop() {
    this.#steps = 0;
    this.#store.set({ isPlaying: false });
  }

  /**
   * Stops training for an action that replaces the run. Presses during the action take effect afterwards.
   * @template T
   * @param {() => Promise<T>} act
   * @returns {Promise<T>}
   */
  replace(act) {
    if (this.#interruptions === 0) this.stop();
    return this.whilePaused(act);
  }

  /**
   * Pauses training for an action between two steps. Afterwards training continues, or presses during the action take effect.
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

  /** Stops after a failure of the engine, and remembers whether it was training. */
  fail() {
    this.#resumesAfterRestart ||= this.#store.state.isPlaying;
    this.stop();
  }

  /** Returns once whether a new engine should continue training. */
  takeResumesAfterRestart() {
    const goesOn = this.#resumesAfterRestart;
    this.#resumesAfterRestart = false;
    return goesOn;
  }

  /** Sends the command for the wanted state, if the engine can take it now. */
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
      if (steps === null || steps > 0) this.#answered = this.#train(`${slow} ${stopStep}`, { steps, everyMs: slow ? STEP : null });
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
        // Training came to its end, or another action took the engine. After a pause from here, more may be wanted.
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
    if (session && state.engine === "running" && !state.loading)
      this.#store.set({ phase: session.state().phase, isPausing: false, progress: null });
    this.#sync();
    if (wish !== "step" && !this.#store.state.isPlaying) this.#engine.onRest();
  }
}
