// LayerNorm over the channels of a map, and its gradients, of x alone: the statistics are computed again.
//
// A block of COLUMNS positions and all their channels stays in the cache, so passes over it cost little.
#include <math.h>

#include "common.h"

namespace {
constexpr int PARTS = 4;
constexpr int COLUMNS = PARTS * LANES;
constexpr int TOGETHER = 8;  // blocks that share their partial sums

struct Map {
  long n, c, size, groups;
  float eps;
};

struct Statistics {
  Vec mean[PARTS], inverse[PARTS];
};

Statistics measure(const float *x, long stride, long c, float eps) {
  Statistics s;
  Vec sum[PARTS] = {}, squares[PARTS] = {};
  for (long k = 0; k < c; k++)
    for (int u = 0; u < PARTS; u++) sum[u] += load(x + k * stride + u * LANES);
  for (int u = 0; u < PARTS; u++) s.mean[u] = sum[u] / (float)c;
  for (long k = 0; k < c; k++)
    for (int u = 0; u < PARTS; u++) {
      const Vec d = load(x + k * stride + u * LANES) - s.mean[u];
      squares[u] += d * d;
    }
  for (int u = 0; u < PARTS; u++)
    for (int i = 0; i < LANES; i++) s.inverse[u][i] = 1.0f / sqrtf(squares[u][i] / (float)c + eps);
  return s;
}

void normalise(const float *x, const float *gamma, const float *beta, long c, float eps, long stride, float *y,
               long ystride) {
  const Statistics s = measure(x, stride, c, eps);
  for (long k = 0; k < c; k++)
    for (int u = 0; u < PARTS; u++)
      store(y + k * ystride + u * LANES,
            (load(x + k * stride + u * LANES) - s.mean[u]) * s.inverse[u] * gamma[k] + beta[k]);
}

// dx = inverse * (gamma dy - mean(gamma dy) - xhat * mean(gamma dy xhat)); sums of dy xhat and of dy by channel.
void descend(const float *x, const float *dy, const float *gamma, long c, float eps, long stride, float *dx,
             long dstride, Vec *dgamma, Vec *dbeta) {
  const Statistics s = measure(x, stride, c, eps);
  Vec a[PARTS] = {}, b[PARTS] = {};
  for (long k = 0; k < c; k++) {
    Vec along = {}, plain = {};
    for (int u = 0; u < PARTS; u++) {
      const Vec d = load(dy + k * stride + u * LANES);
      const Vec t = d * ((load(x + k * stride + u * LANES) - s.mean[u]) * s.inverse[u]);
      a[u] += d * gamma[k], b[u] += t * gamma[k];
      along += t, plain += d;
    }
    dgamma[k] += along, dbeta[k] += plain;
  }
  for (int u = 0; u < PARTS; u++) a[u] /= (float)c, b[u] /= (float)c;
  for (long k = 0; k < c; k++)
    for (int u = 0; u < PARTS; u++) {
      const Vec hat = (load(x + k * stride + u * LANES) - s.mean[u]) * s.inverse[u];
      store(dx + k * dstride + u * LANES,
            s.inverse[u] * (load(dy + k * stride + u * LANES) * gamma[k] - a[u] - hat * b[u]));
    }
}

// The last positions of an image, with zeros behind them, and back.
void gather(const float *x, long c, long size, long columns, float *block) {
  memset(block, 0, c * COLUMNS * sizeof(float));
  for (long k = 0; k < c; k++) memcpy(block + k * COLUMNS, x + k * size, columns * sizeof(float));
}
void scatter(const float *block, long c, long size, long columns, float *x) {
  for (long k = 0; k < c; k++) memcpy(x + k * size, block + k * COLUMNS, columns * sizeof(float));
}

bool read(Map *m, const int *dims, int64_t **sizes, const float *eps) {
  if (dims[0] != 3 || elements(dims[1], sizes[1]) != sizes[0][1]) return false;
  m->n = sizes[0][0], m->c = sizes[0][1], m->size = sizes[0][2], m->eps = *eps;
  m->groups = (m->size + COLUMNS * TOGETHER - 1) / (COLUMNS * TOGETHER);
  return true;
}
}  // namespace

// x[n, c, l], gamma[c], beta[c], eps[1] -> y[n, c, l]
KERNEL(channel_norm) {
  Map m;
  if (count != 5 || !floats(count, types) || !read(&m, dims, sizes, (const float *)data[3])) return 1;
  const float *x = (const float *)data[0], *gamma = (const float *)data[1], *beta = (const float *)data[2];
  float *y = (float *)data[4];
  const long blocks = (m.size + COLUMNS - 1) / COLUMNS;
  int failed = 0;
  parallel(m.n * blocks, [&](long i) {
    const long at = i % blocks * COLUMNS, first = i / blocks * m.c * m.size + at, columns = m.size - at;
    if (columns >= COLUMNS) return normalise(x + first, gamma, beta, m.c, m.eps, m.size, y + first, m.size);
    float *block = (float *)scratch(m.c * COLUMNS * sizeof(float));
    if (!block) {
      failed = 1;
      return;
    }
    gather(x + first, m.c, m.size, columns, block);
    normalise(block, gamma, beta, m.c, m.eps, COLUMNS, block, COLUMNS);
    scatter(block, m.c, m.size, columns, y + first);
  });
  return failed;
}

// x, gamma, eps, dy -> dx, dgamma[c], dbeta[c]
KERNEL(channel_norm_gradient) {
  Map m;
  if (count != 7 || !floats(count, types) || !read(&m, dims, sizes, (const float *)data[2])) return 1;
  const float *x = (const float *)data[0], *gamma = (const float *)data[1], *dy = (const float *)data[3];
  float *dx = (float *)data[4], *dgamma = (float *)data[5], *dbeta = (float *)data[6];
  const long items = m.n * m.groups;
  float *partial = (float *)malloc((items * 2 * m.c + 1) * sizeof(float));
  if (!partial) return 1;
  int failed = 0;
  parallel(items, [&](long i) {
    Vec *sums = (Vec *)scratch(2 * m.c * sizeof(Vec) + 2 * m.c * COLUMNS * sizeof(float));
    if (!sums) {
      failed = 1;
      return;
    }
    float *block = (float *)(sums + 2 * m.c), *slope = block + m.c * COLUMNS;
    for (long k = 0; k < 2 * m.c; k++) sums[k] = Vec{};
    for (int b = 0; b < TOGETHER; b++) {
      const long at = (i % m.groups * TOGETHER + b) * COLUMNS, columns = m.size - at;
      const long first = i / m.groups * m.c * m.size + at;
      if (columns <= 0) break;
      if (columns >= COLUMNS) {
        descend(x + first, dy + first, gamma, m.c, m.eps, m.size, dx + first, m.size, sums, sums + m.c);
        continue;
      }
      gather(x + first, m.c, m.size, columns, block);
      gather(dy + first, m.c, m.size, columns, slope);
      descend(block, slope, gamma, m.c, m.eps, COLUMNS, block, COLUMNS, sums, sums + m.c);
      scatter(block, m.c, m.size, columns, dx + first);
    }
    for (long k = 0; k < 2 * m.c; k++) partial[i * 2 * m.c + k] = total(sums[k]);
  });
  for (long k = 0; k < 2 * m.c; k++) {
    double sum = 0;
    for (long i = 0; i < items; i++) sum += partial[i * 2 * m.c + k];
    (k < m.c ? dgamma[k] : dbeta[k - m.c]) = (float)sum;
  }
  free(partial);
  return failed;
}
