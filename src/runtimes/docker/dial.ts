import type { Duplex } from 'node:stream';
import type Docker from 'dockerode';
import { StillpointError } from '../../model/errors.ts';
import { formatRef, type Ref } from '../../model/ref.ts';
import { connectTo } from '../connect.ts';
import { type Inspected, machineOf } from './api.ts';
import type { View } from './view.ts';

/** An address of a container that is not on this machine's network drops packets instead of refusing them. */
const ADDRESS_LIMIT = 2_000;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** A stream to a socket of the container, by its files: no network between, and no port that must be published. */
export async function dialSocket(view: View | undefined, socket: string, ref: Ref): Promise<Duplex> {
  if (!view)
    throw new StillpointError(
      'unreachable',
      `${formatRef(ref)} cannot be reached by its socket ${socket}: this process may not look into the container.`,
      { next: 'Run as root on the machine of the container (in a container: with --pid host), or publish its port.' },
    );
  return connectTo({ path: await view.here(socket) }, ref);
}

/** A stream to a port of the container: by the first of its addresses that answers. */
export async function dialPort(addresses: readonly Address[], port: number, ref: Ref): Promise<Duplex> {
  const failed: unknown[] = [];
  for (const address of addresses) {
    try {
      return await connectTo(address, ref, ADDRESS_LIMIT);
    } catch (cause) {
      failed.push(cause);
    }
  }
  if (failed.length > 0) throw failed[0];
  throw new StillpointError(
    'unreachable',
    `${formatRef(ref)} has no network address, and its port ${port} is not published.`,
    { next: `Publish the port (docker run -p 127.0.0.1::${port}), or run as root on the machine of the container.` },
  );
}

/** Where a port of the container can be reached, best first: its own addresses, then where it is published. */
export async function addressesOf(docker: Docker, container: Inspected, port: number): Promise<readonly Address[]> {
  const mode = container.HostConfig.NetworkMode ?? '';
  // It shares the network of another container, and has no addresses of its own.
  if (mode.startsWith('container:'))
    return addressesOf(docker, await docker.getContainer(mode.slice('container:'.length)).inspect(), port);
  if (mode === 'host') return [{ host: '127.0.0.1', port }];
  const networks = Object.values(container.NetworkSettings.Networks ?? {});
  const own = networks
    .flatMap((it) => [it.IPAddress, it.GlobalIPv6Address ?? ''])
    .filter((it) => it !== '')
    .map((host) => ({ host, port }));
  const gateways = networks.map((it) => it.Gateway).filter((it) => it !== '');
  const published = (container.NetworkSettings.Ports?.[`${port}/tcp`] ?? []).flatMap(({ HostIp, HostPort }) =>
    publishedOn(HostIp, gateways, machineOf(docker)).map((host) => ({ host, port: Number(HostPort) })),
  );
  return [...own, ...published];
}

/** A port that is published on all addresses is there on this machine's, and from a container on the gateway's. */
function publishedOn(address: string, gateways: readonly string[], machine: string | undefined): readonly string[] {
  if (address !== '' && address !== '0.0.0.0' && address !== '::') return [address];
  return machine === undefined ? ['127.0.0.1', ...gateways] : [machine];
}
