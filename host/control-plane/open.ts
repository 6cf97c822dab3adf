/**
 * The OPEN calls (RFC 9293, 3.9.1.1, 3.10.1): what an application may ask for, checked, and the
 * first step of each. Results below zero are negative errno values.
 */
import { InstallStatus } from "../../bindings/abi/descriptor.ts";
import { ipv4Number, isIpv4, isUnspecified } from "../address.ts";
import { ERRNO } from "../errors.ts";
import { writeOptions } from "./connection-options.ts";
import { ConnectionEvent, ConnectionState } from "./connection-state.ts";
import { chooseSequence, writeEndpoints } from "./handshake.ts";
import { bindRow } from "./install.ts";
import type { ListenRequest, OpenRequest } from "./interface.ts";
import { change, stateOf, type Plane } from "./plane.ts";
import type { Route } from "./route.ts";
import * as R from "./row-table.ts";
import { allocateRow, post } from "./teardown.ts";

function isPort(port: number, lowest: number): boolean {
  return Number.isInteger(port) && port >= lowest && port <= 65535;
}

/** The IPv4 number of an address of ours, 0 for any, or -errno. */
function localAddress(plane: Plane, bytes: Uint8Array): number {
  if (isUnspecified(bytes)) return 0;
  if (!isIpv4(bytes)) return -ERRNO.EAFNOSUPPORT;
  const address = ipv4Number(bytes);
  return plane.routes.isOwn(address) ? address : -ERRNO.EADDRNOTAVAIL;
}

/** True when a synchronized connection without SO_REUSEADDR keeps the port (MUST-42 else). */
function isHeld(plane: Plane, address: number, port: number): boolean {
  const { rows } = plane;
  for (let id = 1; id < rows.count; id += 1) {
    if (!rows.has(id, R.ROW_IS_USED) || rows.get(id, R.ROW_LOCAL_PORT) !== port) continue;
    if (address !== 0 && rows.get(id, R.ROW_LOCAL_IPV4) !== address) continue;
    if (stateOf(plane, id) >= ConnectionState.Established) return true;
  }
  return false;
}

/** Starts listening; the listener's id or -errno. */
export function openPassive(plane: Plane, request: ListenRequest): number {
  const { listeners, limits } = plane;
  const { options, context } = request;
  const address = localAddress(plane, request.local.address);
  if (address < 0) return address;
  let { port } = request.local;
  if (!isPort(port, 0)) return -ERRNO.EINVAL;
  if (port === 0) {
    port = plane.ports.choose(address, 0, 0, (candidate) => {
      return listeners.conflicts(address, candidate, false) || isHeld(plane, address, candidate);
    });
    if (port === 0) return -ERRNO.EADDRINUSE;
  } else if (listeners.conflicts(address, port, options.reusePort)) {
    return -ERRNO.EADDRINUSE;
  } else if (!options.reuseAddress && !options.reusePort && isHeld(plane, address, port)) {
    return -ERRNO.EADDRINUSE;
  }
  const wanted = Number.isFinite(request.backlog) ? Math.trunc(request.backlog) : limits.backlog;
  const backlog = Math.min(limits.backlog, Math.max(1, wanted));
  return listeners.add(address, port, backlog, context, { ...options }).id;
}

/** Binds the row to a port of the ephemeral range; 0 or -errno. */
function bindEphemeral(plane: Plane, id: number, local: number, remote: number): number {
  const { rows, listeners } = plane;
  let status: number = InstallStatus.Exists;
  const taken = (port: number): boolean => {
    // RFC 6056, 3.1: never a port that somebody listens on.
    if (listeners.conflicts(local, port, false)) return true;
    rows.set(id, R.ROW_LOCAL_PORT, port);
    status = bindRow(plane, id);
    return status === InstallStatus.Exists;
  };
  const port = plane.ports.choose(local, remote, rows.get(id, R.ROW_REMOTE_PORT), taken);
  if (port === 0) return -ERRNO.EADDRNOTAVAIL;
  return bindError(status);
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
  source: number,
): number {
  const { rows } = plane;
  const remote = ipv4Number(request.remote.address);
  writeEndpoints(plane, id, route.via, source, remote);
  rows.set(id, R.ROW_REMOTE_PORT, request.remote.port);
  rows.set(id, R.ROW_CONTEXT, request.context);
  const port = request.local?.port ?? 0;
  return port === 0 ? bindEphemeral(plane, id, source, remote) : bindChosen(plane, id, port);
}

/** Starts an active open; the connection's id or -errno. */
export function openActive(plane: Plane, request: OpenRequest): number {
  const { rows, routes } = plane;
  if (!isIpv4(request.remote.address)) return -ERRNO.EAFNOSUPPORT;
  if (!isPort(request.remote.port, 1)) return -ERRNO.EADDRNOTAVAIL;
  if (!isPort(request.local?.port ?? 0, 0)) return -ERRNO.EINVAL;
  const remote = ipv4Number(request.remote.address);
  // RFC 9293 MUST-46.
  if (!routes.isPeer(remote)) return -ERRNO.ENETUNREACH;
  const route = routes.lookup(remote);
  if (route === undefined) return -ERRNO.ENETUNREACH;
  const chosen = request.local === undefined ? 0 : localAddress(plane, request.local.address);
  if (chosen < 0) return chosen;
  const id = allocateRow(plane);
  if (id === 0) return -ERRNO.ENOBUFS;
  // RFC 9293 MUST-43 to MUST-45: given, or chosen before the first SYN; then fixed.
  const failed = prepare(plane, id, request, route, chosen === 0 ? route.source : chosen);
  if (failed !== 0) {
    rows.release(id);
    return failed;
  }
  writeOptions(plane, id, request.options);
  chooseSequence(plane, id);
  if (plane.profile.ecn) rows.raise(id, R.ROW_HAS_ECN);
  change(plane, id, ConnectionEvent.ActiveOpen);
  post(plane, id, R.OUTBOX_SYN);
  return id;
}
