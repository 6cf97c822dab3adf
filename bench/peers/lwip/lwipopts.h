/*
 * Options of the measured lwIP: raw API, IPv4 and TCP only, no OS. -DWND sets window and send
 * buffer (65535: 64 KiB without window scaling), -DTS=1 turns timestamps on. What the comparison
 * rests on (README): MSS 1460, an ACK for every second segment, software checksums.
 */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H
#ifndef WND
#define WND 65535
#endif
#ifndef TS
#define TS 0
#endif

/* No operating system, one thread. */
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_NETIF_API 0

/* IPv4 and TCP over two netifs that exchange IP packets. */
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 0
#define LWIP_ETHERNET 0
#define LWIP_RAW 0
#define LWIP_UDP 0
#define LWIP_ICMP 1
#define LWIP_STATS 0
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_HAVE_LOOPIF 0
#define LWIP_SINGLE_NETIF 0
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHECKSUM_ON_COPY 0

/* Memory: large pools, so that no run is limited by them. */
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 0
#define MEM_SIZE (16 * 1024 * 1024)
#define MEM_ALIGNMENT 8
#define PBUF_POOL_SIZE 2048
#define PBUF_POOL_BUFSIZE 1536
#define MEMP_NUM_PBUF 8192
#define MEMP_NUM_TCP_SEG 8192
#define MEMP_NUM_TCP_PCB 512
#define MEMP_NUM_TCP_PCB_LISTEN 8

/* TCP. */
#define TCP_MSS 1460
#define TCP_WND WND
#if WND > 65535
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3
#endif
#define TCP_SND_BUF WND
#define TCP_SND_QUEUELEN (4 * ((TCP_SND_BUF) / (TCP_MSS)) + 16)
#define TCP_SNDLOWAT ((TCP_SND_BUF) > 100000 ? 32768 : ((TCP_SND_BUF) / 4))
#define LWIP_TCP_TIMESTAMPS TS
#define TCP_QUEUE_OOSEQ 1
#define TCP_LISTEN_BACKLOG 0

#define LWIP_NOASSERT
#endif
