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
export type { Profile, ProfileName } from "./control-plane/profile.ts";
export { Driver } from "./driver.ts";
export * from "./libtoe/constants.ts";
export { Connection, type CloseOptions, Listener } from "./libtoe/web-streams.ts";
export type { ConnectOptions, ListenOptions } from "./libtoe/web-streams.ts";
export { LibToe } from "./libtoe/libtoe.ts";
export type { SocketAddress } from "./libtoe/calls.ts";
export { directLink } from "./netif/direct-link.ts";
export type { FaultOptions } from "./netif/fault-injector.ts";
export { createLink, type Link, type LinkOptions } from "./netif/link.ts";
export { Burst, type Medium, type Netif } from "./netif/netif.ts";
export { PcapngWriter, type SnapMode } from "./netif/pcapng.ts";
export { Switch } from "./netif/switch.ts";
export { captureLinks, TracerNetif } from "./netif/tracer.ts";
export { Prng } from "./prng.ts";
export { Stack, type StackNetif, type StackOptions } from "./stack.ts";
export { type Host, World, type WorldOptions } from "./world.ts";
export { type Core, CoreGroup } from "../bindings/core.ts";
export type { LayoutOptions } from "../bindings/layout.ts";
