/**
 * `<autolink-skeleton>`: an image with the keypoints and edges that a model finds in it.
 *
 * @module
 */

import { createSession, type Session } from "../autolink.js";
import type { Backend, Keypoints, ProjectView } from "../engine/protocol.js";
import { drawSkeleton } from "../ui/skeleton.js";
import { fileAt, modelFile, near, rootOf, sentence } from "./host.js";

/** A session with a model, which all images of a page share that name the same model. */
interface Detector {
  session: Session;
  /** Strengths of the edges, `[K][K]`, in [0, 1]. */
  strengths: number[][];
}

const detectors = new Map<string, Promise<Detector>>();

/** Returns the detector of a model. Its edges are the same for all images; `first` is the one that they are asked with. */
async function detectorOf(model: string, backend: Backend | null, first: File): Promise<Detector> {
  const key = `${backend} ${model}`;
  for (let known = detectors.get(key); known; known = detectors.get(key)) {
    const detector = await known.catch(() => null);
    if (detector) return detector;
    // The image of another element may have been at fault.
    if (detectors.get(key) === known) detectors.delete(key);
  }
  const opened = openDetector(model, backend, first);
  detectors.set(key, opened);
  return opened;
}

async function openDetector(model: string, backend: Backend | null, first: File): Promise<Detector> {
  const [session, file] = await Promise.all([createSession({ backend }), modelFile(model)]);
  try {
    await session.resume(file);
    let project: ProjectView | null = null;
    const stop = session.on("project", (event) => (project = event));
    const added = await session.addImages([first]);
    await session.showProject();
    stop();
    if (added?.rejected.length) throw new Error(added.rejected[0].reason);
    return { session, strengths: strengthsOf(project) };
  } catch (error) {
    session.close();
    throw error;
  }
}

/** Makes the matrix of strengths from the weights of the edges of the skeleton. */
function strengthsOf(project: ProjectView | null): number[][] {
  const { keypoints = [], skeleton = [], edge_weights = [] } = project ?? {};
  const strengths = keypoints.map(() => new Array<number>(keypoints.length).fill(0));
  const most = edge_weights[0]?.[1] || 1;
  const isDrawn = (i: number, j: number) => skeleton.some(([a, b]) => (a === i && b === j) || (a === j && b === i));
  for (const [[i, j], weight] of edge_weights) if (isDrawn(i, j)) strengths[i][j] = strengths[j][i] = weight / most;
  return strengths;
}

/**
 * An image with its skeleton. Attributes:
 *
 * - `src`: the address of the image.
 * - `alt`: what it shows.
 * - `model`: `hands`, `puppets` or the address of a `.safetensors` file or checkpoint; by default `hands`.
 * - `backend`: `cpu` or `gpu`; by default the GPU where it works.
 *
 * The event `keypoints` brings what was found, as `Keypoints` in its `detail`.
 */
export class AutolinkSkeleton extends HTMLElement {
  static readonly observedAttributes = ["src", "model"];
  /** Number of the newest request; the answers to others are dropped. */
  #request = 0;

  connectedCallback(): void {
    this.#show();
  }

  disconnectedCallback(): void {
    this.#request += 1;
  }

  attributeChangedCallback(): void {
    if (this.isConnected) this.#show();
  }

  async #show(): Promise<void> {
    const request = ++this.#request;
    const canvas = document.createElement("canvas");
    Object.assign(canvas.style, { display: "block", width: "100%", height: "auto" });
    const status = document.createElement("p");
    status.className = "muted";
    status.role = "status";
    rootOf(this).append(canvas, status);
    const alt = this.getAttribute("alt") ?? "Image";
    canvas.role = "img";
    canvas.ariaLabel = alt;
    await near(this);
    if (request !== this.#request) return;
    try {
      const file = await fileAt(this.getAttribute("src") ?? "");
      const image = await createImageBitmap(file);
      draw(canvas, image, null, [], []);
      status.textContent = "Finding keypoints.";
      const backend = this.getAttribute("backend");
      const forced = backend === "cpu" || backend === "gpu" ? backend : null;
      const { session, strengths } = await detectorOf(this.getAttribute("model") ?? "hands", forced, file);
      const found = await session.detect(file);
      if (request !== this.#request) return;
      draw(canvas, image, found, strengths, session.palette);
      canvas.ariaLabel = `${alt}, with ${found.keypoints.length} keypoints and the edges between them`;
      status.hidden = true;
      this.dispatchEvent(new CustomEvent<Keypoints>("keypoints", { detail: found }));
    } catch (error) {
      if (request === this.#request) status.textContent = sentence(error);
    }
  }
}

/** Draws an image, and its keypoints where they are known. */
function draw(canvas: HTMLCanvasElement, image: ImageBitmap, found: Keypoints | null, strengths: number[][], palette: string[]): void {
  const { width, height } = Object.assign(canvas, { width: image.width, height: image.height });
  const context = canvas.getContext("2d");
  if (!context) return;
  context.drawImage(image, 0, 0);
  if (!found) return;
  context.fillStyle = "rgb(0 0 0 / 0.3)";
  context.fillRect(0, 0, width, height);
  // Points are fractions of a square, lines are as wide as in one of the shorter side.
  const side = Math.min(width, height);
  const points = found.keypoints.map(([x, y]): [number, number] => [(x * width) / side, (y * height) / side]);
  drawSkeleton(context, { points, strengths, palette }, { left: 0, top: 0, side });
}
