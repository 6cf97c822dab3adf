/**
 * The OPEN calls (RFC 9293, 3.9.1.1, 3.10.1): what an application may ask for, checked, and the
 * first step of each. Results below zero are negative errno values.
 */
import { InstallStatus } from "../../bindings/abi/descriptor.ts";
import { ipAddress, isUnspecified, type IpAddress } from "../address.ts";
import { ERRNO } from "../errors.ts";
import { writeOptions } from "./connection-options.ts";
import { ConnectionEvent, ConnectionState } from "./connection-state.ts";
import { chooseSequence, writeEndpoints } from "./handshake.ts";
import { bindRow, unbindRow } from "./install.ts";
import type { ListenRequest, OpenRequest } from "./interface.ts";
import { change, stateOf, type Plane } from "./plane.ts";
import type { Route } from "./route.ts";
import * as R from "./row-table.ts";
import { allocateRow, post } from "./teardown.ts";

function isPort(port: number, lowest: number): boolean {
  return Number.isInteger(port) && port >= lowest && port <= 65535;
}

/** An address of ours, 0 or 0n for any; undefined when it is not ours. */
function localAddress(plane: Plane, bytes: Uint8Array): IpAddress | undefined {
  const address = ipAddress(bytes);
  return isUnspecified(bytes) || plane.routes.isOwn(address) ? address : undefined;
}

/** True when a synchronized connection without SO_REUSEADDR keeps the port (MUST-42 else). */
function isHeld(plane: Plane, address: IpAddress, port: number): boolean {
  const { rows } = plane;
  for (let id = 1; id < rows.count; id += 1) {
    if (!rows.has(id, R.ROW_IS_USED) || rows.get(id, R.ROW_LOCAL_PORT) !== port) continue;
    const isAny = address === 0 || address === 0n;
    if (!isAny && rows.address(id, R.ROW_LOCAL) !== address) continue;
    if (stateOf(plane, id) >= ConnectionState.Established) return true;
  }
  return false;
}

/** A port to listen on that nobody has, or 0. */
function freePort(plane: Plane, address: IpAddress, ipv6Only: boolean): number {
  const { listeners, ports } = plane;
  let port = ports.first(address, typeof address === "number" ? 0 : 0n, 0);
  for (; port !== 0; port = ports.next()) {
    const meets = listeners.conflicts(address, port, false, ipv6Only);
    if (!meets && !isHeld(plane, address, port)) return port;
  }
  return 0;
}

/** Starts listening; the listener's id or -errno. */
export function openPassive(plane: Plane, request: ListenRequest): number {
  const { listeners, limits } = plane;
  const { options, context } = request;
  const address = localAddress(plane, request.local.address);
  if (address === undefined) return -ERRNO.EADDRNOTAVAIL;
  const { reusePort, ipv6Only } = options;
  let { port } = request.local;
  if (!isPort(port, 0)) return -ERRNO.EINVAL;
  if (port === 0) {
    port = freePort(plane, address, ipv6Only);
    if (port === 0) return -ERRNO.EADDRINUSE;
  } else if (listeners.conflicts(address, port, reusePort, ipv6Only)) {
    return -ERRNO.EADDRINUSE;
  } else if (!options.reuseAddress && !reusePort && isHeld(plane, address, port)) {
    return -ERRNO.EADDRINUSE;
  }
  const wanted = Number.isFinite(request.backlog) ? Math.trunc(request.backlog) : limits.backlog;
  const backlog = Math.min(limits.backlog, Math.max(1, wanted));
  return listeners.add(address, ipv6Only, port, backlog, context, { ...options }).id;
}

/** Binds the row to a port of the ephemeral range; 0 or -errno. No closure: see bench connect. */
function bindEphemeral(plane: Plane, id: number, local: IpAddress, remote: IpAddress): number {
  const { rows, listeners, ports } = plane;
  let port = ports.first(local, remote, rows.get(id, R.ROW_REMOTE_PORT));
  for (; port !== 0; port = ports.next()) {
    // RFC 6056, 3.1: never a port that somebody listens on.
    if (listeners.conflicts(local, port, false)) continue;
    rows.set(id, R.ROW_LOCAL_PORT, port);
    const status = bindRow(plane, id);
    if (status !== InstallStatus.Exists) return bindError(status);
  }
  return -ERRNO.EADDRNOTAVAIL;
}

/** 0 or -errno of a bind that did not meet another connection. */
function bindError(status: number): number {
  if (status === InstallStatus.Ok) return 0;
  return status === InstallStatus.Down ? -ERRNO.ENETDOWN : -ERRNO.ENOBUFS;
}

function bindChosen(plane: Plane, id: number, port: number): number {
  plane.rows.set(id, R.ROW_LOCAL_PORT, port);
  const status = bindRow(plane, id);
  return status === InstallStatus.Exists ? -ERRNO.EADDRINUSE : bindError(status);
}

/** Fills and binds a row for an active open; 0 or -errno. */
function prepare(
  plane: Plane,
  id: number,
  request: OpenRequest,
  route: Route,
  source: IpAddress,
  remote: IpAddress,
): number {
  const { rows } = plane;
  writeEndpoints(plane, id, route.via, source, remote);
  rows.set(id, R.ROW_REMOTE_PORT, request.remote.port);
  rows.set(id, R.ROW_CONTEXT, request.context);
  const port = request.local?.port ?? 0;
  return port === 0 ? bindEphemeral(plane, id, source, remote) : bindChosen(plane, id, port);
}

/** Starts an active open; the connection's id or -errno. */
export function openActive(plane: Plane, request: OpenRequest): number {
  const { rows, routes } = plane;
  if (!isPort(request.remote.port, 1)) return -ERRNO.EADDRNOTAVAIL;
  if (!isPort(request.local?.port ?? 0, 0)) return -ERRNO.EINVAL;
  const remote = ipAddress(request.remote.address);
  // RFC 9293 MUST-46.
  if (!routes.isPeer(remote)) return -ERRNO.ENETUNREACH;
  const route = routes.lookup(remote);
  if (route === undefined) return -ERRNO.ENETUNREACH;
  if (!route.via.up) return -ERRNO.ENETDOWN;
  const wanted = request.local?.address;
  const chosen = wanted === undefined ? 0 : localAddress(plane, wanted);
  if (chosen === undefined) return -ERRNO.EADDRNOTAVAIL;
  const source = chosen === 0 || chosen === 0n ? route.source : chosen;
  // A socket that is bound to an address of one family has no way to the other.
  if (typeof source !== typeof remote) return -ERRNO.EAFNOSUPPORT;
  const id = allocateRow(plane);
  if (id === 0) return -ERRNO.ENOBUFS;
  // RFC 9293 MUST-43 to MUST-45: given, or chosen before the first SYN; then fixed.
  const failed = prepare(plane, id, request, route, source, remote);
  if (failed !== 0) {
    rows.release(id);
    return failed;
  }
  if (!writeOptions(plane, id, request.options)) {
    unbindRow(plane, id);
    rows.release(id);
    return -ERRNO.ENOBUFS;
  }
  chooseSequence(plane, id);
  if (plane.profile.ecn) rows.raise(id, R.ROW_HAS_ECN);
  change(plane, id, ConnectionEvent.ActiveOpen);
  post(plane, id, R.OUTBOX_SYN);
  return id;
}
