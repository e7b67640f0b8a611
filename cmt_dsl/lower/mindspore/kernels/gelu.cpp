// GELU and its gradient, elementwise, of x alone: nothing but the input is kept for the backward pass.
#include "common.h"

namespace {
constexpr long BLOCK = 8192;

// e^x within 2 ulp for x <= 88; 0 below -87.3; NaN stays.
inline float exponential(float x) {
  float bounded = x < -87.3f ? -87.3f : x;
  float shifted = bounded * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: the integer lands in the low bits
  float n = shifted - 12582912.0f;
  float r = bounded - n * 0.693359375f - n * -2.12194440e-4f;
  float p = 1.38779043e-3f;
  p = p * r + 8.36801668e-3f;
  p = p * r + 4.16696360e-2f;
  p = p * r + 1.66665033e-1f;
  p = p * r + 4.99999881e-1f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  uint32_t bits;
  memcpy(&bits, &shifted, 4);
  bits = (bits - 0x4b400000u + 127u) << 23;
  float scale;
  memcpy(&scale, &bits, 4);
  float y = p * scale;
  return x < -87.3f ? 0.0f : y;
}

// 1 / (1 + e^-t): exactly 0 far below, as the reference's 1 + erf is.
inline float sigmoid(float t) {
  float bounded = t < -88.0f ? -88.0f : t;
  float y = 1.0f / (1.0f + exponential(-bounded));
  return t < -88.0f ? 0.0f : y;
}

// logit(Phi(x)) = x * P(x * x), P the degree-6 minimax fit; the error of x * Phi(x) is below 1e-7 in exact arithmetic.
inline float phi(float x, float u) {
  float p = 3.73892275e-09f * u - 2.72704990e-07f;
  p = p * u + 8.03499955e-06f;
  p = p * u - 1.11219769e-04f;
  p = p * u - 6.36007574e-05f;
  p = p * u + 7.26644678e-02f;
  p = p * u + 1.59577042f;
  return sigmoid(x * p);
}

struct Erf {
  static inline float value(float x) { return x * phi(x, x * x); }
  static inline float slope(float x) {
    float u = x * x;
    return phi(x, u) + x * (0.3989422804f * exponential(u * -0.5f));
  }
};

struct Tanh {  // x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))
  static inline float value(float x) { return x * sigmoid(x * (0.0713548163f * (x * x) + 1.5957691216f)); }
  static inline float slope(float x) {
    float u = x * x > 1e30f ? 1e30f : x * x;  // where y - y * s is 0, times infinity it would be no number
    float s = sigmoid(x * (0.0713548163f * u + 1.5957691216f));
    float y = x * s;
    return s + (y - y * s) * (0.2140644488f * u + 1.5957691216f);
  }
};

template <typename Form>
int forward(int count, void **data, int *dims, int64_t **sizes, const char **types) {
  if (count != 2 || !floats(count, types)) return 1;
  const float *x = (const float *)data[0];
  float *y = (float *)data[1];
  long size = elements(dims[0], sizes[0]);
  parallel((size + BLOCK - 1) / BLOCK, [=](long block) {
    long end = (block + 1) * BLOCK < size ? (block + 1) * BLOCK : size;
    INDEPENDENT
    for (long i = block * BLOCK; i < end; i++) y[i] = Form::value(x[i]);
  });
  return 0;
}

template <typename Form>
int backward(int count, void **data, int *dims, int64_t **sizes, const char **types) {
  if (count != 3 || !floats(count, types)) return 1;
  const float *x = (const float *)data[0], *dy = (const float *)data[1];
  float *dx = (float *)data[2];
  long size = elements(dims[0], sizes[0]);
  parallel((size + BLOCK - 1) / BLOCK, [=](long block) {
    long end = (block + 1) * BLOCK < size ? (block + 1) * BLOCK : size;
    INDEPENDENT
    for (long i = block * BLOCK; i < end; i++) dx[i] = dy[i] * Form::slope(x[i]);
  });
  return 0;
}
}  // namespace

// x -> y
KERNEL(gelu_erf) { return forward<Erf>(count, data, dims, sizes, types); }
KERNEL(gelu_tanh) { return forward<Tanh>(count, data, dims, sizes, types); }

// x, dy -> dx
KERNEL(gelu_erf_gradient) { return backward<Erf>(count, data, dims, sizes, types); }
KERNEL(gelu_tanh_gradient) { return backward<Tanh>(count, data, dims, sizes, types); }
