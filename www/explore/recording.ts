/**
 * The recorded training that Explore plays before the engine is there. `demo/record_training.mjs` makes its files.
 *
 * @module
 */

/** Keypoints and edges at one step. */
export interface Frame {
  step: number;
  /** `[P][K][x, y]` as fractions of the image. */
  keypoints: [number, number][][];
  /** `[K][K]`, relative edge strengths. */
  strengths: number[][];
}

export interface Recording {
  /** What was trained. */
  name: string;
  /** The preview images. Each is a picture of its own: scaled from a larger one, it would blend with its neighbours at its border. */
  images: ImageBitmap[];
  /** Side of an image, px. */
  size: number;
  palette: string[];
  frames: Frame[];
  /** Loss of each step. */
  losses: number[];
  /** Step and landmark error, as a fraction of the image's side. */
  errors: [number, number][];
}

async function fetched(name: string): Promise<Response> {
  const response = await fetch(new URL(`demo/${name}`, document.baseURI));
  if (!response.ok) throw new Error(`${name} could not be loaded.`);
  return response;
}

/** Loads the recording; null if the page was built without it, or cannot reach it. */
export async function loadRecording(): Promise<Recording | null> {
  try {
    const [training, blob] = await Promise.all([
      fetched("training.json").then((response) => response.json()),
      fetched("training.webp").then((response) => response.blob()),
    ]);
    const strip = await createImageBitmap(blob);
    const { size } = training;
    const images = await Promise.all(
      Array.from({ length: strip.height / size }, (_, i) => createImageBitmap(strip, 0, i * size, size, size)),
    );
    return { ...training, frames: training.frames.map(whole), images };
  } catch {
    return null;
  }
}

/** Makes the symmetric matrix of strengths from its lower half. */
function whole({ step, keypoints, strengths }: Omit<Frame, "strengths"> & { strengths: number[] }): Frame {
  const count = keypoints[0].length;
  const matrix = Array.from({ length: count }, () => new Array<number>(count).fill(0));
  let next = 0;
  for (let i = 0; i < count; i++) for (let j = 0; j < i; j++) matrix[i][j] = matrix[j][i] = strengths[next++];
  return { step, keypoints, strengths: matrix };
}

/** Returns keypoints and edges at a step between two frames. */
export function frameAt(frames: Frame[], step: number): Frame {
  const after = frames.findIndex((frame) => frame.step >= step);
  if (after <= 0) return after === 0 ? frames[0] : frames[frames.length - 1];
  const [from, to] = [frames[after - 1], frames[after]];
  const share = (step - from.step) / (to.step - from.step);
  const mixed = (a: number, b: number) => a + share * (b - a);
  return {
    step,
    keypoints: from.keypoints.map((pose, i) =>
      pose.map(([x, y], k): [number, number] => [mixed(x, to.keypoints[i][k][0]), mixed(y, to.keypoints[i][k][1])]),
    ),
    strengths: from.strengths.map((row, i) => row.map((strength, j) => mixed(strength, to.strengths[i][j]))),
  };
}
