// The model of `src/model` and its training step with the pixel loss in TensorFlow.js, to compare with.
// The running statistics of batch norm are left out; they cost next to nothing.

/* global tf */

const LEAK = 0.2;
const [B1, B2, EPSILON] = [0.9, 0.999, 1e-8];

/** The model; `parameters` lists its parameters in the order in which layers are created. */
class Model {
  /** @type {any[]} */
  parameters = [];

  constructor({ size, width: w, keypoints, edge_scale, edge_start, thickness }) {
    Object.assign(this, { size, keypoints, edge_scale, thickness });
    this.detector = {
      down: [
        [3, w],
        [w, 2 * w],
        [2 * w, 4 * w],
        [4 * w, 8 * w],
      ].map(([i, o]) => this.residual(i, o)),
      up: [
        [8 * w, 4 * w],
        [4 * w, 2 * w],
      ].map(([i, o]) => [this.conv(i, o), this.norm(o)]),
      head: this.conv(2 * w, keypoints),
    };
    const start = Math.log(Math.expm1(edge_start)) / edge_scale;
    this.raw = this.parameter(tf.randomNormal([keypoints, keypoints], start, 0.1 / edge_scale));
    this.alpha = this.parameter(tf.ones([1]));
    this.decoder = {
      first: this.conv(4, w),
      down: [
        [w, 2 * w],
        [2 * w, 4 * w],
        [4 * w, 8 * w],
        [8 * w, 8 * w],
      ].map(([i, o]) => this.block(i, o)),
      up: [
        [8 * w, 8 * w],
        [16 * w, 4 * w],
        [8 * w, 2 * w],
        [4 * w, w],
      ].map(([i, o]) => this.block(i, o)),
      last: this.conv(2 * w, 3),
    };
    this.prepare();
  }

  /** Prepares constants: the positions of pixels, and the two keypoints of each edge. */
  prepare() {
    const { keypoints: count, size } = this;
    const places = (/** @type {number} */ n) => Array.from({ length: n }, (_, i) => (2 * i) / (n - 1) - 1);
    const at = places(size / 4);
    this.pixels = tf.tensor2d(at.flatMap((row) => at.map((col) => [row, col]))); // [hw,2]
    this.grid = tf.tensor1d(places(size));
    /** @type {[number, number][]} */
    const edges = [];
    for (let i = 0; i < count; i++) for (let j = i + 1; j < count; j++) edges.push([i, j]);
    const ends = [0, 1].map((k) =>
      tf.oneHot(
        tf.tensor1d(
          edges.map((edge) => edge[k]),
          "int32",
        ),
        count,
      ),
    );
    [this.from, this.to] = ends.map((end) => tf.transpose(tf.cast(end, "float32"))); // [K,E]
    const flat = edges.map(([i, j]) => i * count + j);
    this.edges = tf.cast(tf.oneHot(tf.tensor1d(flat, "int32"), count * count), "float32"); // [E,KK]
  }

  parameter(value) {
    const variable = tf.variable(value);
    this.parameters.push(variable);
    return variable;
  }

  conv(inputs, outputs) {
    const std = Math.sqrt(2 / ((1 + LEAK * LEAK) * 9 * inputs));
    return [this.parameter(tf.randomNormal([3, 3, inputs, outputs], 0, std)), this.parameter(tf.zeros([outputs]))];
  }

  norm(channels) {
    return [this.parameter(tf.ones([channels])), this.parameter(tf.zeros([channels]))];
  }

  residual(inputs, outputs) {
    return {
      conv1: this.conv(inputs, outputs),
      norm1: this.norm(outputs),
      conv2: this.conv(outputs, outputs),
      norm2: this.norm(outputs),
      shortcut: this.conv(inputs, outputs),
      shortcutNorm: this.norm(outputs),
    };
  }

  block(inputs, outputs) {
    return {
      conv1: this.conv(inputs, outputs),
      norm1: this.norm(outputs),
      conv2: this.conv(outputs, outputs),
      norm2: this.norm(outputs),
    };
  }

  /** [B,S,S,3] to the keypoints [B,K,2]. */
  detect(images) {
    let x = images;
    for (const layer of this.detector.down) {
      const shortcut = batchNorm(avgPool2x2(convolve(x, layer.shortcut)), layer.shortcutNorm);
      x = leakyRelu(batchNorm(avgPool2x2(convolve(x, layer.conv1)), layer.norm1));
      x = leakyRelu(tf.add(batchNorm(convolve(x, layer.conv2), layer.norm2), shortcut));
    }
    for (const [conv, norm] of this.detector.up) x = leakyRelu(batchNorm(convolve(upsample2x(x), conv), norm));
    const logits = convolve(x, this.detector.head); // [B,h,w,K]
    const [batch, height, width, count] = logits.shape;
    const heatmaps = tf.softmax(tf.reshape(tf.transpose(logits, [0, 3, 1, 2]), [batch * count, height * width]));
    return tf.reshape(tf.matMul(heatmaps, this.pixels), [batch, count, 2]);
  }

  /** [B,K,2] to [B,S,S,1]: `max over edges of w exp(-d^2 / thickness)`. */
  draw(keypoints) {
    const [batch, count] = keypoints.shape;
    const { size } = this;
    const weights = tf.softplus(tf.mul(tf.matMul(this.edges, tf.reshape(this.raw, [count * count, 1])), this.edge_scale));
    const places = tf.reshape(tf.transpose(keypoints, [0, 2, 1]), [batch * 2, count]);
    const [a, b] = [this.from, this.to].map((end) => tf.reshape(tf.matMul(places, end), [batch, 2, -1]));
    const axis = (points, k) => tf.reshape(tf.slice(points, [0, k, 0], [batch, 1, -1]), [batch, -1, 1, 1]);
    const along = tf.sub(b, a);
    const lengthSquared = tf.reshape(tf.sum(tf.square(along), 1), [batch, -1, 1, 1]);
    const row = tf.sub(tf.reshape(this.grid, [1, 1, size, 1]), axis(a, 0));
    const col = tf.sub(tf.reshape(this.grid, [1, 1, 1, size]), axis(a, 1));
    const dot = tf.add(tf.mul(row, axis(along, 0)), tf.mul(col, axis(along, 1)));
    const t = tf.clipByValue(tf.div(dot, tf.add(lengthSquared, 1e-8)), 0, 1); // [B,E,S,S]
    const squared = tf.add(tf.square(tf.sub(row, tf.mul(t, axis(along, 0)))), tf.square(tf.sub(col, tf.mul(t, axis(along, 1)))));
    const drawn = tf.mul(tf.exp(tf.mul(squared, -1 / this.thickness)), tf.reshape(weights, [1, -1, 1, 1]));
    return tf.expandDims(tf.max(drawn, 1), 3);
  }

  /** [B,S,S,3] and [B,S,S,1] to [B,S,S,3]. */
  reconstruct(masked, edgeMap) {
    const through = (x, layer) =>
      batchNorm(convolve(leakyRelu(batchNorm(convolve(x, layer.conv1), layer.norm1)), layer.conv2), layer.norm2);
    let x = leakyRelu(convolve(tf.concat([tf.mul(masked, this.alpha), edgeMap], 3), this.decoder.first));
    const skips = [x];
    for (const layer of this.decoder.down) {
      x = leakyRelu(avgPool2x2(through(x, layer)));
      skips.push(x);
    }
    skips.pop();
    for (const layer of this.decoder.up) x = tf.concat([leakyRelu(through(upsample2x(x), layer)), skips.pop()], 3);
    return convolve(x, this.decoder.last);
  }

  loss(images, mask) {
    const reconstruction = this.reconstruct(tf.mul(images, mask), this.draw(this.detect(images)));
    return tf.mean(tf.square(tf.sub(reconstruction, images)));
  }
}

const convolve = (x, [weight, bias]) => tf.add(tf.conv2d(x, weight, 1, "same"), bias);
const leakyRelu = (x) => tf.leakyRelu(x, LEAK);
const avgPool2x2 = (x) => tf.avgPool(x, 2, 2, "valid");

// The gradient in TensorFlow.js ignores half-pixel centres; the work is the same.
const upsample2x = (x) => tf.image.resizeBilinear(x, [2 * x.shape[1], 2 * x.shape[2]], false, true);

function batchNorm(x, [weight, bias]) {
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  return tf.batchNorm(x, mean, variance, bias, weight, 1e-5);
}

/** Measures the first and the second step, ms. */
export async function measure(settings) {
  await tf.setBackend("webgpu");
  const { batch, size, mask_grid: cells, mask_ratio, learning_rate: rate, weight_decay: decay } = settings;
  const model = new Model(settings);
  const moments = model.parameters.map((p) => [tf.variable(tf.zerosLike(p)), tf.variable(tf.zerosLike(p))]);

  const step = (/** @type {number} */ steps) => {
    const images = tf.randomUniform([batch, size, size, 3], -1, 1);
    const visible = tf.cast(tf.greater(tf.randomUniform([batch, cells, cells, 1]), mask_ratio), "float32");
    const mask = tf.image.resizeNearestNeighbor(visible, [size, size]);
    const { value, grads } = tf.variableGrads(() => model.loss(images, mask), model.parameters);
    model.parameters.forEach((p, i) => {
      const g = grads[p.name];
      const [m, v] = moments[i];
      m.assign(tf.add(tf.mul(m, B1), tf.mul(g, 1 - B1)));
      v.assign(tf.add(tf.mul(v, B2), tf.mul(tf.square(g), 1 - B2)));
      const direction = tf.div(tf.div(m, 1 - B1 ** steps), tf.add(tf.sqrt(tf.div(v, 1 - B2 ** steps)), EPSILON));
      p.assign(tf.sub(tf.mul(p, 1 - rate * decay), tf.mul(direction, rate)));
    });
    return value.clone();
  };

  /** @type {number[]} */
  const times = [];
  for (const steps of [1, 2]) {
    const start = performance.now();
    const loss = tf.tidy(() => step(steps));
    const last = model.parameters[model.parameters.length - 1];
    // The queue is in order: once the last parameter is read, the step is done.
    const [[value]] = await Promise.all([loss.data(), last.data()]);
    if (!Number.isFinite(value)) throw new Error(`a loss of ${value}`);
    times.push(performance.now() - start);
    console.log(`TensorFlow.js, step ${steps}: ${Math.round(times[steps - 1])} ms, loss ${value}`);
  }
  const parameters = model.parameters.reduce((sum, p) => sum + p.size, 0);
  return { first_ms: times[0], ms: times[1], parameters };
}
