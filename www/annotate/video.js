// @ts-check
/**
 * Frames of a video file. Their numbers and times are read from the file. Their images come from WebCodecs if the browser supports it and
 * the codec, else from a video element that seeks from frame to frame.
 *
 * @module
 */

import { counted, grouped } from "../ui/format.js";

/**
 * @typedef {object} Frame
 * @property {number} frame Number of the frame from 0, in order of presentation.
 * @property {number} seconds Time of presentation, s.
 * @property {number} width px
 * @property {number} height px
 * @property {Uint8Array<ArrayBuffer>} pixels RGBA, `[height, width, 4]`.
 */

/**
 * @typedef {object} Still
 * @property {number} frame Number of the frame from 0.
 * @property {number} seconds Time of presentation, s.
 * @property {Blob} image JPEG.
 */

/**
 * @typedef {object} Video
 * @property {number} duration s
 * @property {number} rate Mean number of frames per second.
 * @property {number} count Number of frames.
 * @property {string} guessed Sentence if numbers and times of frames are estimates; empty if they come from the file.
 * @property {(every: number) => AsyncGenerator<Frame>} frames Yields every n-th frame; throws a sentence if decoding fails.
 * @property {(every: number, longest: number) => AsyncGenerator<Still>} stills Yields every n-th frame as JPEG, its longer side at most `longest` px.
 * @property {(wanted: number[]) => AsyncGenerator<Frame>} pick Yields the frames of these ascending numbers, without decoding all others.
 * @property {(wanted: number[]) => AsyncGenerator<Still>} pickStills The same as JPEG, in their own size.
 * @property {(every: number) => AsyncGenerator<{ frame: number, seconds: number, end: number, image: Drawable }>} each Yields every n-th frame to be drawn before the next one.
 * @property {(seconds: number) => Promise<Blob>} image Returns the frame at a time as PNG.
 * @property {() => void} close
 */

/**
 * A decoded frame that can be drawn.
 * @typedef {object} Drawable
 * @property {number} width px
 * @property {number} height px
 * @property {(context: OffscreenCanvasRenderingContext2D, width: number, height: number) => void} draw
 */

/**
 * A way of decoding.
 * @typedef {object} Decoder
 * @property {(every: number) => AsyncGenerator<{ frame: number, image: Drawable }>} each Yields every n-th frame; its image is valid until the next one.
 * @property {(wanted: number[]) => AsyncGenerator<{ frame: number, image: Drawable }>} pick Yields the frames of these ascending numbers.
 * @property {<T>(frame: number, take: (image: Drawable) => T | Promise<T>) => Promise<T>} at Decodes one frame.
 * @property {() => void} close
 */

/**
 * Times of the frames of a video.
 * @typedef {object} Times
 * @property {number[]} starts Start of each frame, ascending, s.
 * @property {number} end End of the last frame, s.
 * @property {number[]} keys Starts of the key frames, s.
 */

/** Interval of assumed frames if a file's times cannot be read, s. */
const STEP = 1 / 30;
/** Tolerance for rounded times, s. */
const EPSILON = 1e-6;
/** Longest time to seek to a frame, ms. */
const SEEK_TIMEOUT = 10_000;
/** Longest time between seeking to a frame and painting it, ms. */
const PAINT_TIMEOUT = 250;

/** Returns true if type or name is that of a video. */
export const isVideo = (/** @type {{ name: string, file: File }} */ { name, file }) =>
  file.type.startsWith("video/") || /\.(mp4|m4v|mov|webm|mkv|ogv|avi|mpe?g|ts|wmv)$/i.test(name);

/**
 * Opens a video.
 * @param {File} file
 * @returns {Promise<Video>} Rejects with a sentence if the video cannot be decoded.
 */
export async function openVideo(file) {
  // Checks that the file can be read: a file that was moved fails elsewhere without a reason.
  await file
    .slice(0, 1)
    .arrayBuffer()
    .catch(() => {
      throw new Error(`The browser could not read ${file.name}. Drop it again, or choose it with the button.`);
    });
  const track = await readTrack(file);
  if (track && track.times.starts.length === 0)
    throw new Error(`${file.name} has no readable frames. The file may be cut off: copy it again.`);
  const decoder =
    (track && (await decodeWithWebCodecs(track).catch(() => null))) ??
    (await decodeWithElement(file, track?.times ?? null).catch(() => null));
  if (!decoder) {
    track?.close();
    const holds = track?.codec ? ` (it holds ${track.codec})` : "";
    throw new Error(`This browser cannot decode ${file.name}${holds}. Convert it to MP4 (H.264) or WebM, then drop it again.`);
  }
  return videoOf(file, decoder.times, decoder, Boolean(track));
}

/**
 * @param {File} file
 * @param {Times} times
 * @param {Decoder} decoder
 * @param {boolean} isExact True if the times come from the file.
 * @returns {Video}
 */
function videoOf(file, { starts, end }, decoder, isExact) {
  const duration = end;
  /** @template T @param {number | number[]} which Every n-th frame, or numbers of frames. @param {(frame: number, image: Drawable) => Promise<T> | T} take @returns {AsyncGenerator<T>} */
  const mapFrames = async function* (which, take) {
    let count = 0;
    try {
      for await (const { frame, image } of typeof which === "number" ? decoder.each(which) : decoder.pick(which)) {
        const value = await take(frame, image);
        count += 1;
        yield value;
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : `${error}`;
      throw new Error(
        `Only ${grouped(count)} of ${counted(typeof which === "number" ? Math.ceil(starts.length / which) : which.length, "frame")} of ${file.name} could be decoded (${reason.replace(/\.$/, "")}).`,
      );
    }
  };
  const canvases = frameCanvases();
  /** @param {number} frame @param {Drawable} image @returns {Frame} */
  const pixelsOf = (frame, image) => {
    const context = canvases.full(image);
    const { width, height } = context.canvas;
    const { data } = context.getImageData(0, 0, width, height);
    return { frame, seconds: starts[frame], width, height, pixels: new Uint8Array(data.buffer) };
  };
  /** @param {number} longest px @returns {(frame: number, image: Drawable) => Promise<Still>} */
  const stillOf = (longest) => async (frame, image) => {
    const blob = await canvases.small(image, longest).convertToBlob({ type: "image/jpeg", quality: 0.92 });
    return { frame, seconds: starts[frame], image: blob };
  };
  return {
    duration,
    rate: starts.length / Math.max(end - starts[0], 1e-9),
    count: starts.length,
    guessed: isExact
      ? ""
      : `This browser does not report the frame times of ${file.name}. Frames are taken ${Math.round(1 / STEP)} times a second, and their numbers may differ from the file's.`,
    frames: (every) => mapFrames(every, pixelsOf),
    stills: (every, longest) => mapFrames(every, stillOf(longest)),
    pick: (wanted) => mapFrames(wanted, pixelsOf),
    pickStills: (wanted) => mapFrames(wanted, stillOf(Infinity)),
    each: (every) =>
      mapFrames(every, (frame, image) => ({
        frame,
        seconds: starts[frame],
        end: starts[frame + 1] ?? Math.max(end, starts[frame]),
        image,
      })),
    image: (seconds) => decoder.at(nearest(starts, seconds), (image) => canvases.ownCanvas(image).convertToBlob()),
    close: () => decoder.close(),
  };
}

/** Index of the nearest number.
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

/** Middle of the time of a frame, s, so that rounding does not leave the frame.
 * @param {Times} times
 * @param {number} frame
 */
const middle = ({ starts, end }, frame) => (starts[frame] + Math.max(starts[frame], starts[frame + 1] ?? end)) / 2;

/** Canvases for frames; the one for full frames is reused. */
function frameCanvases() {
  /** @type {OffscreenCanvasRenderingContext2D | null} */ let fullFrame = null;
  /** @param {number} width @param {number} height @param {CanvasRenderingContext2DSettings} [how] */
  const createContext = (width, height, how) => {
    const context = new OffscreenCanvas(width, height).getContext("2d", how);
    if (!context) throw new Error("This browser cannot draw video frames. Use another browser.");
    return context;
  };
  return {
    /** @param {Drawable} image */
    full(image) {
      const { width, height } = image;
      // Frames can change their size, as when a phone is turned.
      if (fullFrame?.canvas.width !== width || fullFrame.canvas.height !== height)
        fullFrame = createContext(width, height, { willReadFrequently: true });
      image.draw(fullFrame, width, height);
      return fullFrame;
    },
    /** @param {Drawable} image @param {number} longest px */
    small(image, longest) {
      const scale = Math.min(1, longest / Math.max(image.width, image.height));
      const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
      const context = createContext(width, height);
      context.imageSmoothingQuality = "high";
      image.draw(context, width, height);
      return context.canvas;
    },
    /** @param {Drawable} image */
    ownCanvas(image) {
      const context = createContext(image.width, image.height);
      image.draw(context, image.width, image.height);
      return context.canvas;
    },
  };
}

/**
 * The video track of a file.
 * @typedef {object} Track
 * @property {Times} times Times of its frames.
 * @property {string} codec Name of the codec; empty if unknown.
 * @property {import("mediabunny").InputVideoTrack} track
 * @property {() => void} close
 */

/**
 * @param {File} file
 * @returns {Promise<Track | null>} Null if the container is unknown; rejects with a sentence if the file has no frames.
 */
async function readTrack(file) {
  const { ALL_FORMATS, BlobSource, EncodedPacketSink, Input } = await import("mediabunny");
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  try {
    const track = await input.getPrimaryVideoTrack();
    if (!track) {
      const hasSound = await input.getPrimaryAudioTrack();
      input.dispose();
      if (hasSound) throw new NoFramesError(`${file.name} has sound but no frames. Choose another file.`);
      return null;
    }
    /** @type {[number, number][]} */ const shown = [];
    /** @type {number[]} */ const keys = [];
    for await (const { timestamp, duration, type } of new EncodedPacketSink(track).packets(undefined, undefined, { metadataOnly: true })) {
      // Frames that an edit list cuts off have negative times.
      if (timestamp >= -EPSILON) shown.push([timestamp, duration]);
      if (type === "key") keys.push(timestamp);
    }
    // Packets are in decoding order.
    shown.sort((a, b) => a[0] - b[0]);
    const starts = shown.map(([start]) => start);
    const last = shown.at(-1) ?? [0, 0];
    // Without a duration, the last frame gets the mean duration.
    const usual = starts.length > 1 ? (last[0] - starts[0]) / (starts.length - 1) : STEP;
    return {
      times: { starts, end: last[0] + (last[1] || usual), keys },
      codec: (await track.getCodec())?.toUpperCase() ?? "",
      track,
      close: () => input.dispose(),
    };
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
  const { VideoSampleSink } = await import("mediabunny");
  if (!("VideoDecoder" in globalThis) || !(await track.canDecode())) return null;
  const sink = new VideoSampleSink(track);
  /** @typedef {import("mediabunny").VideoSample} Sample */
  /** @param {Sample} sample @returns {Drawable} */
  const drawable = (sample) => ({
    width: sample.displayWidth,
    height: sample.displayHeight,
    draw: (context, width, height) => sample.draw(context, 0, 0, width, height),
  });
  /** Decodes from the last key frame, for files without an index. @param {number} frame */
  const decodeFromKeyFrame = async (frame) => {
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
  // Some browsers claim to support a codec and fail at its first frame.
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
          // Finds the number by time, because decoders skip broken frames.
          while (Math.abs((times.starts[frame + 1] ?? Infinity) - sample.timestamp) < Math.abs(times.starts[frame] - sample.timestamp))
            frame += 1;
          if (frame % every === 0) yield { frame, image: drawable(sample) };
        } finally {
          sample.close();
        }
      }
      if (frame + 1 < times.starts.length) throw new Error("the file is cut off, or damaged");
    },
    async *pick(wanted) {
      let at = 0;
      for await (const sample of sink.samplesAtTimestamps(wanted.map((frame) => middle(times, frame)))) {
        const frame = wanted[at++];
        if (!sample) continue;
        try {
          yield { frame, image: drawable(sample) };
        } finally {
          sample.close();
        }
      }
    },
    async at(frame, take) {
      const sample = (await sink.getSample(middle(times, frame))) ?? (await decodeFromKeyFrame(frame));
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
 * @param {Times | null} known Times from the file, if it has them.
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
  const waitFor = (name, start) =>
    new Promise((resolve, reject) => {
      const listening = new AbortController();
      const { signal } = listening;
      const end = (/** @type {() => void} */ settle) => () => {
        listening.abort();
        clearTimeout(late);
        settle();
      };
      video.addEventListener(
        name,
        end(() => resolve(undefined)),
        { signal },
      );
      video.addEventListener(
        "error",
        end(() => reject(new Error(video.error?.message || `no ${name}`))),
        { signal },
      );
      const late = setTimeout(
        end(() => reject(new Error("the browser did not reach this frame"))),
        SEEK_TIMEOUT,
      );
      start();
    });
  /** Media time of the next painted frame, s; null if the browser does not report it. @returns {Promise<number | null>} */
  const nextPaint = () =>
    new Promise((resolve) => {
      if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback((_, { mediaTime }) => resolve(mediaTime));
      else resolve(null);
    });
  const withPaintTimeout = (/** @type {Promise<number | null>} */ paint) =>
    Promise.race([paint, new Promise((resolve) => setTimeout(resolve, PAINT_TIMEOUT, null))]);
  const moveTo = async (/** @type {number} */ seconds) => {
    if (video.currentTime === seconds) return;
    const paint = nextPaint();
    await waitFor("seeked", () => void (video.currentTime = seconds));
    await withPaintTimeout(paint);
  };
  try {
    const paint = nextPaint();
    await waitFor("loadeddata", () => void (video.src = address));
    const begins = await withPaintTimeout(paint);
    if (!video.videoWidth || !video.videoHeight) throw new Error("no frames");
    const times = known ?? (await assumeTimes(video, moveTo));
    // If an edit list cuts within a frame, the clock of the element starts at another time than the file.
    const shift = known && begins !== null && video.currentTime <= begins + EPSILON ? begins - times.starts[0] : 0;
    /** Seeks run one after the other. */
    let lastSeek = Promise.resolve();
    /** @type {Decoder["at"]} */
    const at = (frame, take) => {
      const result = lastSeek.then(async () => {
        await moveTo(Math.max(0, middle(times, frame) + shift));
        return take({
          width: video.videoWidth,
          height: video.videoHeight,
          draw: (context, width, height) => context.drawImage(video, 0, 0, width, height),
        });
      });
      lastSeek = result.then(
        () => {},
        () => {},
      );
      return result;
    };
    /** @type {Decoder["pick"]} */
    const pick = async function* (wanted) {
      // The image is copied, because the element seeks on before the caller draws it.
      for (const frame of wanted) yield await at(frame, async (image) => ({ frame, image: await copyImage(image) }));
    };
    return {
      times,
      each: (every) => pick(times.starts.map((_, frame) => frame).filter((frame) => frame % every === 0)),
      pick,
      at,
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** Copies an image, so that it stays valid when its source changes.
 * @param {Drawable} image
 * @returns {Promise<Drawable>}
 */
async function copyImage({ width, height, draw }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser cannot draw video frames. Use another browser.");
  draw(context, width, height);
  return { width, height, draw: (context, width, height) => context.drawImage(canvas, 0, 0, width, height) };
}

/** Regular frame times up to the end of a video. Some files report their end only after seeking there.
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
