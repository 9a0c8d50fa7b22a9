import type { Instance } from '../runtimes/runtime.ts';

/** What a machine shows of a process that runs in one of its containers is no second server: the containers' word counts. */
export function outsideContainers(here: readonly Instance[], containers: readonly Instance[]): readonly Instance[] {
  const pids = (it: Instance): readonly number[] => it.evidence.processes.map(({ pid }) => pid);
  const contained = new Set(containers.flatMap(pids));
  return here.filter((it) => !pids(it).some((pid) => contained.has(pid)));
}
