import type { Plan, SourcePlan, Step } from '../../model/plan.ts';
import { bytes, millis, titled, wrap } from '../format.ts';
import type { Look } from '../look.ts';

const PHASES: Readonly<Record<Step['phase'], string>> = {
  prepare: 'Before the window; writers notice nothing but what is said',
  window: 'In the window',
  finish: 'After the window; writes flow',
};

export function planText(plan: Plan, look: Look): readonly string[] {
  const together = plan.consistency === 'coordinated' && plan.sources.length > 1 ? ' at one instant' : '';
  const held =
    plan.hold.length === 0 ? 'no writes held' : `writes held ${millis(plan.holdLimit)} at most; the server ends it`;
  const many = plan.sources.length === 1 ? '1 source' : `${plan.sources.length} sources${together}`;
  return [
    ...wrap(`Plan for ${look.paint.bold(plan.job)}: ${many}, ${held}.`, look.width, '  '),
    ...plan.sources.flatMap((it) => ['', ...sourceText(it, look)]),
    ...Object.keys(PHASES).flatMap((it) => phaseText(it as Step['phase'], plan, look)),
    '',
    'This was a plan: nothing was held and nothing was written.',
  ];
}

function sourceText(source: SourcePlan, look: Look): readonly string[] {
  const of = source.database === undefined ? '' : `, database ${source.database}`;
  const head = `${look.paint.bold(source.name)}: ${titled(source.engine)} ${source.version} by ${source.method}${of}, ${bytes(source.facts.dataBytes)}, level ${source.level}`;
  return [
    ...wrap(head, look.width, '  '),
    ...source.reasons.flatMap((it) => wrap(`  ${it.text}`, look.width, '    ')),
    ...source.needs.flatMap((it) => {
      const state = it.met ? 'ok     ' : look.paint.red('missing');
      return wrap(`  ${state}  ${it.what}${it.detail === '' ? '' : `: ${it.detail}`}`, look.width, '           ');
    }),
  ];
}

function phaseText(phase: Step['phase'], plan: Plan, look: Look): readonly string[] {
  const numbered = plan.steps.map((step, at) => ({ step, number: at + 1 })).filter((it) => it.step.phase === phase);
  if (numbered.length === 0) return [];
  return [
    '',
    PHASES[phase],
    ...numbered.flatMap(({ step, number }) => {
      const of = plan.sources.length === 1 ? '' : `${step.source}: `;
      const limit = step.limit === undefined ? '' : ` (at most ${millis(step.limit)})`;
      return [
        ...wrap(`  ${String(number).padStart(2)}  ${of}${step.what}${limit}`, look.width, '      '),
        ...(step.statement === undefined
          ? []
          : step.statement.split('\n').map((it) => look.paint.dim(`        ${it}`))),
        ...(step.blocks === undefined ? [] : wrap(`      blocks: ${step.blocks}`, look.width, '      ')),
      ];
    }),
  ];
}
