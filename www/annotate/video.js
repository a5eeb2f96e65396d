// @ts-check
/**
 * Frames of a video file with their time stamps: by WebCodecs where the browser has it and knows the file, else by a video element
 * that is moved from place to place.
 *
 * @module
 */

/**
 * @typedef {object} Frame
 * @property {number} frame From 0.
 * @property {number} seconds When it is shown.
 * @property {number} width px
 * @property {number} height px
 * @property {Uint8Array<ArrayBuffer>} pixels RGBA, `[height, width, 4]`.
 */

/**
 * @typedef {object} Still
 * @property {number} seconds When it is shown.
 * @property {Blob} picture
 */

/**
 * @typedef {object} Video
 * @property {number} duration s
 * @property {number} rate Frames per second, on average.
 * @property {(every: number) => AsyncGenerator<Frame>} frames Every so many.
 * @property {(every: number, longest: number) => AsyncGenerator<Still>} stills The same as JPEG, their longer side at most so many px.
 * @property {(seconds: number) => Promise<Blob>} picture What is shown then, as PNG.
 * @property {() => void} close
 */

/** Where time stamps are not known, frames are taken this far apart, s. */
const STEP = 1 / 30;

/** What the browser's own names for videos end in. */
export const isVideo = (/** @type {{ name: string, file: File }} */ { name, file }) =>
  file.type.startsWith("video/") || /\.(mp4|m4v|mov|webm|mkv|ogv|avi)$/i.test(name);

/**
 * @param {File} file
 * @returns {Promise<Video>} Rejects with a sentence where the video cannot be decoded.
 */
export async function openVideo(file) {
  const decoded = "VideoDecoder" in globalThis ? await byCodec(file).catch(() => null) : null;
  if (decoded) return decoded;
  try {
    return await byElement(file);
  } catch {
    throw new Error(`${file.name} cannot be decoded by this browser: save it as MP4 (H.264) or WebM, and drop it again.`);
  }
}

/** A canvas whose pixels are read again and again.
 * @param {number} width
 * @param {number} height
 */
function easel(width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("There is no canvas to draw frames on.");
  return { canvas, context };
}

/**
 * @param {OffscreenCanvasRenderingContext2D} context
 * @param {number} frame
 * @param {number} seconds
 * @returns {Frame}
 */
function taken(context, frame, seconds) {
  const { width, height } = context.canvas;
  const { data } = context.getImageData(0, 0, width, height);
  return { frame, seconds, width, height, pixels: new Uint8Array(data.buffer) };
}

/** A canvas for pictures of a size, their longer side at most so long.
 * @param {number} width
 * @param {number} height
 * @param {number} longest px
 */
function smaller(width, height, longest) {
  const scale = Math.min(1, longest / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const context = canvas.getContext("2d");
  if (!context) throw new Error("There is no canvas to draw frames on.");
  context.imageSmoothingQuality = "high";
  return { canvas, context };
}

/** @param {OffscreenCanvas} canvas */
const jpeg = (canvas) => canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });

/** @param {File} file @returns {Promise<Video | null>} */
async function byCodec(file) {
  const { ALL_FORMATS, BlobSource, Input, VideoSampleSink } = await import("../vendor/mediabunny/mediabunny.min.mjs");
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  const track = await input.getPrimaryVideoTrack();
  if (!track || !(await track.canDecode())) return null;
  const sink = new VideoSampleSink(track);
  const duration = await track.computeDuration();
  const { averagePacketRate } = await track.computePacketStats();
  return {
    duration,
    rate: averagePacketRate,
    async *stills(every, longest) {
      /** @type {ReturnType<typeof smaller> | null} */
      let drawn = null;
      let frame = 0;
      for await (const sample of sink.samples()) {
        const { timestamp, displayWidth, displayHeight } = sample;
        const isTaken = frame % every === 0;
        frame += 1;
        if (isTaken) {
          drawn ??= smaller(displayWidth, displayHeight, longest);
          sample.draw(drawn.context, 0, 0, drawn.canvas.width, drawn.canvas.height);
        }
        sample.close();
        if (isTaken && drawn) yield { seconds: timestamp, picture: await jpeg(drawn.canvas) };
      }
    },
    async *frames(every) {
      /** @type {ReturnType<typeof easel> | null} */
      let drawn = null;
      let frame = 0;
      for await (const sample of sink.samples()) {
        const { timestamp, displayWidth, displayHeight } = sample;
        try {
          if (frame % every === 0) {
            drawn ??= easel(displayWidth, displayHeight);
            sample.draw(drawn.context, 0, 0, drawn.canvas.width, drawn.canvas.height);
            yield taken(drawn.context, frame, timestamp);
          }
        } finally {
          sample.close();
        }
        frame += 1;
      }
    },
    async picture(seconds) {
      const sample = await sink.getSample(seconds);
      if (!sample) throw new Error("There is no such frame.");
      const { canvas, context } = easel(sample.displayWidth, sample.displayHeight);
      sample.draw(context, 0, 0, canvas.width, canvas.height);
      sample.close();
      return canvas.convertToBlob();
    },
    close: () => input.dispose(),
  };
}

/** @param {File} file @returns {Promise<Video>} */
async function byElement(file) {
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  const address = URL.createObjectURL(file);
  const happens = (/** @type {string} */ name) =>
    new Promise((resolve, reject) => {
      video.addEventListener(name, resolve, { once: true });
      video.addEventListener("error", () => reject(video.error ?? new Error(name)), { once: true });
    });
  const ready = happens("loadeddata");
  video.src = address;
  await ready;
  const { canvas, context } = easel(video.videoWidth, video.videoHeight);
  /** One after the other: an element has one place at a time. */
  let turn = Promise.resolve();
  /** @template T @param {number} seconds @param {() => T | Promise<T>} take @returns {Promise<T>} */
  const at = (seconds, take) => {
    const result = turn.then(async () => {
      if (video.currentTime !== seconds) {
        const moved = happens("seeked");
        video.currentTime = seconds;
        await moved;
      }
      context.drawImage(video, 0, 0);
      return take();
    });
    turn = result.then(() => {}, () => {});
    return result;
  };
  return {
    duration: video.duration,
    rate: 1 / STEP,
    async *stills(every, longest) {
      const small = smaller(canvas.width, canvas.height, longest);
      for (let frame = 0; frame * STEP < video.duration; frame += every) {
        yield await at(frame * STEP, async () => {
          small.context.drawImage(video, 0, 0, small.canvas.width, small.canvas.height);
          return { seconds: frame * STEP, picture: await jpeg(small.canvas) };
        });
      }
    },
    async *frames(every) {
      for (let frame = 0; frame * STEP < video.duration; frame += every) {
        yield await at(frame * STEP, () => taken(context, frame, frame * STEP));
      }
    },
    picture: (seconds) => at(seconds, () => canvas.convertToBlob()),
    close: () => URL.revokeObjectURL(address),
  };
}
