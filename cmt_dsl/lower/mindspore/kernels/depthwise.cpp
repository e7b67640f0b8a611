// Depthwise convolution of odd kernel, stride 1, that keeps the grid; its gradients; the sum with its input.
//
// A plane is copied into a frame of zeros of rows of `width` = w + kw - 1. Counting positions through the whole frame,
// output i is the sum over taps of weight * frame[i + offset]: one long loop whatever the map's width. Outputs in the
// last kw - 1 columns of a row mix two rows and are left behind.
#include "common.h"

namespace {
constexpr int STEP = 4 * LANES;
constexpr int MOST_TAPS = 1024;

struct Shape {
  long n, c, h, w, kh, kw, taps, width, span, frame;
  long offset[MOST_TAPS];

  // false for what these kernels do not serve
  bool read(const int64_t *x, const int64_t *weight) {
    n = x[0], c = x[1], h = x[2], w = x[3], kh = weight[2], kw = weight[3];
    taps = kh * kw;
    if (kh % 2 == 0 || kw % 2 == 0 || taps > MOST_TAPS || weight[0] != c || weight[1] != 1) return false;
    width = w + kw - 1;
    span = (h * width + STEP - 1) / STEP * STEP;  // outputs, the superfluous ones included
    frame = span + (kh - 1) * width + kw - 1 + STEP;
    for (long t = 0; t < taps; t++) offset[t] = t / kw * width + t % kw;
    return true;
  }
  long centre() const { return offset[taps / 2]; }

  void put(const float *plane, float *in_frame) const {
    memset(in_frame, 0, frame * sizeof(float));
    for (long r = 0; r < h; r++) memcpy(in_frame + centre() + r * width, plane + r * w, w * sizeof(float));
  }
  void take(const float *outputs, float *plane) const {
    for (long r = 0; r < h; r++) memcpy(plane + r * w, outputs + r * width, w * sizeof(float));
  }
};

// outputs[i] = start + sum of weight[t] * frame[i + offset[t]], plus frame's centre where `residual`.
template <int TAPS, bool RESIDUAL>
void correlate(const Shape &s, const float *frame, const float *weight, float start, float *outputs) {
  const long taps = TAPS ? TAPS : s.taps;
  for (long i = 0; i < s.span; i += STEP) {
    Vec sum[4];
    for (int u = 0; u < 4; u++) {
      sum[u] = all(start);
      if (RESIDUAL) sum[u] += load(frame + i + u * LANES + s.centre());
    }
    for (long t = 0; t < taps; t++) {
      const float *from = frame + i + s.offset[t];
      const Vec factor = all(weight[t]);
      for (int u = 0; u < 4; u++) sum[u] += load(from + u * LANES) * factor;
    }
    for (int u = 0; u < 4; u++) store(outputs + i + u * LANES, sum[u]);
  }
}

template <bool RESIDUAL>
void convolve(const Shape &s, const float *frame, const float *weight, float start, float *outputs) {
  if (s.taps == 9)
    correlate<9, RESIDUAL>(s, frame, weight, start, outputs);
  else
    correlate<0, RESIDUAL>(s, frame, weight, start, outputs);
}

// sums[t] += sum over i of slope[i] * frame[i + offset[t]]; slope is 0 in the columns that are left behind.
void weigh(const Shape &s, const float *frame, const float *slope, double *sums) {
  long t = 0;
  for (; t + 3 <= s.taps; t += 3) {
    Vec a[2] = {}, b[2] = {}, c[2] = {};
    const float *x = frame + s.offset[t], *y = frame + s.offset[t + 1], *z = frame + s.offset[t + 2];
    for (long i = 0; i < s.span; i += 2 * LANES)
      for (int u = 0; u < 2; u++) {
        const long at = i + u * LANES;
        const Vec d = load(slope + at);
        a[u] += d * load(x + at), b[u] += d * load(y + at), c[u] += d * load(z + at);
      }
    sums[t] += total(a[0] + a[1]), sums[t + 1] += total(b[0] + b[1]), sums[t + 2] += total(c[0] + c[1]);
  }
  for (; t < s.taps; t++) {
    Vec a[2] = {};
    const float *x = frame + s.offset[t];
    for (long i = 0; i < s.span; i += 2 * LANES)
      for (int u = 0; u < 2; u++) a[u] += load(slope + i + u * LANES) * load(x + i + u * LANES);
    sums[t] += total(a[0] + a[1]);
  }
}

double whole(const float *values, long size) {
  Vec sum[2] = {};
  for (long i = 0; i < size; i += 2 * LANES)
    for (int u = 0; u < 2; u++) sum[u] += load(values + i + u * LANES);
  return total(sum[0] + sum[1]);
}

template <bool RESIDUAL>
int forward(int count, void **data, int64_t **sizes, const char **types) {
  Shape s;
  if (count != 4 || !floats(count, types) || !s.read(sizes[0], sizes[1])) return 1;
  const float *x = (const float *)data[0], *weight = (const float *)data[1], *bias = (const float *)data[2];
  float *y = (float *)data[3];
  int failed = 0;
  parallel(s.n * s.c, [&](long i) {
    float *frame = (float *)scratch((s.frame + s.span) * sizeof(float));
    if (!frame) {
      failed = 1;
      return;
    }
    float *outputs = frame + s.frame;
    s.put(x + i * s.h * s.w, frame);
    convolve<RESIDUAL>(s, frame, weight + i % s.c * s.taps, bias[i % s.c], outputs);
    s.take(outputs, y + i * s.h * s.w);
  });
  return failed;
}

template <bool RESIDUAL>
int backward(int count, void **data, int64_t **sizes, const char **types) {
  Shape s;
  if (count != 6 || !floats(count, types) || !s.read(sizes[0], sizes[1])) return 1;
  const float *x = (const float *)data[0], *weight = (const float *)data[1], *dy = (const float *)data[2];
  float *dx = (float *)data[3], *dweight = (float *)data[4], *dbias = (float *)data[5];
  int failed = 0;
  parallel(s.c, [&](long c) {
    size_t bytes = (2 * s.frame + s.span + s.taps) * sizeof(float) + (s.taps + 1) * sizeof(double);
    double *sums = (double *)scratch(bytes);
    if (!sums) {
      failed = 1;
      return;
    }
    float *turned = (float *)(sums + s.taps), *frame = turned + s.taps, *slope = frame + s.frame;
    float *outputs = slope + s.frame;
    double sum = 0;
    for (long t = 0; t < s.taps; t++) sums[t] = 0, turned[t] = weight[c * s.taps + s.taps - 1 - t];
    for (long n = 0; n < s.n; n++) {
      const long plane = (n * s.c + c) * s.h * s.w;
      s.put(dy + plane, slope);
      s.put(x + plane, frame);
      convolve<RESIDUAL>(s, slope, turned, 0.0f, outputs);
      s.take(outputs, dx + plane);
      weigh(s, frame, slope + s.centre(), sums);
      sum += whole(slope + s.centre(), s.span);
    }
    for (long t = 0; t < s.taps; t++) dweight[c * s.taps + t] = (float)sums[t];
    dbias[c] = (float)sum;
  });
  return failed;
}
}  // namespace

// x[n, c, h, w], weight[c, 1, kh, kw], bias[c] -> y[n, c, h, w]
KERNEL(depthwise) { return (void)dims, forward<false>(count, data, sizes, types); }
// the same, plus x
KERNEL(depthwise_residual) { return (void)dims, forward<true>(count, data, sizes, types); }

// x, weight, dy -> dx, dweight, dbias
KERNEL(depthwise_gradient) { return (void)dims, backward<false>(count, data, sizes, types); }
KERNEL(depthwise_residual_gradient) { return (void)dims, backward<true>(count, data, sizes, types); }
