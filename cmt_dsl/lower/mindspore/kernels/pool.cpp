// Threads that sleep between kernels. OpenMP's would spin beside those of MindSpore, and each of MindSpore's threads
// that calls a kernel would get a team of its own.
#include <sched.h>
#include <unistd.h>

#include "common.h"

namespace {
constexpr int MOST = 64;

pthread_mutex_t in_use = PTHREAD_MUTEX_INITIALIZER;  // held by the one caller that has the pool
pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;   // of what follows
pthread_cond_t wake = PTHREAD_COND_INITIALIZER, rest = PTHREAD_COND_INITIALIZER;
int helpers = 0, wanted = 0, invited = 0, working = 0;
unsigned long round = 0;
pid_t owner = 0;

void (*job)(void *, long);
void *job_context;
long job_items;
long next_item;

void take_items() {
  for (;;) {
    long item = __atomic_fetch_add(&next_item, 1, __ATOMIC_RELAXED);
    if (item >= job_items) return;
    job(job_context, item);
  }
}

void *help(void *) {
  unsigned long seen = 0;
  pthread_mutex_lock(&guard);
  for (;;) {
    while (round == seen || invited == 0) {
      seen = round;
      pthread_cond_wait(&wake, &guard);
    }
    seen = round;
    invited--;
    working++;
    pthread_mutex_unlock(&guard);
    take_items();
    pthread_mutex_lock(&guard);
    if (--working == 0) pthread_cond_signal(&rest);
  }
  return nullptr;
}

int processors() {
  const char *limit = getenv("OMP_NUM_THREADS");
  cpu_set_t mask;
  int found = sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 1;
  int asked = limit ? atoi(limit) : 0;
  if (asked > 0 && asked < found) found = asked;
  return found < MOST ? found : MOST;
}

void hire() {  // with `guard` held
  while (helpers < wanted - 1) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, help, nullptr)) break;  // fewer will do
    pthread_detach(thread);
    helpers++;
  }
}
}  // namespace

// For tests: how many threads share the work from now on.
extern "C" __attribute__((visibility("default"))) void cmt_use_threads(int count) { wanted = count < MOST ? count : MOST; }

void in_parallel(long items, void (*work)(void *, long), void *context) {
  if (items < 2 || wanted == 1 || pthread_mutex_trylock(&in_use)) {
    for (long i = 0; i < items; i++) work(context, i);
    return;
  }
  if (owner == 0) owner = getpid();
  if (wanted == 0) wanted = processors();
  if (wanted < 2 || owner != getpid()) {  // a forked child has the variables, but not the threads
    for (long i = 0; i < items; i++) work(context, i);
    pthread_mutex_unlock(&in_use);
    return;
  }
  pthread_mutex_lock(&guard);
  hire();
  job = work, job_context = context, job_items = items;
  __atomic_store_n(&next_item, 0, __ATOMIC_RELAXED);
  int others = wanted - 1 < helpers ? wanted - 1 : helpers;
  invited = others < items - 1 ? others : int(items - 1);
  round++;
  pthread_cond_broadcast(&wake);
  pthread_mutex_unlock(&guard);
  take_items();
  pthread_mutex_lock(&guard);
  invited = 0;  // who has not come by now need not
  while (working) pthread_cond_wait(&rest, &guard);
  pthread_mutex_unlock(&guard);
  pthread_mutex_unlock(&in_use);
}

void *scratch(size_t bytes) {
  static thread_local void *memory = nullptr;
  static thread_local size_t size = 0;
  if (bytes > size) {
    free(memory);
    memory = nullptr;
    size = posix_memalign(&memory, 64, bytes) ? 0 : bytes;
  }
  return size >= bytes ? memory : nullptr;
}
