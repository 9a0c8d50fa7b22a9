/** `node exec-and-wait.ts CONTAINER SECONDS`: runs sleep in a container and waits for it, to be killed meanwhile. */
import { dockerRuntime } from '../../src/runtimes/docker/index.ts';

const [name = '', seconds = ''] = process.argv.slice(2);
const instance = await dockerRuntime('/var/tmp').find({ kind: 'docker', name });
const running = await instance.exec(['sleep', seconds], { limit: 600_000 });
process.stdout.write('running\n');
await running.exit;
