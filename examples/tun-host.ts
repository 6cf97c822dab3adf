/**
 * A stack on a TUN device, driven by wall time: what the programs for TUN start from. The device's
 * kernel end gets one address of a /24, the stack another. Linux, as root, with iproute2.
 */
import { execFileSync } from "node:child_process";
import { platform } from "../bindings/node.ts";
import { Driver } from "../host/driver.ts";
import { openTun } from "../host/netif/tun.ts";
import { Stack } from "../host/stack.ts";

export interface TunHostOptions {
  /** Name of the device; default toe0. */
  readonly device?: string;
  /** Default 10.99.0.1 for the kernel's end and 10.99.0.2 for the stack. */
  readonly kernel?: string;
  readonly stack?: string;
}

export interface TunHost {
  readonly stack: Stack;
  /** Stops the driver and takes the device away. */
  close(): void;
}

/** Gives the kernel's end of a device its address and switches it on. */
export function configureDevice(device: string, address: string): void {
  execFileSync("ip", ["address", "add", `${address}/24`, "dev", device]);
  execFileSync("ip", ["link", "set", device, "up"]);
}

/** Makes device, stack and driver. Rejects with TunError when the device cannot be made. */
export async function openTunHost(options: TunHostOptions = {}): Promise<TunHost> {
  const netif = await openTun({ mode: "tun", name: options.device ?? "toe0" });
  configureDevice(netif.name, options.kernel ?? "10.99.0.1");
  const stack = new Stack({
    module: await platform.loadCore(),
    entropy: platform.entropy,
    netifs: [{ netif, addresses: [`${options.stack ?? "10.99.0.2"}/24`] }],
  });
  const driver = new Driver(stack, platform);
  driver.start();
  return {
    stack,
    close: () => {
      driver.stop();
      netif.close();
    },
  };
}
