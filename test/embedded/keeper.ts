/**
 * Ends a folder and its server when its owner ends, however that happens: even after SIGKILL the kernel closes the
 * owner's end of this process's stdin. `keep` on stdin leaves all as it is.
 */
import { text } from 'node:stream/consumers';
import { endFolder } from './end.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: keeper.ts FOLDER');
process.stdout.write('ready\n');
if ((await text(process.stdin)) !== 'keep') await endFolder(folder);
