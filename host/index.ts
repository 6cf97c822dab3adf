/**
 * toeloop: TCP through the FlexTOE data path, embedded. The public API of the package.
 *
 * ```ts
 * import { Stack, World } from "toeloop";
 * import { platform } from "toeloop/node";
 * ```
 */
export { address, formatAddress, parseAddress } from "./address.ts";
export { ERRNO, errnoName, SocketError } from "./errors.ts";
export type { ConnectionInfo, ConnectionOptions, Endpoint } from "./control-plane/interface.ts";
export type { AddressState } from "./control-plane/interface-changes.ts";
export type { Ipv6Options, RouteConfig } from "./control-plane/route.ts";
export {
  type Profile,
  type ProfileName,
  profile as profileNamed,
} from "./control-plane/profile.ts";
export { Driver } from "./driver.ts";
export * from "./libtoe/constants.ts";
export { Connection, type CloseOptions, Listener } from "./libtoe/web-streams.ts";
export type { ConnectOptions, ListenOptions } from "./libtoe/web-streams.ts";
export { LibToe } from "./libtoe/libtoe.ts";
export type { SocketAddress } from "./libtoe/calls.ts";
export { CAPTURE_FRAME_BYTES_MAX, CaptureError } from "./netif/capture-reader.ts";
export type { CaptureFrame, CaptureInterface } from "./netif/capture-reader.ts";
export { captureFrames, CaptureReader } from "./netif/capture-reader.ts";
export { directLink } from "./netif/direct-link.ts";
export type { FaultOptions } from "./netif/fault-injector.ts";
export { createLink, type Link, type LinkOptions } from "./netif/link.ts";
export { Burst, type Medium, type Netif } from "./netif/netif.ts";
export { PcapngWriter, type SnapMode } from "./netif/pcapng.ts";
export { printableText } from "./netif/printable-text.ts";
export { ReassemblerNetif, type ReassemblerOptions } from "./netif/reassembler.ts";
export type { ReassemblyCounters } from "./netif/reassembler.ts";
export { Switch } from "./netif/switch.ts";
export { captureLinks, TracerNetif } from "./netif/tracer.ts";
export { Access, AddressSpace, type Fault, type PoolOptions } from "./pcie/address-space.ts";
export { HUGEPAGE_1G, HUGEPAGE_2M } from "./pcie/address-space.ts";
export { contextQueuePairs } from "./pcie/context-queue-pairs.ts";
export { DmaEngine, DmaKind, DmaRefusal, type OnComplete } from "./pcie/dma-engine.ts";
export { type Credits, type DmaOptions, DmaQueue } from "./pcie/dma-options.ts";
export { type DmaQueueOptions, FLEXTOE_QUEUES, Priority } from "./pcie/dma-options.ts";
export { CountedInterconnect, type Interconnect } from "./pcie/interconnect.ts";
export type { InterconnectCounters, InterconnectDescription } from "./pcie/interconnect.ts";
export type { Operation, Step } from "./pcie/interconnect.ts";
export { type Latencies, LinkTiming } from "./pcie/link-timing.ts";
export { Mmio, type MmioOptions } from "./pcie/mmio.ts";
export { EventLatch, MsixTable } from "./pcie/msix.ts";
export { Direction, Pcie, type PcieOptions, Tlp, TlpCounters } from "./pcie/tlp.ts";
export { Prng } from "./prng.ts";
export { Stack } from "./stack.ts";
export type { StackNetif, StackOptions } from "./stack-options.ts";
export { type Host, World, type WorldOptions } from "./world.ts";
export { type Core, CoreGroup, type CoreSource } from "../bindings/core.ts";
export type { LayoutOptions } from "../bindings/layout.ts";
