import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

type Act = (...args: never[]) => Promise<unknown>;

/**
 * Calls `after` when each change of a file system ends: every write, sync, rename, removal and folder that this process
 * makes until dispose. `forget` lets its syncs of files or of folders do nothing: what a program without them would leave.
 */
export function watchChanges(after: (what: string) => void, forget?: 'files' | 'folders'): Disposable {
  const original = { ...fs };
  const watched =
    (name: string, act: Act): Act =>
    async (...args) => {
      const result = await act(...args);
      after(`${name} ${args[0]}`);
      return result;
    };
  const changed = Object.fromEntries(
    (['rename', 'mkdir', 'rm', 'unlink'] as const).map((name) => [name, watched(name, original[name] as Act)]),
  );
  const open: typeof fs.open = async (path, ...more) => {
    const handle = await original.open(path, ...more);
    if (more[0] === 'r') {
      if (forget === 'folders') handle.sync = async () => {};
      return handle;
    }
    after(`open ${path}`);
    handle.writeFile = watched(`write ${path}`, handle.writeFile.bind(handle)) as typeof handle.writeFile;
    handle.writev = watched(`write ${path}`, handle.writev.bind(handle)) as typeof handle.writev;
    handle.sync = watched(
      `sync ${path}`,
      forget === 'files' ? async () => {} : handle.sync.bind(handle),
    ) as typeof handle.sync;
    return handle;
  };
  Object.assign(fs, changed, { open });
  syncBuiltinESMExports();
  return {
    [Symbol.dispose]() {
      Object.assign(fs, original);
      syncBuiltinESMExports();
    },
  };
}
