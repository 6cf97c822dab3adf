/**
 * The live target natively: the release core and its harness (assembly/fuzz.ts) as C by wasm2c,
 * over the memory that LiveWorld prepared, driven by libFuzzer. An input is the same bytes as in
 * `npm run fuzz -- live`, so that what is found here repeats there. world.h has the addresses.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core.h"
#include "fuzz.h"
#include "world.h"

static wasm_rt_memory_t memory;
static w2c_core core;
static w2c_fuzz harness;

void wasm_rt_trap(wasm_rt_trap_t trap) {
  fprintf(stderr, "trapped: %d\n", (int)trap);
  abort();
}

wasm_rt_memory_t* w2c_env_memory(struct w2c_env* env) {
  (void)env;
  return &memory;
}

/* Calls of the harness go to the core. */
#define CALL(result, name, parameters, ...)                                          \
  result w2c_core0x2Dimports_##name parameters {                                     \
    (void)self;                                                                      \
    return w2c_core_##name(&core, __VA_ARGS__);                                      \
  }
#define SELF struct w2c_core0x2Dimports *self, u32 a

CALL(u32, turn, (SELF, f64 b), a, b)
CALL(u32, take, (SELF), a)
CALL(u32, nextReady, (SELF), a)
CALL(u32, put, (SELF, u32 b, u32 c), a, b, c)
CALL(u32, append, (SELF, u32 b, u32 c, u32 d), a, b, c, d)
CALL(u32, consume, (SELF, u32 b, u32 c), a, b, c)
CALL(u32, transmit, (SELF, u32 b, u32 c, u32 d), a, b, c, d)
CALL(u32, receive, (SELF, u32 b, u32 c, u32 d), a, b, c, d)
CALL(u32, spare, (SELF, u32 b), a, b)
CALL(void, forget, (SELF, u32 b), a, b)
CALL(void, release, (SELF, u32 b), a, b)
CALL(u32, bind, (SELF), a)
CALL(u32, reserve, (SELF, u32 b, u32 c), a, b, c)
CALL(u32, install, (SELF), a)
CALL(void, uninstall, (SELF, u32 b), a, b)
CALL(void, unbind, (SELF, u32 b), a, b)
CALL(u32, lookup, (SELF), a)
CALL(u32, inspect, (SELF, u32 b), a, b)
CALL(u32, quotes, (SELF, u32 b, u32 c), a, b, c)
CALL(void, armTimer, (SELF, u32 b, f64 c), a, b, c)
CALL(void, cancelTimer, (SELF, u32 b), a, b)
CALL(f64, nextDeadline, (SELF), a)

static void load(void) {
  FILE* file = fopen(WORLD_FILE, "rb");
  memory.size = WORLD_BYTES;
  memory.pages = memory.max_pages = WORLD_BYTES / 65536;
  memory.data = malloc(WORLD_BYTES);
  if (file == NULL || memory.data == NULL ||
      fread(memory.data, 1, WORLD_BYTES, file) != WORLD_BYTES) {
    fprintf(stderr, "fuzz: expected %d bytes in %s\n", WORLD_BYTES, WORLD_FILE);
    exit(2);
  }
  fclose(file);
  wasm2c_core_instantiate(&core, NULL);
  wasm2c_fuzz_instantiate(&harness, NULL, NULL);
}

int LLVMFuzzerInitialize(int* count, char*** words) {
  (void)count;
  (void)words;
  load();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t* input, size_t length) {
  if (length == 0 || length > INPUT_MAX) return 0;
  uint32_t image = IMAGES + (input[0] & STATE_MASK) % STATES * IMAGE_BYTES;
  w2c_fuzz_restore(&harness, WORLD, image);
  memcpy(memory.data + INPUT, input, length);
  uint32_t fault = w2c_fuzz_runCase(&harness, WORLD, INPUT, (uint32_t)length);
  if (fault == 0) return 0;
  uint32_t detail[3];
  memcpy(detail, memory.data + WORLD + DETAIL, sizeof detail);
  fprintf(stderr, "fault %u: %u, %u, %u\n", fault, detail[0], detail[1], detail[2]);
  abort();
}
