/* lwIP's view of the compiler: the C library supplies everything (lwip/arch.h lists the macros). */
#ifndef CC_H
#define CC_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#define LWIP_PLATFORM_DIAG(x) \
  do {                        \
    printf x;                 \
  } while (0)
#define LWIP_PLATFORM_ASSERT(x)                           \
  do {                                                    \
    printf("ASSERT %s %d: %s\n", __FILE__, __LINE__, x);  \
    abort();                                              \
  } while (0)
#define LWIP_RAND() ((u32_t)rand())
#define LWIP_NO_INTTYPES_H 0
#define LWIP_TIMEVAL_PRIVATE 0
#endif
