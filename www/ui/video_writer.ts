/** Writes a canvas, frame by frame, as a video: MP4 (H.264) where the browser can encode it, else WebM. */
export class VideoWriter {
  readonly #output: import("mediabunny").Output;
  readonly #source: import("mediabunny").CanvasSource;
  readonly #target: import("mediabunny").BufferTarget;
  /** Ending of the file's name, and media type. */
  readonly #kind: readonly [string, string];

  private constructor(
    output: import("mediabunny").Output,
    source: import("mediabunny").CanvasSource,
    target: import("mediabunny").BufferTarget,
    kind: readonly [string, string],
  ) {
    this.#output = output;
    this.#source = source;
    this.#target = target;
    this.#kind = kind;
  }

  /**
   * Starts a video of a canvas, whose sides are even.
   * @param bitrate Bits per second.
   * @returns The writer; null if the browser can encode neither format.
   */
  static async start(canvas: HTMLCanvasElement | OffscreenCanvas, bitrate: number): Promise<VideoWriter | null> {
    const { BufferTarget, CanvasSource, Mp4OutputFormat, Output, WebMOutputFormat, canEncodeVideo } = await import("mediabunny");
    const { width, height } = canvas;
    for (const codec of ["avc", "vp9", "vp8", "av1"] as const) {
      if (!(await canEncodeVideo(codec, { width, height, bitrate }))) continue;
      const isMp4 = codec === "avc";
      const target = new BufferTarget();
      const output = new Output({ format: isMp4 ? new Mp4OutputFormat() : new WebMOutputFormat(), target });
      const source = new CanvasSource(canvas, { codec, bitrate });
      output.addVideoTrack(source);
      await output.start();
      return new VideoWriter(output, source, target, isMp4 ? ["mp4", "video/mp4"] : ["webm", "video/webm"]);
    }
    return null;
  }

  /** Adds what the canvas shows, from a time on and for a while, s. */
  async add(seconds: number, duration: number): Promise<void> {
    await this.#source.add(seconds, duration);
  }

  /** Ends the video. @param stem Name of the file without its ending. */
  async finish(stem: string): Promise<File> {
    await this.#output.finalize();
    const [ending, type] = this.#kind;
    return new File([this.#target.buffer ?? new ArrayBuffer(0)], `${stem}.${ending}`, { type });
  }

  /** Throws the video away. */
  async cancel(): Promise<void> {
    if (this.#output.state === "started") await this.#output.cancel();
  }
}
