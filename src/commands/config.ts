import type { Config } from '../config/load.ts';
import { configJsonSchema } from '../config/schema.ts';
import { formatDuration } from '../config/units.ts';
import { writeYaml } from '../config/yaml.ts';
import { StillpointError } from '../model/errors.ts';
import type { Command, Context } from './command.ts';
import { judgeJob } from './copies.ts';

async function required(context: Context): Promise<Config> {
  const config = await context.config();
  if (config) return config;
  throw new StillpointError('config-missing', 'There is no ./stillpoint.yaml and no /etc/stillpoint/stillpoint.yaml.');
}

export const validate: Command = async (context) => {
  const config = await required(context);
  const { path, data } = config;
  const jobs = await Promise.all(
    Object.entries(data.jobs).map(async ([name, job]) => ({
      name,
      sources: Object.keys(job.sources),
      rule: await judgeJob(context, config, name),
    })),
  );
  const [first] = jobs;
  return {
    answer: 'config validate',
    body: { path, repositories: Object.keys(data.repositories), jobs },
    next: first ? `stillpoint plan ${first.name}` : 'stillpoint detect',
  };
};

/** The configuration as it is understood: defaults filled in, secrets never shown. */
export const show: Command = async (context) => {
  const { path, data } = await required(context);
  const understood = JSON.parse(JSON.stringify(data, readable));
  return { answer: 'config show', body: { path, config: understood, yaml: `# ${path}\n${writeYaml(understood)}` } };
};

const readable = (key: string, value: unknown): unknown => {
  if (typeof value !== 'number') return value;
  if (key === 'hold' || key === 'every' || key === 'timeout') return formatDuration(value);
  return key === 'rate' ? `${value}B/s` : value;
};

export const schema: Command = async () => ({ answer: 'config schema', body: configJsonSchema() });
