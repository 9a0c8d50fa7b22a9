import { StillpointError } from '../model/errors.ts';
import { explain, type Mistake } from './explain.ts';
import { crossCheck } from './rules.ts';
import { type ConfigData, configJsonSchema, configSchema } from './schema.ts';
import { readYaml } from './yaml.ts';

/** Pure. Throws `config-invalid` with every mistake and its line. */
export function parseConfig(text: string, path: string): ConfigData {
  const yaml = readYaml(text);
  if (yaml.faults.length > 0) throw invalid(path, yaml.faults);
  const parsed = configSchema.safeParse(yaml.value ?? {});
  if (!parsed.success) throw invalid(path, explain(parsed.error.issues, yaml, configJsonSchema()));
  const mistakes = crossCheck(parsed.data)
    .map(({ path: at, text: why }) => ({ line: yaml.line(at), text: why }))
    .toSorted((a, b) => a.line - b.line);
  if (mistakes.length > 0) throw invalid(path, mistakes);
  return parsed.data;
}

const invalid = (path: string, mistakes: readonly Mistake[]): StillpointError =>
  new StillpointError(
    'config-invalid',
    mistakes.length === 1
      ? `${path}, line ${mistakes[0]?.line}: ${mistakes[0]?.text}.`.replace(/\?\.$/, '?')
      : [`${path} has ${mistakes.length} mistakes:`, ...mistakes.map((it) => `line ${it.line}: ${it.text}`)].join('\n'),
  );
