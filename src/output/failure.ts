import type { RunEvent } from '../model/events.ts';
import { wrap } from './format.ts';
import type { Look } from './look.ts';

export type Failed = Extract<RunEvent, { readonly event: 'failed' }>;

/** What happened; what it means for the data, writes included; what to do next. */
export function failureText(failed: Failed, look: Look, cause: string | undefined): readonly string[] {
  const [first = '', ...rest] = failed.message.split('\n');
  return [
    ...wrap(`${look.paint.red('Failed')} (${failed.code}): ${first}`, look.width, '  '),
    ...rest.flatMap((it) => wrap(`  ${it}`, look.width, '    ')),
    ...wrap(`  ${failed.meaning}`, look.width, '  '),
    ...nextText(failed.next, look),
    ...(look.verbose ? [...(cause === undefined ? [] : ['', ...cause.split('\n')]), `exit ${failed.exit}`] : []),
  ];
}

/** A command is never broken: it is there to be copied. */
export function nextText(next: string, look: Look, open?: string): readonly string[] {
  const line = `${open === undefined ? '' : `${open} `}Next: ${next}`;
  if (!next.startsWith('stillpoint')) return wrap(line, look.width, '  ');
  return open === undefined || line.length <= look.width ? [line] : [open, `Next: ${next}`];
}
