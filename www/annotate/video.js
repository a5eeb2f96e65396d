// @ts-check
/**
 * Frames of a video file. Their numbers and times are read from the file itself; their images come from WebCodecs where the
 * browser has it and knows the codec, else from a video element that is moved from frame to frame.
 *
 * @module
 */

import { counted, grouped } from "../format.js";

/**
 * @typedef {object} Frame
 * @property {number} frame From 0, in the order in which they are shown.
 * @property {number} seconds When it is shown.
 * @property {number} width px
 * @property {number} height px
 * @property {Uint8Array<ArrayBuffer>} pixels RGBA, `[height, width, 4]`.
 */

/**
 * @typedef {object} Still
 * @property {number} frame From 0.
 * @property {number} seconds When it is shown.
 * @property {Blob} picture
 */

/**
 * @typedef {object} Video
 * @property {number} duration s
 * @property {number} rate Frames per second, on average.
 * @property {number} count Frames.
 * @property {string} guessed A sentence where numbers and times of frames are guesses; empty where they are the file's own.
 * @property {(every: number) => AsyncGenerator<Frame>} frames Every so many; throws a sentence where the video cannot be decoded on.
 * @property {(every: number, longest: number) => AsyncGenerator<Still>} stills The same as JPEG, their longer side at most so many px.
 * @property {(seconds: number) => Promise<Blob>} image The frame that begins then, as PNG.
 * @property {() => void} close
 */

/**
 * Where an image comes from: draws the next frame, or the one at a time, and says how large it is.
 * @typedef {object} Drawable
 * @property {number} width px
 * @property {number} height px
 * @property {(context: OffscreenCanvasRenderingContext2D, width: number, height: number) => void} draw
 */

/**
 * A way of decoding.
 * @typedef {object} Decoder
 * @property {(every: number) => AsyncGenerator<{ frame: number, image: Drawable }>} each Every so many frames; an image lasts until the next.
 * @property {<T>(frame: number, take: (image: Drawable) => T | Promise<T>) => Promise<T>} at One frame.
 * @property {() => void} close
 */

/**
 * When frames are shown.
 * @typedef {object} Times
 * @property {number[]} starts s, ascending.
 * @property {number} end s
 * @property {number[]} keys When those begin that are decoded without any other, s.
 */

/** Where a file's times cannot be read, frames are taken this far apart, s. */
const STEP = 1 / 30;
/** Times are rounded by less, s. */
const EPSILON = 1e-6;
/** Frames that a video element does not come to within this are not there, ms. */
const SEEK_TIMEOUT = 10_000;
/** A video element that came to a frame paints it within this, ms. */
const PAINT_TIMEOUT = 250;

/** What the browser's own names for videos end in. */
export const isVideo = (/** @type {{ name: string, file: File }} */ { name, file }) =>
  file.type.startsWith("video/") || /\.(mp4|m4v|mov|webm|mkv|ogv|avi|mpe?g|ts|wmv)$/i.test(name);

/**
 * @param {File} file
 * @returns {Promise<Video>} Rejects with a sentence where the video cannot be decoded.
 */
export async function openVideo(file) {
  // Whether it can be read at all: a file that was moved since it was chosen fails everywhere else without a reason.
  await file.slice(0, 1).arrayBuffer().catch(() => {
    throw new Error(`${file.name} cannot be read. Choose it again.`);
  });
  const track = await readTrack(file);
  if (track && track.times.starts.length === 0) throw new Error(`${file.name} has no readable frames. The file may be cut off.`);
  const decoder = (track && (await decodeWithWebCodecs(track).catch(() => null))) ?? (await decodeWithElement(file, track?.times ?? null).catch(() => null));
  if (!decoder) {
    track?.close();
    const holds = track?.codec ? ` (it holds ${track.codec})` : "";
    throw new Error(`This browser cannot decode ${file.name}${holds}. Save it as MP4 (H.264) or WebM and drop it again.`);
  }
  return videoOf(file, decoder.times, decoder, Boolean(track));
}

/**
 * @param {File} file
 * @param {Times} times
 * @param {Decoder} decoder
 * @param {boolean} isExact Whether the times are the file's own.
 * @returns {Video}
 */
function videoOf(file, { starts, end }, decoder, isExact) {
  const duration = end;
  /** @template T @param {number} every @param {(frame: number, image: Drawable) => Promise<T> | T} take @returns {AsyncGenerator<T>} */
  const taken = async function* (every, take) {
    let count = 0;
    try {
      for await (const { frame, image } of decoder.each(every)) {
        const value = await take(frame, image);
        count += 1;
        yield value;
      }
    } catch (error) {
      const said = error instanceof Error ? error.message : `${error}`;
      throw new Error(`Only ${grouped(count)} of ${counted(Math.ceil(starts.length / every), "frame")} of ${file.name} could be decoded (${said.replace(/\.$/, "")}).`);
    }
  };
  const canvases = frameCanvases();
  return {
    duration,
    rate: starts.length / Math.max(end - starts[0], 1e-9),
    count: starts.length,
    guessed: isExact ? "" : `This browser does not report the frame times of ${file.name}. Frames are taken ${Math.round(1 / STEP)} times a second, and their numbers may differ from the file's.`,
    frames: (every) =>
      taken(every, (frame, image) => {
        const context = canvases.full(image);
        const { width, height } = context.canvas;
        const { data } = context.getImageData(0, 0, width, height);
        return { frame, seconds: starts[frame], width, height, pixels: new Uint8Array(data.buffer) };
      }),
    stills: (every, longest) =>
      taken(every, async (frame, image) => {
        const picture = await canvases.small(image, longest).convertToBlob({ type: "image/jpeg", quality: 0.92 });
        return { frame, seconds: starts[frame], picture };
      }),
    image: (seconds) => decoder.at(nearest(starts, seconds), (image) => canvases.alone(image).convertToBlob()),
    close: () => decoder.close(),
  };
}

/** The place of the number that is nearest.
 * @param {number[]} ascending
 * @param {number} wanted
 */
function nearest(ascending, wanted) {
  let [low, high] = [0, ascending.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && wanted - ascending[low - 1] < ascending[low] - wanted ? low - 1 : low;
}

/** The middle of a frame's time, s: whatever rounds a little stays within the frame.
 * @param {Times} times
 * @param {number} frame
 */
const middle = ({ starts, end }, frame) => (starts[frame] + Math.max(starts[frame], starts[frame + 1] ?? end)) / 2;

/** Canvases that frames are drawn on; one that is used again is not made again. */
function frameCanvases() {
  /** @type {OffscreenCanvasRenderingContext2D | null} */ let kept = null;
  /** @param {number} width @param {number} height @param {CanvasRenderingContext2DSettings} [how] */
  const made = (width, height, how) => {
    const context = new OffscreenCanvas(width, height).getContext("2d", how);
    if (!context) throw new Error("This browser has no canvas to draw frames on.");
    return context;
  };
  return {
    /** @param {Drawable} image */
    full(image) {
      const { width, height } = image;
      // A frame of another size, as in a recording of a phone that was turned, has its own.
      if (kept?.canvas.width !== width || kept.canvas.height !== height) kept = made(width, height, { willReadFrequently: true });
      image.draw(kept, width, height);
      return kept;
    },
    /** @param {Drawable} image @param {number} longest px */
    small(image, longest) {
      const scale = Math.min(1, longest / Math.max(image.width, image.height));
      const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
      const context = made(width, height);
      context.imageSmoothingQuality = "high";
      image.draw(context, width, height);
      return context.canvas;
    },
    /** @param {Drawable} image */
    alone(image) {
      const context = made(image.width, image.height);
      image.draw(context, image.width, image.height);
      return context.canvas;
    },
  };
}

/**
 * The video in a file, as far as it can be read without decoding it.
 * @typedef {object} Track
 * @property {Times} times Of its frames.
 * @property {string} codec As people call it; empty where it is not known.
 * @property {import("../vendor/mediabunny/mediabunny.min.mjs").InputVideoTrack} track
 * @property {() => void} close
 */

/**
 * @param {File} file
 * @returns {Promise<Track | null>} Nothing where its container is not known; rejects with a sentence where it holds no video.
 */
async function readTrack(file) {
  const { ALL_FORMATS, BlobSource, EncodedPacketSink, Input } = await import("../vendor/mediabunny/mediabunny.min.mjs");
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  try {
    const track = await input.getPrimaryVideoTrack();
    if (!track) {
      const hasSound = await input.getPrimaryAudioTrack();
      input.dispose();
      if (hasSound) throw new NoFramesError(`${file.name} has sound but no frames.`);
      return null;
    }
    /** @type {[number, number][]} */ const shown = [];
    /** @type {number[]} */ const keys = [];
    for await (const { timestamp, duration, type } of new EncodedPacketSink(track).packets(undefined, undefined, { metadataOnly: true })) {
      // What an edit list cuts off begins before 0, and is never shown.
      if (timestamp >= -EPSILON) shown.push([timestamp, duration]);
      if (type === "key") keys.push(timestamp);
    }
    // They come in the order in which they are decoded.
    shown.sort((a, b) => a[0] - b[0]);
    const starts = shown.map(([start]) => start);
    const last = shown.at(-1) ?? [0, 0];
    // The last frame may not say how long it is: as long as the others.
    const usual = starts.length > 1 ? (last[0] - starts[0]) / (starts.length - 1) : STEP;
    return { times: { starts, end: last[0] + (last[1] || usual), keys }, codec: (await track.getCodec())?.toUpperCase() ?? "", track, close: () => input.dispose() };
  } catch (error) {
    input.dispose();
    if (error instanceof NoFramesError) throw error;
    return null;
  }
}

/** A file without frames. */
class NoFramesError extends Error {}

/** @param {Track} read @returns {Promise<Decoder & { times: Times } | null>} */
async function decodeWithWebCodecs({ track, times, close }) {
  const { VideoSampleSink } = await import("../vendor/mediabunny/mediabunny.min.mjs");
  if (!("VideoDecoder" in globalThis) || !(await track.canDecode())) return null;
  const sink = new VideoSampleSink(track);
  /** @typedef {import("../vendor/mediabunny/mediabunny.min.mjs").VideoSample} Sample */
  /** @param {Sample} sample @returns {Drawable} */
  const drawable = (sample) => ({ width: sample.displayWidth, height: sample.displayHeight, draw: (context, width, height) => sample.draw(context, 0, 0, width, height) });
  /** Recordings without an index: on from the last key frame. @param {number} frame */
  const walkTo = async (frame) => {
    const wanted = middle(times, frame);
    const from = times.keys.filter((key) => key <= wanted).sort((a, b) => b - a)[0] ?? 0;
    /** @type {Sample | null} */ let found = null;
    for await (const sample of sink.samples(from)) {
      if (sample.timestamp > wanted) {
        sample.close();
        break;
      }
      found?.close();
      found = sample;
    }
    return found;
  };
  // Some browsers know a codec by name, and fail at its first frame.
  const first = await sink.getSample(middle(times, 0));
  if (!first) return null;
  first.close();
  return {
    times,
    async *each(every) {
      let frame = 0;
      for await (const sample of sink.samples()) {
        try {
          if (sample.timestamp < -EPSILON) continue;
          // The number is the file's, also where the decoder left out a broken frame.
          while (Math.abs((times.starts[frame + 1] ?? Infinity) - sample.timestamp) < Math.abs(times.starts[frame] - sample.timestamp)) frame += 1;
          if (frame % every === 0) yield { frame, image: drawable(sample) };
        } finally {
          sample.close();
        }
      }
      if (frame + 1 < times.starts.length) throw new Error("the file is cut off, or damaged");
    },
    async at(frame, take) {
      const sample = (await sink.getSample(middle(times, frame))) ?? (await walkTo(frame));
      if (!sample) throw new Error("The video has no such frame.");
      try {
        return await take(drawable(sample));
      } finally {
        sample.close();
      }
    },
    close,
  };
}

/**
 * @param {File} file
 * @param {Times | null} known Where the file says them.
 * @returns {Promise<Decoder & { times: Times }>}
 */
async function decodeWithElement(file, known) {
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  const address = URL.createObjectURL(file);
  const close = () => {
    video.removeAttribute("src");
    URL.revokeObjectURL(address);
  };
  /** @param {string} name @param {() => void} start */
  const after = (name, start) =>
    new Promise((resolve, reject) => {
      const listening = new AbortController();
      const { signal } = listening;
      const end = (/** @type {() => void} */ settle) => () => {
        listening.abort();
        clearTimeout(late);
        settle();
      };
      video.addEventListener(name, end(() => resolve(undefined)), { signal });
      video.addEventListener("error", end(() => reject(new Error(video.error?.message || `no ${name}`))), { signal });
      const late = setTimeout(end(() => reject(new Error("the browser did not reach this frame"))), SEEK_TIMEOUT);
      start();
    });
  /** When the frame that is painted next begins, by the element's clock, s; nothing where the browser does not tell. @returns {Promise<number | null>} */
  const painted = () =>
    new Promise((resolve) => {
      if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback((_, { mediaTime }) => resolve(mediaTime));
      else resolve(null);
    });
  const soon = (/** @type {Promise<number | null>} */ paint) => Promise.race([paint, new Promise((resolve) => setTimeout(resolve, PAINT_TIMEOUT, null))]);
  const moveTo = async (/** @type {number} */ seconds) => {
    if (video.currentTime === seconds) return;
    const paint = painted();
    await after("seeked", () => void (video.currentTime = seconds));
    await soon(paint);
  };
  try {
    const paint = painted();
    await after("loadeddata", () => void (video.src = address));
    const begins = await soon(paint);
    if (!video.videoWidth || !video.videoHeight) throw new Error("no frames");
    const times = known ?? (await assumeTimes(video, moveTo));
    // Where an edit list cuts within a frame, the element's clock begins elsewhere than the file's.
    const shift = known && begins !== null && video.currentTime <= begins + EPSILON ? begins - times.starts[0] : 0;
    /** One after the other: an element has one place at a time. */
    let turn = Promise.resolve();
    /** @type {Decoder["at"]} */
    const at = (frame, take) => {
      const result = turn.then(async () => {
        await moveTo(Math.max(0, middle(times, frame) + shift));
        return take({ width: video.videoWidth, height: video.videoHeight, draw: (context, width, height) => context.drawImage(video, 0, 0, width, height) });
      });
      turn = result.then(() => {}, () => {});
      return result;
    };
    return {
      times,
      async *each(every) {
        for (let frame = 0; frame < times.starts.length; frame += every) {
          // Moved on before whoever takes it draws: nothing else moves the element meanwhile.
          yield await at(frame, async (image) => ({ frame, image: await copyImage(image) }));
        }
      },
      at,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** An image that stays, whatever its source shows next.
 * @param {Drawable} image
 * @returns {Promise<Drawable>}
 */
async function copyImage({ width, height, draw }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser has no canvas to draw frames on.");
  draw(context, width, height);
  return { width, height, draw: (context, width, height) => context.drawImage(canvas, 0, 0, width, height) };
}

/** A grid of times up to the end of a video, which some files do not tell before one has been there.
 * @param {HTMLVideoElement} video
 * @param {(seconds: number) => Promise<void>} moveTo
 * @returns {Promise<Times>}
 */
async function assumeTimes(video, moveTo) {
  if (!Number.isFinite(video.duration)) await moveTo(Number.MAX_SAFE_INTEGER);
  const end = Number.isFinite(video.duration) ? video.duration : video.currentTime;
  if (!(end > 0)) throw new Error("no end");
  return { starts: Array.from({ length: Math.max(1, Math.ceil(end / STEP - 1e-6)) }, (_, frame) => frame * STEP), end, keys: [] };
}
