// What every kernel uses: vectors, a pool of threads, scratch memory and the arguments MindSpore hands over.
//
// A kernel is a C function of the form that `ops.Custom(func_type="aot")` calls: `data[0 … count)` are the inputs, then
// the outputs, all float32 and contiguous; `sizes[i][0 … dims[i])` is the shape of each. It gives 0, or 1 for arguments
// it cannot serve. No part of the C++ runtime library is needed, so any compiler's result loads into any process.
#pragma once

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define KERNEL(name)                                                                                          \
  extern "C" __attribute__((visibility("default"))) int name(int count, void **data, int *dims, int64_t **sizes, \
                                                             const char **types, void *, void *)

// Before a loop whose steps do not read what others write: an output may share its memory with an input.
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16;
#else
constexpr int LANES = 8;
#endif
typedef float Vec __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline Vec load(const float *p) { return *reinterpret_cast<const Vec *>(p); }
static inline void store(float *p, Vec v) { *reinterpret_cast<Vec *>(p) = v; }
static inline Vec all(float x) { return Vec{} + x; }
static inline float total(Vec v) {
  float sum = 0;
  for (int i = 0; i < LANES; i++) sum += v[i];
  return sum;
}

inline bool floats(int count, const char **types) {
  for (int i = 0; i < count; i++)
    if (strcmp(types[i], "float32")) return false;
  return true;
}

inline long elements(int dims, const int64_t *sizes) {
  long product = 1;
  for (int i = 0; i < dims; i++) product *= sizes[i];
  return product;
}

// A calling thread's own memory of at least `bytes`, the same at every call; null where there is none.
void *scratch(size_t bytes);

// Calls work(context, i) once for each i in [0, items), on the pool's threads and this one, in any order.
//
// What an item computes must not depend on the thread: then results do not depend on how many there are. Where the
// pool is busy with another call, this thread does all items itself.
void in_parallel(long items, void (*work)(void *context, long item), void *context);

template <typename Work>
inline void parallel(long items, Work &&work) {
  in_parallel(items, [](void *context, long item) { (*static_cast<Work *>(context))(item); }, (void *)&work);
}
