/*
 * lwIP measured by the method of bench/README.md: two netifs in one process, one thread, a queue
 * of IP packets between them with one copy per packet, one application copy at each end, software
 * checksums generated and verified.
 *
 *   bench bulk <csum 0|1> <copy 0|1> <bytes>        one connection, one direction
 *   bench rpc  <csum 0|1> <copy 0|1> <connections> <round trips>    64 bytes there and back
 *
 * Prints one line of key=value pairs; bench/peers/lwip.ts reads it. One data packet in 65,536 is
 * corrupted on the link and has to be dropped: the received stream is verified by a running sum
 * over each period of the sent pattern (with copy 1), and a difference ends the run with an error.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __wasi__
#include <wasi/api.h>
#endif

#include "lwip/init.h"
#include "lwip/ip4_addr.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"

#define QUEUE 8192
#define CONNECTIONS_MAX 256
#define PORT 80
#define RPC_BYTES 64
#define WARM_BYTES (16u << 20)
#define WARM_TRIPS 50000u
#define SEGMENT (LWIP_TCP_TIMESTAMPS ? 1448u : 1460u)
#define WRITE_MAX 16384u
/* The sent pattern repeats after 44 segments, so that every write is of whole segments. */
#define PERIOD (44u * SEGMENT)
#define CORRUPT_EVERY 65536u
#define CORRUPT_FIRST 4096u /* within the warm-up */
/* lwIP refuses a write when the queue may overflow: leave room for its last segments. */
#define QUEUE_SLACK ((TCP_SND_QUEUELEN) > 200 ? 64 : 8)

struct queued {
  struct pbuf *packet;
  struct netif *to;
};

static struct netif netif_a, netif_b;
static ip4_addr_t address_a, address_b;
static struct queued queue[QUEUE];
static unsigned queue_head, queue_tail;
static uint64_t segments, data_segments, acks, drops, corrupted, link_data;

static unsigned char send_buffer[65536] __attribute__((aligned(16)));
static unsigned char receive_buffer[65536] __attribute__((aligned(16)));
static int copies = 1;
static uint64_t received, sent, target, expected_sum;
static uint64_t trips, trip_target;
static unsigned accepted, connected;

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Processor time of this process: steadier than wall time on a machine that others use too. */
static double processor_seconds(void) {
#ifdef __wasi__
  __wasi_timestamp_t t = 0;
  (void)__wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 1, &t);
  return (double)t * 1e-9;
#else
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
#endif
}

u32_t sys_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (u32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static void fail(const char *what) {
  printf("error=%s\n", what);
  exit(1);
}

/* ---- the link ---- */

static err_t link_output(struct netif *from, struct pbuf *packet, const ip4_addr_t *next_hop) {
  struct pbuf *copy = pbuf_alloc(PBUF_RAW, packet->tot_len, PBUF_POOL);
  (void)next_hop;
  if (copy == NULL || queue_tail - queue_head >= QUEUE) {
    drops++;
    if (copy != NULL) pbuf_free(copy);
    return ERR_MEM;
  }
  if (copy->next != NULL) fail("chained");
  pbuf_copy_partial(packet, copy->payload, packet->tot_len, 0);
  segments++;
  if (packet->tot_len > 60) {
    data_segments++;
    if ((link_data++ & (CORRUPT_EVERY - 1)) == CORRUPT_FIRST && packet->tot_len > 600) {
      ((unsigned char *)copy->payload)[500] ^= 0x10;
      corrupted++;
    }
  } else {
    acks++;
  }
  queue[queue_tail % QUEUE].packet = copy;
  queue[queue_tail % QUEUE].to = from == &netif_a ? &netif_b : &netif_a;
  queue_tail++;
  return ERR_OK;
}

static err_t link_init(struct netif *n) {
  n->output = link_output;
  n->mtu = 1500;
  n->name[0] = 'b';
  n->flags |= NETIF_FLAG_LINK_UP;
  return ERR_OK;
}

/* Delivers at most `limit` packets; the number delivered. */
static int deliver(int limit) {
  int done = 0;
  while (queue_head != queue_tail && done < limit) {
    struct queued q = queue[queue_head++ % QUEUE];
    if (q.to->input(q.packet, q.to) != ERR_OK) pbuf_free(q.packet);
    done++;
  }
  return done;
}

static int pump(void) { return deliver(1 << 30); }

/* ---- bulk ---- */

static void write_more(struct tcp_pcb *pcb) {
  unsigned room;
  while (sent < target && (room = tcp_sndbuf(pcb)) >= SEGMENT &&
         tcp_sndqueuelen(pcb) < TCP_SND_QUEUELEN - QUEUE_SLACK) {
    if (room > WRITE_MAX) room = WRITE_MAX;
    room -= room % SEGMENT; /* whole segments: lwIP does best with them */
    if (room > PERIOD - sent % PERIOD) room = (unsigned)(PERIOD - sent % PERIOD);
    if (room > target - sent) room = (unsigned)(target - sent);
    if (tcp_write(pcb, send_buffer + sent % PERIOD, room, copies ? TCP_WRITE_FLAG_COPY : 0) !=
        ERR_OK) {
      break;
    }
    sent += room;
  }
  tcp_output(pcb);
}

static uint64_t sum_period(const unsigned char *bytes) {
  const uint32_t *words = (const uint32_t *)bytes;
  uint64_t sum = 0;
  unsigned i;
  for (i = 0; i < PERIOD / 4; i++) sum += words[i];
  return sum;
}

/* The application's copy, a period at a time, and the running sum over each full period. */
static void read_all(struct pbuf *p) {
  unsigned taken = 0;
  while (taken < p->tot_len) {
    unsigned at = (unsigned)((received + taken) % PERIOD);
    unsigned n = p->tot_len - taken;
    if (n > PERIOD - at) n = PERIOD - at;
    pbuf_copy_partial(p, receive_buffer + at, (u16_t)n, (u16_t)taken);
    taken += n;
    if (at + n == PERIOD && sum_period(receive_buffer) != expected_sum) fail("payload");
  }
}

static err_t bulk_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
  (void)arg, (void)error;
  if (p == NULL) {
    tcp_close(pcb);
    return ERR_OK;
  }
  if (copies) read_all(p);
  received += p->tot_len;
  tcp_recved(pcb, p->tot_len);
  pbuf_free(p);
  return ERR_OK;
}

static err_t bulk_accept(void *arg, struct tcp_pcb *pcb, err_t error) {
  (void)arg, (void)error;
  accepted++;
  tcp_nagle_disable(pcb);
  tcp_recv(pcb, bulk_receive);
  return ERR_OK;
}

static err_t bulk_sent(void *arg, struct tcp_pcb *pcb, u16_t length) {
  (void)arg, (void)length;
  if (tcp_sndbuf(pcb) >= (WND > 16384 ? 8192 : 1460)) write_more(pcb);
  return ERR_OK;
}

static err_t bulk_connected(void *arg, struct tcp_pcb *pcb, err_t error) {
  (void)arg, (void)error;
  connected++;
  tcp_nagle_disable(pcb);
  return ERR_OK;
}

/* ---- rpc ---- */

static unsigned take(struct tcp_pcb *pcb, struct pbuf *p) {
  unsigned n = p->tot_len;
  pbuf_copy_partial(p, receive_buffer, (u16_t)n, 0);
  tcp_recved(pcb, (u16_t)n);
  pbuf_free(p);
  return n;
}

static void give(struct tcp_pcb *pcb, const void *bytes, unsigned n) {
  tcp_write(pcb, bytes, (u16_t)n, TCP_WRITE_FLAG_COPY);
  tcp_output(pcb);
}

static err_t server_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
  (void)arg, (void)error;
  if (p == NULL) {
    tcp_close(pcb);
    return ERR_OK;
  }
  give(pcb, receive_buffer, take(pcb, p));
  return ERR_OK;
}

static err_t server_accept(void *arg, struct tcp_pcb *pcb, err_t error) {
  (void)arg, (void)error;
  accepted++;
  tcp_nagle_disable(pcb);
  tcp_recv(pcb, server_receive);
  return ERR_OK;
}

static err_t client_receive(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
  (void)arg, (void)error;
  if (p == NULL) {
    tcp_close(pcb);
    return ERR_OK;
  }
  take(pcb, p);
  trips++;
  if (trips < trip_target) give(pcb, send_buffer, RPC_BYTES);
  return ERR_OK;
}

static err_t client_connected(void *arg, struct tcp_pcb *pcb, err_t error) {
  (void)arg, (void)error;
  connected++;
  tcp_nagle_disable(pcb);
  tcp_recv(pcb, client_receive);
  return ERR_OK;
}

/* ---- set-up and the measurements ---- */

static void start_netifs(int checksums) {
  ip4_addr_t mask;
  lwip_init();
  IP4_ADDR(&address_a, 10, 0, 0, 1);
  IP4_ADDR(&address_b, 10, 0, 1, 1);
  IP4_ADDR(&mask, 255, 255, 255, 0);
  netif_add(&netif_a, &address_a, &mask, NULL, NULL, link_init, ip4_input);
  netif_add(&netif_b, &address_b, &mask, NULL, NULL, link_init, ip4_input);
  netif_set_up(&netif_a);
  netif_set_up(&netif_b);
  if (!checksums) {
    NETIF_SET_CHECKSUM_CTRL(&netif_a, 0);
    NETIF_SET_CHECKSUM_CTRL(&netif_b, 0);
  }
}

static void start_server(tcp_accept_fn on_accept) {
  ip_addr_t local = IPADDR4_INIT(address_b.addr);
  struct tcp_pcb *pcb = tcp_new();
  tcp_bind_netif(pcb, &netif_b);
  if (tcp_bind(pcb, &local, PORT) != ERR_OK) fail("bind");
  tcp_accept(tcp_listen_with_backlog(pcb, 255), on_accept);
}

static struct tcp_pcb *start_client(tcp_connected_fn on_connected) {
  ip_addr_t remote = IPADDR4_INIT(address_b.addr);
  struct tcp_pcb *pcb = tcp_new();
  if (pcb == NULL) fail("pcb");
  tcp_bind_netif(pcb, &netif_a);
  tcp_nagle_disable(pcb);
  if (tcp_connect(pcb, &remote, PORT, on_connected) != ERR_OK) fail("connect");
  return pcb;
}

static void transfer(struct tcp_pcb *pcb, uint64_t bytes) {
  unsigned turn = 0;
  target += bytes;
  write_more(pcb);
  while (received < target) {
    if (!pump()) {
      sys_check_timeouts();
      write_more(pcb);
    }
    if (!(++turn & 63)) sys_check_timeouts();
  }
}

static void bulk(uint64_t bytes) {
  struct tcp_pcb *pcb;
  double start, elapsed, processor;
  start_server(bulk_accept);
  pcb = start_client(bulk_connected);
  tcp_sent(pcb, bulk_sent);
  while (!connected || !accepted) pump();
  transfer(pcb, WARM_BYTES);
  segments = data_segments = acks = 0;
  processor = processor_seconds();
  start = seconds();
  transfer(pcb, bytes);
  elapsed = seconds() - start;
  processor = processor_seconds() - processor;
  printf("test=bulk wnd=%d ts=%d bytes=%llu seconds=%.9f processor=%.9f segments=%llu data=%llu "
         "acks=%llu drops=%llu corrupted=%llu\n",
         (int)WND, TS, (unsigned long long)bytes, elapsed, processor,
         (unsigned long long)segments,
         (unsigned long long)data_segments, (unsigned long long)acks, (unsigned long long)drops,
         (unsigned long long)corrupted);
}

static void exchange(struct tcp_pcb **pcbs, int connections, uint64_t count) {
  int i;
  trip_target = trips + count;
  for (i = 0; i < connections; i++) give(pcbs[i], send_buffer, RPC_BYTES);
  while (trips < trip_target) {
    deliver(256);
    sys_check_timeouts();
  }
  /* The other connections' last answers. */
  while (queue_head != queue_tail) pump();
}

static void rpc(int connections, uint64_t count) {
  struct tcp_pcb *pcbs[CONNECTIONS_MAX];
  double start, elapsed, processor;
  uint64_t before;
  int i;
  if (connections < 1 || connections > CONNECTIONS_MAX) fail("connections");
  start_server(server_accept);
  for (i = 0; i < connections; i++) {
    pcbs[i] = start_client(client_connected);
    pump();
  }
  while (connected < (unsigned)connections) pump();
  exchange(pcbs, connections, WARM_TRIPS);
  segments = data_segments = acks = 0;
  before = trips;
  processor = processor_seconds();
  start = seconds();
  exchange(pcbs, connections, count);
  elapsed = seconds() - start;
  processor = processor_seconds() - processor;
  printf("test=rpc wnd=%d ts=%d connections=%d trips=%llu seconds=%.9f processor=%.9f "
         "segments=%llu data=%llu acks=%llu drops=%llu\n",
         (int)WND, TS, connections, (unsigned long long)(trips - before), elapsed,
         processor, (unsigned long long)segments, (unsigned long long)data_segments,
         (unsigned long long)acks, (unsigned long long)drops);
}

int main(int argc, char **argv) {
  const char *test = argc > 1 ? argv[1] : "bulk";
  int checksums = argc > 2 ? atoi(argv[2]) : 1;
  uint64_t size = argc > 4 ? strtoull(argv[4], 0, 10) : 0;
  uint64_t count = argc > 5 ? strtoull(argv[5], 0, 10) : 0;
  unsigned i;
  copies = argc > 3 ? atoi(argv[3]) : 1;
  for (i = 0; i < sizeof send_buffer; i++) send_buffer[i] = (unsigned char)(i * 7 + (i >> 8));
  expected_sum = sum_period(send_buffer);
  start_netifs(checksums);
  if (strcmp(test, "bulk") == 0) {
    bulk(size ? size : 1ull << 28);
  } else if (strcmp(test, "rpc") == 0) {
    rpc(size ? (int)size : 1, count ? count : 200000);
  } else {
    fail("test");
  }
  return 0;
}
