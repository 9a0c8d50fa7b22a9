import type { Engine } from '../engines/engine.ts';
import { StillpointError } from '../model/errors.ts';
import type { Evidence, Recognition, SeenProcess } from '../model/facts.ts';
import { formatRef, type Ref } from '../model/ref.ts';
import { isHead, programOf } from '../runtimes/proc.ts';
import type { Instance } from '../runtimes/runtime.ts';

/** One server of an instance, and whose it is. */
export interface Server {
  readonly engine: Engine;
  readonly recognition: Recognition;
  /** Narrowed to this server, where the instance holds several. */
  readonly instance: Instance;
}

/** Pure: the servers that an instance holds, by evidence alone; often none, sometimes several. */
export function serversIn(instance: Instance, engines: readonly Engine[]): readonly Server[] {
  const found = familiesOf(instance.evidence).flatMap((evidence) => {
    for (const engine of engines) {
      const recognition = engine.recognise(evidence);
      if (recognition) return [{ engine, recognition, evidence }];
    }
    return [];
  });
  return found.map(({ engine, recognition, evidence }) => ({
    engine,
    recognition,
    instance: narrowed(instance, evidence, found.length > 1),
  }));
}

/** The one server that the reference means. Throws `not-found` | `ambiguous` with the candidates. */
export function serverOf(instance: Instance, engines: readonly Engine[]): Server {
  const { ref } = instance;
  const all = serversIn(instance, engines);
  const port = 'port' in ref ? ref.port : undefined;
  const meant = port === undefined || all.length < 2 ? all : all.filter((it) => portOf(it.instance.evidence) === port);
  const [first, second] = meant;
  const where = formatRef(ref);
  if (second) {
    const names = meant.map((it) => formatRef(it.instance.ref)).join(', ');
    throw new StillpointError('ambiguous', `${where} runs ${meant.length} databases: ${names}.`, {
      next: `Name one of them: ${formatRef(second.instance.ref)}`,
    });
  }
  if (first) return first;
  if (all.length > 0) {
    const names = all.map((it) => formatRef(it.instance.ref)).join(', ');
    throw new StillpointError('not-found', `${where} is none of the databases in it: ${names}.`);
  }
  throw new StillpointError('not-found', `${where} runs no database that Stillpoint knows: ${whyNone(instance)}.`, {
    next: 'stillpoint detect --all   # what runs here, and why it is not a database',
  });
}

/** Why nothing in it is a server that we know. */
export function whyNone({ evidence }: Instance): string {
  if (evidence.stopped !== undefined) return `it is ${evidence.stopped}, and no data of a database were found in it`;
  const programs = [...new Set(evidence.processes.map(programOf))];
  if (programs.length === 0) return 'its processes cannot be seen';
  const named = programs.slice(0, 3).join(', ');
  return `it runs ${named}${programs.length > 3 ? ` and ${programs.length - 3} more` : ''}, no database server`;
}

/** A server forks: its processes are one family. Where nothing runs, all that was found is one family. */
function familiesOf(evidence: Evidence): readonly Evidence[] {
  const { processes, markers } = evidence;
  if (processes.length === 0) return [evidence];
  const headOf = (process: SeenProcess): SeenProcess => {
    const parent = processes.find((it) => it.pid === process.parent);
    return !parent || isHead(process, processes) ? process : headOf(parent);
  };
  const families = Map.groupBy(processes, headOf);
  return [...families].map(([head, members]) => ({
    ...evidence,
    processes: [head, ...members.filter((it) => it !== head)],
    ports: head.ports ?? evidence.ports,
    markers: markers.filter((it) => head.folder === undefined || it.path.startsWith(`${head.folder}/`)),
  }));
}

/** The port it listens on; a server that listens on sockets alone often has it in their names. */
function portOf({ processes, ports }: Evidence): number | undefined {
  const inName = processes[0]?.sockets?.map((it) => /\.(\d+)$/.exec(it)?.[1]).find((it) => it !== undefined);
  return ports[0] ?? (inName === undefined ? undefined : Number(inName));
}

/** The instance as this one server: what its family shows, and where its head listens, as far as that could be seen. */
function narrowed(instance: Instance, evidence: Evidence, several: boolean): Instance {
  const [head] = evidence.processes;
  const ref: Ref =
    several && (instance.ref.kind === 'docker' || instance.ref.kind === 'compose')
      ? withPort(instance.ref, portOf(evidence))
      : instance.ref;
  if (head?.ports === undefined && head?.sockets === undefined) return { ...instance, ref, evidence };
  const endpoints = instance.endpoints.filter((it) =>
    'port' in it ? head.ports?.includes(it.port) : head.sockets?.includes(it.socket),
  );
  return { ...instance, ref, evidence, endpoints };
}

const withPort = <R extends Ref>(ref: R, port: number | undefined): R => (port === undefined ? ref : { ...ref, port });
