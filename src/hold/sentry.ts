import { setTimeout as sleep } from 'node:timers/promises';
import type { World } from '../backup/world.ts';
import type { Engine } from '../engines/engine.ts';
import { messageOf } from '../model/errors.ts';
import type { Leftover } from '../model/leftover.ts';
import { formatRef, parseRef } from '../model/ref.ts';
import { type Login, Secret } from '../model/secret.ts';
import type { Instance } from '../runtimes/runtime.ts';
import type { GuardWord, Watch } from './guard.ts';
import { stateOf } from './runner.ts';

/** The guard's own side of `startGuard`: what the guarding process does from its first word to its last. */
export interface Channel {
  /** The next message; undefined when the runner has ended. */
  receive(): Promise<unknown>;
  /** Resolves when it is sent, or when nobody listens any more. */
  send(word: GuardWord): Promise<void>;
}

interface Post {
  readonly engine: Engine;
  readonly instance: Instance;
  readonly login: Login;
  readonly watched: Watch['servers'][number];
}

const LOOK_EVERY = 200;
/** A server that is restarting at this moment is asked again. */
const TRIES = 10;
const PAUSE = 500;

/**
 * Logs in to every server once, says so, and waits until the run is over, dead, or stopped for longer than it may be. Then
 * takes back what is still changed, and ends what still holds writes: only of this run, and only what nobody changed since.
 */
export async function standGuard(world: World, channel: Channel): Promise<void> {
  const watch = (await channel.receive()) as Watch;
  const posts: Post[] = [];
  try {
    for (const watched of watch.servers) posts.push(await takePost(world, watched));
    for (const post of posts) await Array.fromAsync(leftIn(post, watch));
  } catch (cause) {
    await channel.send({ left: [messageOf(cause)] });
    return;
  }
  await channel.send({ ready: true });
  await Promise.race([channel.receive(), untilStopped(watch)]);
  const left: string[] = [];
  for (const post of posts) {
    const why = await putBack(post, watch);
    if (why !== undefined) left.push(why);
  }
  await channel.send({ left });
}

async function takePost(world: World, watched: Watch['servers'][number]): Promise<Post> {
  const ref = parseRef(watched.ref);
  const runtime = await world.runtime(ref.kind === 'url' ? 'host' : 'docker');
  const { user, password, database } = watched.login;
  const login: Login = {
    user,
    ...(password === undefined ? {} : { password: new Secret(password) }),
    ...(database === undefined ? {} : { database }),
  };
  return { engine: await world.engine(watched.engine), instance: await runtime.find(ref), login, watched };
}

/** Of this run what changed a server or holds its writes. */
async function* leftIn({ engine, instance, login, watched }: Post, { run }: Watch): AsyncGenerator<Leftover> {
  const changes = watched.changes.map((it) => ({ ...it, run }));
  for await (const leftover of engine.leftovers(instance, login, changes))
    if (leftover.run === run && (leftover.holds || leftover.kind === 'setting')) yield leftover;
}

/** A runner that is stopped at the end of its time cannot take anything back; one that works may take longer. */
async function untilStopped({ runner, within }: Watch): Promise<void> {
  await sleep(within, undefined, { ref: false });
  while ((await stateOf(runner)) === 'alive') await sleep(LOOK_EVERY, undefined, { ref: false });
}

/** Undefined: nothing is left. */
async function putBack(post: Post, watch: Watch): Promise<string | undefined> {
  let why = '';
  for (let tries = 1; tries <= TRIES; tries++) {
    try {
      for await (const leftover of leftIn(post, watch)) await leftover.remove();
      return undefined;
    } catch (cause) {
      why = messageOf(cause);
      await sleep(PAUSE);
    }
  }
  return `${formatRef(post.instance.ref)}: ${why}`;
}
