/**
 * Code that runs the detector of this very model in other programs.
 *
 * @module
 */

import type { Config } from "../engine/protocol.js";

/** What the code is filled with. */
export interface Detector {
  /** Side of the square images that the model sees, px. */
  size: number;
  fit: Config["fit"];
  /** Names of the keypoints, `[K]`. */
  names: string[];
  /** Its step of training, by which its files are named. */
  step: number;
}

const modelName = ({ step }: Detector) => `autolink-model-${step}-steps.safetensors`;
const onnxName = ({ step }: Detector) => `autolink-detector-${step}-steps.onnx`;

/** Code for Python, with onnxruntime, NumPy and Pillow. */
export function python(detector: Detector): string {
  const { size, fit, names } = detector;
  const isWhole = fit === "stretch";
  const square = isWhole
    ? ["square = image"]
    : [
        `side = ${fit === "crop" ? "min" : "max"}(image.size)`,
        "left, top = (image.width - side) // 2, (image.height - side) // 2",
        "square = image.crop((left, top, left + side, top + side))",
      ];
  return `import sys
import numpy as np
import onnxruntime
from PIL import Image

SIZE = ${size}
NAMES = ${JSON.stringify(names)}

model = onnxruntime.InferenceSession("${onnxName(detector)}")
image = Image.open(sys.argv[1]).convert("RGB")
${square.join("\n")}
pixels = np.asarray(square.resize((SIZE, SIZE), Image.BICUBIC), np.float32) / 255
points, confidence = model.run(["keypoints", "confidence"], {"image": pixels.transpose(2, 0, 1)[None]})
points = points[0] * ${isWhole ? "image.size" : "side + (left, top)"}
for name, (x, y), certainty in zip(NAMES, points, confidence[0]):
    print(f"{name}: x {x:.1f} px, y {y:.1f} px, confidence {certainty:.2f}")
`;
}

/** Code for JavaScript, with onnxruntime-web: a module. */
export function javascript(detector: Detector): string {
  const { size, fit, names } = detector;
  const drawn =
    fit === "stretch"
      ? ["const [width, height] = [SIZE, SIZE];"]
      : [
          `const scale = SIZE / Math.${fit === "crop" ? "min" : "max"}(image.width, image.height);`,
          "const [width, height] = [image.width * scale, image.height * scale];",
        ];
  return `import * as ort from "onnxruntime-web";

const SIZE = ${size};
const NAMES = ${JSON.stringify(names)};
const model = await ort.InferenceSession.create("${onnxName(detector)}");

/** Finds the keypoints in an ImageBitmap or a canvas. */
export async function detect(image) {
  ${drawn.join("\n  ")}
  const [left, top] = [(SIZE - width) / 2, (SIZE - height) / 2];
  const context = new OffscreenCanvas(SIZE, SIZE).getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, left, top, width, height);
  const { data } = context.getImageData(0, 0, SIZE, SIZE);
  const area = SIZE * SIZE;
  const pixels = Float32Array.from({ length: 3 * area }, (_, i) => data[4 * (i % area) + Math.floor(i / area)] / 255);
  const { keypoints, confidence } = await model.run({ image: new ort.Tensor("float32", pixels, [1, 3, SIZE, SIZE]) });
  return NAMES.map((name, k) => ({
    name,
    x: ((keypoints.data[2 * k] * SIZE - left) / width) * image.width,
    y: ((keypoints.data[2 * k + 1] * SIZE - top) / height) * image.height,
    confidence: confidence.data[k],
  }));
}
`;
}

/** Commands for a terminal. */
export function terminal(detector: Detector): string {
  return `autolink detect images/ --model ${modelName(detector)} --out keypoints.json
autolink export --model ${modelName(detector)} --onnx ${onnxName(detector)}
`;
}
